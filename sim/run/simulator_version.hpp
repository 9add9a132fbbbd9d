#pragma once

#include <string>

namespace convoy::sim {

// Version of the loaded SimGrid: "3.32.0". For callers that do not include the world.
std::string simulator_version();

}  // namespace convoy::sim
