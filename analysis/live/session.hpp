#pragma once

// The connections of LiveServer. Internal to analysis/live; everything happens in its thread.

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <string>

#include "analysis/live/access.hpp"
#include "analysis/live/server.hpp"
#include "analysis/live/state.hpp"

namespace convoy::analysis {

// Somebody who looks at the run.
class LiveSession {
 public:
  virtual ~LiveSession() = default;
  virtual void tell_status() = 0;
  virtual void tell_rows() = 0;
  // The last message; then the connection is closed.
  virtual void finish(std::shared_ptr<const std::string> last) = 0;
};

// What connections need of the server.
class LiveHost {
 public:
  virtual ~LiveHost() = default;
  [[nodiscard]] virtual const Access& access() const = 0;
  [[nodiscard]] virtual const std::string& page() const = 0;
  [[nodiscard]] virtual const LiveOptions& options() const = 0;
  [[nodiscard]] virtual LiveState& state() = 0;
  // A place among those who are connected, given back with the object; null: all are taken.
  [[nodiscard]] virtual std::shared_ptr<void> place() = 0;
  // False: there are too many, or the run is over.
  virtual bool join(const std::shared_ptr<LiveSession>& session) = 0;
  virtual void leave(const std::shared_ptr<LiveSession>& session) = 0;
};

// Answers what comes by a new connection. `host` outlives it.
void answer(boost::asio::ip::tcp::socket socket, LiveHost& host);

}  // namespace convoy::analysis
