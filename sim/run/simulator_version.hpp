#pragma once

#include <string>

namespace convoy::sim {

// Of SimGrid, as it is loaded: "3.32.0". For those above who do not see the world.
std::string simulator_version();

}  // namespace convoy::sim
