#pragma once

// The engine's own things as safetensors: a version of the model, a node's state, an update.

#include "engine/learning/safetensors.hpp"
#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// The model's tensors under their names. Which parameters were trained so far goes along: in the
// metadata ("trained": for each tensor 0 none, 1 all, p a part) and, for parts, as byte tensors
// "trained:NAME".
TensorFile to_file(const Layout& layout, const TensorWeights& weights,
                   const Engine::Metadata& about);
// Kept members as "kept:GROUP", then "logits:GROUP", "optimizer:SLOT:NAME" and "rule:SLOT:NAME".
TensorFile to_file(const Layout& layout, const TensorState& state);
// Kept members, then "delta:NAME" of parameters and "value:NAME" of running statistics.
TensorFile to_file(const Layout& layout, const TensorUpdate& update);

// The part of a model that a submodel is: kept members, then "part:NAME". Tensors that are kept
// whole are the full model's own, not copied.
TensorFile part_to_file(const Layout& layout, const TensorWeights& weights,
                        const Submodel& submodel);

// What a header can be at most that is of this model: of a version, a node's state or an update in
// a file, where others may have added metadata; and of what travels, submodels' parts and updates.
HeaderLimits file_limits(const Layout& layout);
HeaderLimits parcel_limits(const Layout& layout);

// Each throws base::UserError naming where it came from and the tensor that is missing, foreign or
// of another shape.
std::shared_ptr<const TensorWeights> weights_from(const Layout& layout, TensorFile file,
                                                  const std::string& from);
std::shared_ptr<const TensorWeights> part_from(const Layout& layout, TensorFile file,
                                               const std::string& from);
std::shared_ptr<const TensorState> state_from(const Layout& layout, TensorFile file,
                                              const std::string& from);
std::shared_ptr<const TensorUpdate> update_from(const Layout& layout, TensorFile file,
                                                const std::string& from);

}  // namespace convoy::engine
