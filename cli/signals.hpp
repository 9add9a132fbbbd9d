#pragma once

// Ctrl-C and other signals.

#include <atomic>

namespace convoy::cli {

extern std::atomic<bool> interrupted;  // a user has asked to stop

// From now on the first SIGINT or SIGTERM sets `interrupted`, so that work ends in order; the
// second ends the process at once.
void stop_on_signals();

// From now on every SIGINT or SIGTERM only sets `interrupted`.
void note_signals();

}  // namespace convoy::cli
