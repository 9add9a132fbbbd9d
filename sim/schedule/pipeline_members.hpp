#pragma once

// The devices of a pipeline's groups, with what each of them computes, sends and holds of every
// micro-batch: what does not depend on its number. Internal to pipeline_graph.cpp.

#include <vector>

#include "sim/schedule/pipeline_graph.hpp"

namespace convoy::sim {

struct PipelineMember {
  PipelineCompute compute;  // as it is asked about
  // Samples that it takes of what the neighbouring stages send: activations, gradients.
  std::vector<SamplePiece> from_before;
  std::vector<SamplePiece> from_behind;
  // Pieces of what it makes, as the neighbouring members take them.
  struct Sending {
    int to = 0;  // role
    double bytes = 0;
  };
  std::vector<Sending> ahead;  // activations
  std::vector<Sending> back;   // gradients

  // Its computes, without labels and works.
  Activity forward;
  Activity backward;
  Activity step;
  double activation_bytes = 0;
  double gradient_bytes = 0;
  double weight_bytes = 0;
  double stays_bytes = 0;    // held all the time
  double stash_bytes = 0;    // held from forward to backward
  double version_bytes = 0;  // held by each version of the weights; 0: they stay

  // As which it is asked about an instruction.
  PipelineCompute& about(PipelineInstruction what);
};

using PipelineGroup = std::vector<PipelineMember>;  // of a stage

// By stage. Errors as make_pipeline(), for a plan.
std::vector<PipelineGroup> pipeline_groups(const PipelineProblem& problem, const PipelinePlan& plan,
                                           const PipelineFigures& figures);

// The micro-batches that a stage has in flight at most.
int most_in_flight(const PipelinePlan& plan, int stage);

}  // namespace convoy::sim
