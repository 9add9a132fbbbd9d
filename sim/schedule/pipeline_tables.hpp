#pragma once

// Explanations of pipelines' plans.

#include <vector>

#include "sim/schedule/pipeline_explanation.hpp"
#include "sim/schedule/pipeline_planner.hpp"

namespace convoy::sim {

PipelineTable pipeline_table(const PipelinePlanner& planner, const PlannedPipeline& planned);

// What every planner makes of the same nodes, speeds and samples of a round: the kinds with their
// defaults, and marks. Those that do not fit say why.
std::vector<PipelineAlternative> pipeline_alternatives(const PipelinePlanner& planner,
                                                       const std::vector<NodeId>& nodes,
                                                       const ByNode<double>& speeds);

}  // namespace convoy::sim
