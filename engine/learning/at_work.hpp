#pragma once

// Which parameters the nodes hold that are at work while others' updates are aggregated.

#include <vector>

#include "engine/learning/engine_context.hpp"

namespace convoy::engine {

// A node at work and the submodel that it holds.
struct Holder {
  double samples = 0;  // to train on
  Submodel submodel;
  // Only the sizes of its submodel are known: a parameter counts by the share of its tensor's
  // elements that such a submodel has, which is its chance if members are drawn alike.
  bool is_expected = false;
};

// What the tasks' nodes hold. Where it follows from the task alone (full models, nested members,
// depth, windows) it is that; else what the node's latest update had, and before its first update
// a submodel of the task's rate of which only the sizes are known.
std::vector<Holder> holders_of(const EngineContext& context, const std::vector<TaskAtWork>& tasks);

// By element of the tensor: `per_sample` times the samples of those that hold it.
std::vector<float> weight_at_work(const Layout& layout, std::size_t tensor,
                                  const std::vector<Holder>& holders, double per_sample);

}  // namespace convoy::engine
