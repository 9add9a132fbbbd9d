#pragma once

// Layers that are a node's own (TaskBrief::own_before): they stay with the node, in its state, and
// only the others are aggregated. So there is a model for each node that has worked: the version
// with the node's own layers in their place.

#include <vector>

#include "engine/learning/safetensors.hpp"
#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// The node's own layers by its task's brief, of a model with so many; empty: it has none. Throws
// base::UserError if the model has no such layers.
std::vector<Stage> own_stages(const TaskBrief& brief, int layers);

// A version in which the node's own layers are in the place of the version's (and count as
// trained); others, and all where the node has none yet, share memory with it.
std::shared_ptr<const TensorWeights> with_own(const Layout& layout, const TensorWeights& version,
                                              const TensorState& node);

// The mean of the figures, each of which counts the same; at least one, all of the same exits.
Evaluation mean_of(const std::vector<Evaluation>& all);

// See Engine::save_own().
TensorFile own_to_file(const Layout& layout, const TensorState& node,
                       const Engine::Metadata& about);

}  // namespace convoy::engine
