#pragma once

// In what order a stage of a pipeline computes, as data: a list of instructions, which
// pipeline_graph.hpp puts into a graph. (DeepSpeed's schedule.py and PyTorch's
// torch.distributed.pipelining do the same.)
//
//   stage_order(PipelineOrder::one_f_one_b, 2, 4)   // F0 F1 B0 F2 B1 F3 B2 B3 S3

#include <cstdint>
#include <string>
#include <vector>

#include "sim/plan/pipeline.hpp"

namespace convoy::sim {

struct PipelineInstruction {
  enum class Kind : std::uint8_t {
    forward,   // of a micro-batch
    backward,  // of a micro-batch
    step,      // the group sums its gradients up to this micro-batch's, and the optimizer steps
  };
  Kind kind = Kind::forward;
  int microbatch = 0;

  friend bool operator==(const PipelineInstruction&, const PipelineInstruction&) = default;
};

// The instructions of a stage for `microbatches` >= 1, each of which goes forward and back once.
// `window`: micro-batches in flight at most, in [1, microbatches]; only 1F1B reads it. One step at
// the end, which is that of the micro-batch that came back last; `steps_each` (PipeDream): one
// after each backward.
std::vector<PipelineInstruction> stage_order(PipelineOrder order, int window, int microbatches,
                                             bool steps_each = false);

// The most micro-batches that have gone forward and not yet back.
int most_in_flight(const std::vector<PipelineInstruction>& order);

// "F0 F1 B0 B1 S1": for people and tests.
std::string to_text(const std::vector<PipelineInstruction>& order);

}  // namespace convoy::sim
