#pragma once

// The tasks of a pipeline's schedule: rounds of a plan (pipeline_graph.hpp, with each device's
// runtime in its memory), rounds of data parallelism with a parameter server, and the moves of
// weights between two plans.

#include <vector>

#include "sim/schedule/pipeline_planner.hpp"
#include "sim/schedule/pipeline_round.hpp"

namespace convoy::sim {

// `rounds` passes of the plan; with PipelinePlan::stashes_weights one, which has them all. Seconds
// are those at nominal speeds.
PipelineTask pipeline_task(const PipelinePlanner& planner, const PlannedPipeline& planned,
                           int rounds);

// Weights that go from one node to another, through the server or directly.
struct NodeMove {
  NodeId from = no_node;
  NodeId to = no_node;
  double bytes = 0;
  bool through_server = false;
};

// All at the same time; what goes through the server leaves it when it has all of it. Only the
// nodes that send or receive, and the server, are members.
PipelineTask move_task(const std::vector<NodeMove>& moves);

}  // namespace convoy::sim
