#pragma once

// Reading a scenario from the tree of its file. Internal to sim/scenario.

#include <optional>
#include <string>
#include <vector>

#include "base/value.hpp"
#include "sim/scenario/axes.hpp"
#include "sim/scenario/scenario.hpp"

namespace convoy::sim {

std::vector<Change> changes_of(const std::vector<Override>& overrides);

// `path` names the file in messages and says where relative paths start. `axes_found`: what its
// [sweep] says, where the caller wants it. `point`: it is one of a sweep. Nothing: something is
// wrong, and reported.
std::optional<Scenario> read_tree(const base::Value& tree, const std::string& path,
                                  const std::vector<Change>& changes, base::Diagnostics& problems,
                                  std::vector<SweepAxis>* axes_found = nullptr, bool point = false);

}  // namespace convoy::sim
