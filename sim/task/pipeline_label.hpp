#pragma once

// What the activities of a pipeline are called. Schedules write these labels, and a report reads
// them. Stages and micro-batches count from 0.
//
//   F3@1         stage 1 computes the forward of micro-batch 3
//   F3@1>2       stage 1 sends stage 2 activations of micro-batch 3
//   B3@2, B3@2>1 the same of the backward and its gradients
//   all-reduce@1, all-reduce3@1   the group of stage 1 sums its gradients: once a round, or after
//                                 each micro-batch (PipeDream)
//   take@1, take3@1               a device of it takes its own gradients, to send them
//   add@1, add3@1                 a device of it adds what came
//   step@1, step3@1               the optimizer's step
//   give@1, collect@1, join@1     a device of it gives its weights to one that joins all stages'

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace convoy::sim {

struct PipelineLabel {
  enum class Kind : std::uint8_t {
    forward,
    backward,
    take,
    all_reduce,
    add,
    step,
    give,
    collect,
    join
  };
  Kind kind = Kind::forward;
  int stage = 0;
  int microbatch = -1;  // -1: none
  int to_stage = -1;    // of a transfer between stages; -1: none

  friend bool operator==(const PipelineLabel&, const PipelineLabel&) = default;
};

std::string to_text(const PipelineLabel& label);
// Nothing for a label of another form.
std::optional<PipelineLabel> read_pipeline_label(std::string_view text);
// "F@1>2" for "F3@1>2": what all micro-batches have in common. Other labels stay.
std::string without_microbatch(std::string_view label);

}  // namespace convoy::sim
