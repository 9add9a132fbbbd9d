#pragma once

// How each kind of pipeline plans and runs.

#include <string>
#include <utility>
#include <vector>

#include "sim/plan/asteroid.hpp"
#include "sim/plan/dapple.hpp"
#include "sim/plan/pipedream.hpp"
#include "sim/plan/pipeline_marks.hpp"
#include "sim/schedule/pipeline_planner.hpp"

namespace convoy::sim {

PipelineManner asteroid_manner(const AsteroidOptions& options);
// All devices have the whole model and a share of each micro-batch.
PipelineManner data_parallel_manner(ReduceBy reduce, DataShares shares);
// A stage for each device. `order`: gpipe or gpipe_reverse. Stages have equal times on the mean
// device, or equal numbers of layers.
PipelineManner gpipe_manner(PipelineOrder order, bool by_layers);
PipelineManner pipedream_manner(const PipedreamOptions& options);
PipelineManner dapple_manner(const DappleOptions& options);

// The kinds with their defaults, and marks: for comparisons.
std::vector<std::pair<std::string, PipelineManner>> compared_manners();

}  // namespace convoy::sim
