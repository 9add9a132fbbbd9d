#pragma once

// Shows a run or a sweep in progress: a page by HTTP, and what is new by WebSocket (messages:
// analysis/web/src/data.d.ts). Works in its own thread, independent of the run.
//
//   ShownRun run(state, folder, true);
//   LiveServer server({"127.0.0.1", 8080, ...}, run);   // listens from here on
//   ... the run, which calls state.put() ...
//   server.is_over();                                   // tells everybody, waits a moment

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "analysis/live/subject.hpp"
#include "base/non_copyable.hpp"

namespace convoy::analysis {

struct LiveOptions {
  std::string host;   // address listened on
  std::string shown;  // host name for other machines; "": the same
  std::uint16_t port = 0;
  bool loopback = true;        // `host` is loopback; else reading needs the token, too
  std::string version;         // Convoy's version
  std::function<void()> stop;  // a user stops the run; called in the server's thread
  // How long the end waits for connected viewers, also for unresponsive ones.
  std::chrono::milliseconds patience{10'000};
  std::chrono::milliseconds patience_when_stuck{2'000};
};

class LiveServer : base::NonCopyable {
 public:
  // Throws base::UserError if the address cannot be listened on. `subject` must outlive the server.
  LiveServer(LiveOptions options, LiveSubject& subject);
  ~LiveServer();

  [[nodiscard]] std::string url() const;  // with the token for pausing and stopping

  // All is recorded: sends it to all viewers and disconnects them. Takes at most ten seconds after
  // the data is ready, two if connections are blocked, no time without viewers.
  void is_over();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convoy::analysis
