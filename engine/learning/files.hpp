#pragma once

// Versions of the model, nodes' states and updates as safetensors.

#include "engine/learning/safetensors.hpp"
#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// The model's tensors by name, and which parameters were trained so far: in the metadata "trained"
// (per tensor 0 none, 1 all, p a part) and, for parts, in byte tensors "trained:NAME".
TensorFile to_file(const Layout& layout, const TensorWeights& weights,
                   const Engine::Metadata& about);
// Kept members "kept:GROUP", then "logits:GROUP", "optimizer:SLOT:NAME" and "rule:SLOT:NAME".
TensorFile to_file(const Layout& layout, const TensorState& state);
// Kept members, then "delta:NAME" for parameters and "value:NAME" for running statistics.
TensorFile to_file(const Layout& layout, const TensorUpdate& update);

// A submodel's part of a model: kept members, then "part:NAME". Tensors kept whole share the full
// model's memory.
TensorFile part_to_file(const Layout& layout, const TensorWeights& weights,
                        const Submodel& submodel);

// Upper limits for headers of this model's tensors: in files (versions, states, updates), where
// other programs may have added metadata; and in parcels (submodels' parts, updates).
HeaderLimits file_limits(const Layout& layout);
HeaderLimits parcel_limits(const Layout& layout);

// These throw base::UserError naming the source and the tensor that is missing, foreign or of
// another shape.
std::shared_ptr<const TensorWeights> weights_from(const Layout& layout, TensorFile file,
                                                  const std::string& from);
std::shared_ptr<const TensorWeights> part_from(const Layout& layout, TensorFile file,
                                               const std::string& from);
std::shared_ptr<const TensorState> state_from(const Layout& layout, TensorFile file,
                                              const std::string& from);
std::shared_ptr<const TensorUpdate> update_from(const Layout& layout, TensorFile file,
                                                const std::string& from);

}  // namespace convoy::engine
