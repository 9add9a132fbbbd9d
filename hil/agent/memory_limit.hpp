#pragma once

// Limits the agent's memory, and recognizes errors caused by lack of memory.

#include <exception>

#include "hil/protocol/messages.hpp"

namespace convoy::hil {

// Limits this process from now on, in bytes; 0: no limit. Warns if the limit cannot be set.
void limit_memory(double bytes);

// The trouble code that the coordinator gets for a task's exception. LibTorch reports lack of
// memory, on host and GPU, only in the exception's text.
wire::Trouble trouble_of(const std::exception& e);

}  // namespace convoy::hil
