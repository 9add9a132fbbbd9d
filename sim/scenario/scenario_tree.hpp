#pragma once

// Reads a scenario from its tree. Internal to sim/scenario.

#include <optional>
#include <string>
#include <vector>

#include "base/value.hpp"
#include "sim/scenario/axes.hpp"
#include "sim/scenario/scenario.hpp"

namespace convoy::sim {

std::vector<Change> changes_of(const std::vector<Override>& overrides);

// `path` names the file in messages and is the base of relative paths. `axes_found`: gets the axes
// of [sweep]; may be null. `point`: the tree is a point of a sweep. Nothing: errors were reported.
std::optional<Scenario> read_tree(const base::Value& tree, const std::string& path,
                                  const std::vector<Change>& changes, base::Diagnostics& problems,
                                  std::vector<SweepAxis>* axes_found = nullptr, bool point = false);

}  // namespace convoy::sim
