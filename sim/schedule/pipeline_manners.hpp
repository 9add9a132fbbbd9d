#pragma once

// How each kind of pipeline plans and runs.

#include <string>
#include <utility>
#include <vector>

#include "sim/plan/asteroid.hpp"
#include "sim/plan/dapple.hpp"
#include "sim/plan/pipedream.hpp"
#include "sim/schedule/pipeline_planner.hpp"

namespace convoy::sim {

PipelineManner asteroid_manner(const AsteroidOptions& options);
// All devices have the whole model, and share each micro-batch by their speeds and memories, or
// equally.
PipelineManner data_parallel_manner(ReduceBy reduce, bool equal);
// A stage for each device. `order`: gpipe or gpipe_reverse. Stages are balanced by the times on the
// first device, or by each device's own.
PipelineManner gpipe_manner(PipelineOrder order, bool own);

PipelineManner pipedream_manner(const PipedreamOptions& options);
PipelineManner dapple_manner(const DappleOptions& options);

// The kinds with their defaults, and marks: for comparisons.
std::vector<std::pair<std::string, PipelineManner>> compared_manners();

}  // namespace convoy::sim
