#pragma once

// The connections of LiveServer. Internal to analysis/live; runs in the server's thread.

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "analysis/live/access.hpp"
#include "analysis/live/server.hpp"
#include "analysis/live/subject.hpp"
#include "base/non_copyable.hpp"

namespace convoy::analysis {

// A viewer of the run or sweep.
class LiveSession {
 public:
  virtual ~LiveSession() = default;
  virtual void tell_status() = 0;
  virtual void tell_rows() = 0;
  // Sends the last message, then closes the connection.
  virtual void finish(LiveMessage last) = 0;
  // True for a viewer without control: its place is given to one with control if all are taken.
  [[nodiscard]] virtual bool gives_way() const = 0;
  // Closes the connection at once.
  virtual void end() = 0;
  // Closes the connection if nothing could be sent to it for `longest`.
  virtual void end_if_stuck(std::chrono::steady_clock::duration longest) = 0;
};

// A place for a connection that is not yet a viewer; destroying the object frees the place.
class LivePlace : base::NonCopyable {
 public:
  virtual ~LivePlace() = default;
  // Closes the connection when another takes its place. Tells who has the place now.
  std::function<void()> dismiss;
};

// The server as seen by its connections.
class LiveHost {
 public:
  virtual ~LiveHost() = default;
  [[nodiscard]] virtual const Access& access() const = 0;
  [[nodiscard]] virtual const std::string& page() const = 0;
  [[nodiscard]] virtual const LiveOptions& options() const = 0;
  [[nodiscard]] virtual LiveSubject& subject() = 0;
  // If all places are taken, replaces the oldest connection of the address that has the most.
  [[nodiscard]] virtual std::shared_ptr<LivePlace> place(
      const boost::asio::ip::address& address) = 0;
  // False: too many viewers with control, or the run or sweep is over.
  virtual bool join(const std::shared_ptr<LiveSession>& session) = 0;
  virtual void leave(const std::shared_ptr<LiveSession>& session) = 0;
  // Logs a warning, rate-limited.
  virtual void warn(const std::string& what) = 0;
};

// Serves a new connection. `host` must outlive it.
void answer(boost::asio::ip::tcp::socket socket, LiveHost& host);

}  // namespace convoy::analysis
