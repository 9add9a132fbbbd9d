#pragma once

// The memory that an agent may take, and how it is known that there was none.

#include <exception>

#include "hil/protocol/messages.hpp"

namespace convoy::hil {

// Of this process, from now on; 0: as much as there is. Warns where it cannot be set.
void limit_memory(double bytes);

// What an exception of a task means to the coordinator: LibTorch says in words only that there was
// no memory, on the host as on a GPU.
wire::Trouble trouble_of(const std::exception& e);

}  // namespace convoy::hil
