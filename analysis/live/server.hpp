#pragma once

// Shows a run in progress: a page by HTTP, and the store's rows by WebSocket as they are written
// (messages: analysis/web/src/data.d.ts). Runs in its own thread, independent of the run.
//
//   LiveServer server({"127.0.0.1", 8080, ...}, state);   // listens from here on
//   ... the run, which calls state.put() ...
//   server.run_is_over();                                  // tells everybody, waits a moment

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "analysis/live/state.hpp"
#include "base/non_copyable.hpp"

namespace convoy::analysis {

struct LiveOptions {
  std::string host;   // address listened on
  std::string shown;  // host name for other machines; "": the same
  std::uint16_t port = 0;
  bool loopback = true;          // `host` is loopback; else reading needs the token, too
  std::filesystem::path folder;  // of the run
  std::string version;           // Convoy's version
  bool pausable = true;          // false: real devices cannot be paused
  std::function<void()> stop;    // a user stops the run; called in the server's thread
  // How long the end of a run waits for connected viewers, also for unresponsive ones.
  std::chrono::milliseconds patience{10'000};
  std::chrono::milliseconds patience_when_stuck{2'000};
};

class LiveServer : base::NonCopyable {
 public:
  // Throws base::UserError if the address cannot be listened on.
  LiveServer(LiveOptions options, LiveState& state);
  ~LiveServer();

  [[nodiscard]] std::string url() const;  // with the token for pausing and stopping

  // The store is complete: sends it to all viewers and disconnects them. Takes at most ten seconds
  // after the data is ready, two if connections are blocked, no time without viewers.
  void run_is_over();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convoy::analysis
