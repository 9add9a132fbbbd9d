#pragma once

// The cost of a task that trains a block of the parameters, as planners need it: linear in the
// block's size. LocalUpdates makes the task's graph from it.

#include "sim/schedule/local_update.hpp"

namespace convoy::sim {

// Computing takes fixed_s + L * seconds_per_parameter for L parameters. The forward pass goes
// through the whole model, and so do the gradients of activations: these are fixed. Gradients of
// weights and the optimizer's step are charged in proportion to the block: half of what the
// backward pass adds to the time of the forward pass, and all that the step adds.
struct BlockCost {
  double fixed_s = 0;  // s and W at the node's nominal speed
  double seconds_per_parameter = 0;
  double fixed_flops = 0;
  double flops_per_parameter = 0;
  std::optional<double> watts;
  double memory = 0;               // bytes, as of training the whole model
  double download_bytes = 0;       // the whole model
  double bytes_per_parameter = 0;  // of an update, with its part of the running statistics
  double samples = 0;
  std::int64_t parameters = 0;  // of the model

  [[nodiscard]] double compute_s(std::int64_t block) const {
    return fixed_s + static_cast<double>(block) * seconds_per_parameter;
  }
  // Whole bytes, as networks move them.
  [[nodiscard]] double upload_bytes(std::int64_t block) const;
};

// With training.fixed_cost a block takes its share of compute_s and of upload_bytes.
// `keeps_received`: see LocalUpdates.
BlockCost block_cost(const Setting& setting, const NodeSetting& node, const LocalWork& work,
                     bool keeps_received);

}  // namespace convoy::sim
