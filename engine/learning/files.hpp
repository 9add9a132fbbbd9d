#pragma once

// Versions of the model, nodes' states and updates as safetensors.

#include "engine/learning/safetensors.hpp"
#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// The model's tensors by name, and which parameters were trained so far: in the metadata "trained"
// (per tensor 0 none, 1 all, p a part) and, for parts, in byte tensors "trained:NAME". Where
// weights are learned element by element, under their names stands the network as it is tested
// (`shown`), which any program can use, and beside it what the run goes on with: "mask:NAME" (a bit
// for each element, which are kept) and "masked:NAME" (the values of the others, in a row), or
// "score:NAME". So stands beside a pipeline's model the state of its optimizer,
// "optimizer:SLOT:NAME".
TensorFile to_file(const Layout& layout, const TensorWeights& weights,
                   const Engine::Metadata& about, const Tensors& shown);
// Kept members "kept:GROUP", then "logits:GROUP", "optimizer:SLOT:NAME", "residual:NAME",
// "gathered:NAME", "own:NAME" and "rule:SLOT:NAME".
TensorFile to_file(const Layout& layout, const TensorState& state);
// Kept members, then "delta:NAME" for parameters and "value:NAME" for running statistics. Under a
// mask a delta holds the kept elements in a row; squared gradients are "square:NAME"; a sample of
// scores' masks is "sample:NAME", a bit for each element. `masks`: and "mask:NAME", for those who
// do not have the version that it was trained from.
enum class Masks { without, with };
TensorFile to_file(const Layout& layout, const TensorUpdate& update, Masks masks);

// A submodel's part of a model: kept members, then "part:NAME". Tensors kept whole share the full
// model's memory. Under a mask the kept elements in a row, and "places:NAME". Nothing of what is
// frozen. With `stages` the layers of these alone.
TensorFile part_to_file(const Layout& layout, const TensorWeights& weights,
                        const Submodel& submodel, const std::vector<Stage>& stages = {});

// What crosses a cut (crossing_file.cpp). "crossing" in the metadata says what it is. Activations
// and gradients: what is known of the micro-batch, "tensor:N" for tensor N of the trace, in the
// order in which it lies in memory, and "labels". The update of a stage is a partial update.
TensorFile to_file(const Layout& layout, const Crossing& crossing);
// The task of the node that has the samples: its input, and its number of training samples.
struct CrossingOf {
  const TaskInput& input;
  const Submodel& submodel;
  std::int64_t samples = 0;
};
Crossing crossing_from(const Layout& layout, TensorFile file, const std::string& from,
                       const CrossingOf& of, const at::Device& device);

// A finite number in the metadata; nothing if there is none.
std::optional<double> figure_in(const TensorFile& file, const std::string& key);

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
// `base`: the version it was trained from, which has the masks; null: they are in the file.
std::shared_ptr<const TensorUpdate> update_from(const Layout& layout, TensorFile file,
                                                const std::string& from,
                                                const TensorWeights* base = nullptr);

}  // namespace convoy::engine
