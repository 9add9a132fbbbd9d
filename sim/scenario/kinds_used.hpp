#pragma once

// The kinds of schedules that a scenario uses. Internal to sim/scenario.

#include <string>
#include <vector>

#include "base/value.hpp"

namespace convoy::sim {

// The kinds of all points of the sweep, with and without --set. Keys of other kinds are reported as
// useless. `tree`: the file as written; `root`: the final tree.
std::vector<std::string> kinds_used(const base::Value& tree, const base::Value& root);

}  // namespace convoy::sim
