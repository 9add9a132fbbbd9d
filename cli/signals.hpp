#pragma once

// Ctrl-C and its like.

#include <atomic>

namespace convoy::cli {

extern std::atomic<bool> interrupted;  // somebody has asked to stop

// From now on the first SIGINT or SIGTERM sets `interrupted`, so that work ends in good order; the
// second ends the process at once.
void stop_on_signals();

// However often it is asked, `interrupted` is all that happens.
void note_signals();

}  // namespace convoy::cli
