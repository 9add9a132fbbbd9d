#pragma once

// Which weights go where between two plans of a pipeline, with batch norms' statistics and the
// optimizer's state: training goes on as if nothing had moved.

#include <vector>

#include "sim/schedule/pipeline_planner.hpp"
#include "sim/schedule/pipeline_task.hpp"

namespace convoy::sim {

// Where the weights of a plan lie: its devices, and copies of them.
struct WeightPlaces {
  const PlannedPipeline& plan;
  const ByNode<bool>& present;
  // The devices of stages of one give theirs after each round to a device of the next stage (those
  // of the last to the first); then the server need not help where only one of the two is lost.
  bool replicates = false;
};

// Each device gets the layers of its stage in `to` that it had not in `from`: directly from the
// first device that has them (or has a copy of them), else from the server, which has the last
// version.
std::vector<NodeMove> direct_moves(const PipelineModel& model, const WeightPlaces& from,
                                   const PlannedPipeline& to);

// Rescheduling: the server gathers the weights of all stages of which a device (or a copy) is left,
// and sends each device all layers of its new stage.
std::vector<NodeMove> gathering_moves(const PipelineModel& model, const WeightPlaces& from,
                                      const PlannedPipeline& to);

// The node that has a copy of the stage, if it is of one device: see WeightPlaces. no_node: the
// stage is of several, or the only one.
NodeId keeper_of(const PlannedPipeline& planned, std::size_t stage);

// s that they take if each node sends and receives at its nominal rates, one thing at a time, and
// the server distributes when it has gathered all: for decisions.
double seconds_of(const std::vector<NodeMove>& moves, const Setting& setting);
double bytes_of(const std::vector<NodeMove>& moves);

}  // namespace convoy::sim
