#pragma once

// Which kinds of schedules a scenario is about. Internal to sim/scenario.

#include <string>
#include <vector>

#include "base/value.hpp"

namespace convoy::sim {

// Those that some point of the file has, or had without --set: only the keys of other kinds are of
// no use. `tree`: the file as it was written; `root`: what it says in the end.
std::vector<std::string> kinds_used(const base::Value& tree, const base::Value& root);

}  // namespace convoy::sim
