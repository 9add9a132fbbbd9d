#pragma once

// The connections of LiveServer. Internal to analysis/live; everything happens in its thread.

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <functional>
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
  // It only looks: who may control the run has its place where all are taken.
  [[nodiscard]] virtual bool gives_way() const = 0;
  // Ends it at once.
  virtual void end() = 0;
  // Ends it where nothing of what it is sent has got through for so long.
  virtual void end_if_stuck(std::chrono::steady_clock::duration longest) = 0;
};

// A place among those who are connected and do not look yet; it is given back with the object.
class LivePlace {
 public:
  LivePlace() = default;
  virtual ~LivePlace() = default;
  LivePlace(const LivePlace&) = delete;
  LivePlace& operator=(const LivePlace&) = delete;
  // What ends the connection, where another takes the place. Says who has it from now on.
  std::function<void()> dismiss;
};

// What connections need of the server.
class LiveHost {
 public:
  virtual ~LiveHost() = default;
  [[nodiscard]] virtual const Access& access() const = 0;
  [[nodiscard]] virtual const std::string& page() const = 0;
  [[nodiscard]] virtual const LiveOptions& options() const = 0;
  [[nodiscard]] virtual LiveState& state() = 0;
  // Where all are taken, that of the one who has had it longest, of the address that has most.
  [[nodiscard]] virtual std::shared_ptr<LivePlace> place(
      const boost::asio::ip::address& address) = 0;
  // False: there are too many that give way to nobody, or the run is over.
  virtual bool join(const std::shared_ptr<LiveSession>& session) = 0;
  virtual void leave(const std::shared_ptr<LiveSession>& session) = 0;
  // In the log, as often as is good for it.
  virtual void warn(const std::string& what) = 0;
};

// Answers what comes by a new connection. `host` outlives it.
void answer(boost::asio::ip::tcp::socket socket, LiveHost& host);

}  // namespace convoy::analysis
