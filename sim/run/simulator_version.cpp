#include "sim/run/simulator_version.hpp"

#include "sim/world/world.hpp"

namespace convoy::sim {

std::string simulator_version() { return simgrid_version(); }

}  // namespace convoy::sim
