#include "cli/signals.hpp"

#include <csignal>

namespace convoy::cli {

std::atomic<bool> interrupted = false;

void stop_on_signals() {
  // Separate from `interrupted`, which other code may set, too.
  static std::atomic<bool> signalled = false;
  const auto handler = [](int signal) {
    interrupted = true;
    if (signalled.exchange(true)) {
      std::signal(signal, SIG_DFL);
      std::raise(signal);
    }
  };
  std::signal(SIGINT, handler);
  std::signal(SIGTERM, handler);
}

void note_signals() {
  const auto handler = [](int) { interrupted = true; };
  std::signal(SIGINT, handler);
  std::signal(SIGTERM, handler);
}

}  // namespace convoy::cli
