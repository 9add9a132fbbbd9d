#pragma once

// Wall time by the steady clock, with types of its own. Virtual time is a plain double (s), so the
// compiler keeps the two apart.

#include <chrono>

namespace convoy::sim {

using WallSeconds = std::chrono::duration<double>;
using WallTime = std::chrono::time_point<std::chrono::steady_clock, WallSeconds>;

inline WallTime wall_now() { return std::chrono::steady_clock::now(); }

}  // namespace convoy::sim
