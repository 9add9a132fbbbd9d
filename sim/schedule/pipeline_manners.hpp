#pragma once

// How each kind of pipeline plans and runs.

#include <string>
#include <utility>
#include <vector>

#include "sim/plan/asteroid.hpp"
#include "sim/schedule/pipeline_planner.hpp"

namespace convoy::sim {

PipelineManner asteroid_manner(const AsteroidOptions& options);
// All devices have the whole model, and share each micro-batch by their speeds and memories.
PipelineManner data_parallel_manner(ReduceBy reduce);

// The kinds with their defaults, and marks: for comparisons.
std::vector<std::pair<std::string, PipelineManner>> compared_manners();

}  // namespace convoy::sim
