#pragma once

// Shows a run while it goes on: a page by HTTP, and its rows by WebSocket as they are written to
// the store (analysis/web/src/data.d.ts has the messages). A thread of its own; the run goes on
// whether or not somebody looks.
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

namespace convoy::analysis {

struct LiveOptions {
  std::string host;   // address that is listened on
  std::string shown;  // by which others reach it; "": the same
  std::uint16_t port = 0;
  bool loopback = true;          // `host` is one; elsewhere a token is needed even to read
  std::filesystem::path folder;  // of the run
  std::string version;           // of Convoy
  bool pausable = true;          // no: real devices do not wait
  std::function<void()> stop;    // somebody wants the run to end; called in the server's thread
  // How long the end of a run waits for those who are told of it, and for those to whom nothing
  // gets through.
  std::chrono::milliseconds patience{10'000};
  std::chrono::milliseconds patience_when_stuck{2'000};
};

class LiveServer {
 public:
  // Throws base::UserError where the address cannot be listened on.
  LiveServer(LiveOptions options, LiveState& state);
  ~LiveServer();
  LiveServer(const LiveServer&) = delete;
  LiveServer& operator=(const LiveServer&) = delete;

  [[nodiscard]] std::string url() const;  // with the token that allows to pause and to stop

  // The store is whole: those who look are given it, and let go. Takes at most ten seconds after
  // what is to be told is ready, two where nothing gets through to them, and no time where nobody
  // looks.
  void run_is_over();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convoy::analysis
