#pragma once

// The objective of training and its gradient, over the training samples of all nodes: what theorems
// on convergence are about (`evaluation.gradient_norm`). engine/api/engine.hpp has the formula.

#include <cstdint>
#include <vector>

#include "engine/learning/engine_context.hpp"

namespace convoy::engine {

class FullGradient {
 public:
  // Lists the samples. Throws base::UserError if this learning has no such objective
  // (why_no_objective), a node's data are known to itself alone, or there are no samples.
  // The context must outlive this.
  explicit FullGradient(const EngineContext& context);

  // At a version of the full model. Batches are of EngineContext::evaluation_batch samples, in a
  // fixed order; their gradients are computed in FP32 and added in FP64. Throws Stopped.
  [[nodiscard]] Objective at(const TensorWeights& version, const std::stop_token& stop) const;

 private:
  // Leaves for the gradients, on the device, which share the version's memory where they can.
  [[nodiscard]] Tensors leaves(const TensorWeights& version) const;

  const EngineContext& context_;
  std::vector<std::int64_t> samples_;  // of all nodes
};

}  // namespace convoy::engine
