#pragma once

// What the live view shows: a run (shown_run.hpp) or a sweep (shown_sweep.hpp). Called by the
// server's thread; end() by the thread that runs it, while the server's thread may call the others.
// analysis/web/src/data.d.ts defines the messages.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/json.hpp"

namespace convoy::analysis {

using LiveMessage = std::shared_ptr<const std::string>;  // JSON

// What is not UTF-8 is replaced.
inline LiveMessage live_message(const Json& json) {
  return std::make_shared<const std::string>(
      json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

// What one viewer has been told so far.
class LiveFeed {
 public:
  virtual ~LiveFeed() = default;
  // What is new since the last call, in order; the first call gives all there is. Throws
  // std::exception if it cannot be read.
  virtual std::vector<LiveMessage> news() = 0;
};

class LiveSubject {
 public:
  virtual ~LiveSubject() = default;
  // "run" or "sweep": which page shows it.
  [[nodiscard]] virtual std::string kind() const = 0;
  // False as long as there is nothing to show yet.
  [[nodiscard]] virtual bool has_begun() const = 0;
  [[nodiscard]] virtual std::unique_ptr<LiveFeed> feed(bool may_control) = 0;

  // Somebody is looking: `now` should be renewed soon.
  virtual void ask_for_status() = 0;
  // The present state.
  [[nodiscard]] virtual LiveMessage now() const = 0;

  // Pauses or continues it. Gives the reason if that is refused, else "".
  virtual std::string pause(bool wanted) = 0;
  // It is over: the last message, with everything. Throws std::exception if it cannot be read.
  virtual LiveMessage end() = 0;

  // Another page than the main one; nothing if there is no such path. May take a second.
  virtual std::optional<std::string> page(std::string_view /*path*/) { return std::nullopt; }
};

}  // namespace convoy::analysis
