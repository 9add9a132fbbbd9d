#pragma once

// Whether the nodes' memory holds what tasks keep there, each alone and those that are at work at
// the same time: for the checks before a run.

#include <string>
#include <vector>

#include "sim/scenario/scenario.hpp"

namespace convoy::sim {

// Sentences on tasks whose graphs hold memory (TaskGraph::hold): which fail before they start,
// since a node of theirs does not hold its part alone, and where not all have room at once, by
// their peaks as the world reserves them. `at_once`: how many of them are at work at a time, at
// most.
std::vector<std::string> check_memory(const Scenario& scenario,
                                      const std::vector<PlannedTask>& plan, std::size_t at_once);

}  // namespace convoy::sim
