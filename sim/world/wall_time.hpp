#pragma once

// Wall time, of the machine's steady clock. Virtual time is a plain number of seconds throughout
// the simulation: neither can be taken for the other.

#include <chrono>

namespace convoy::sim {

using WallSeconds = std::chrono::duration<double>;
using WallTime = std::chrono::time_point<std::chrono::steady_clock, WallSeconds>;

inline WallTime wall_now() { return std::chrono::steady_clock::now(); }

}  // namespace convoy::sim
