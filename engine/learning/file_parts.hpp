#pragma once

// Parts that several files and parcels of tensors contain (files.hpp): a submodel, how tensors are
// compressed, a compressed tensor. Each is written and read here.

#include <optional>
#include <string>

#include "engine/learning/safetensors.hpp"
#include "engine/learning/tensor_source.hpp"
#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// A file's content as a parcel: its tensors' own memory, where they are dense on the host.
Parcel packed(const TensorFile& file);

// "depth" in the metadata and the tensors "kept:GROUP": members, rising.
void put_submodel(const Layout& layout, const Submodel& submodel, TensorFile& file);
Submodel read_submodel(TensorSource& source);

// "layers" in the metadata: the ends of the stages that the file holds, where it does not hold all.
void put_stages(const std::vector<Stage>& stages, TensorFile& file);
// Empty: all layers.
std::vector<Stage> read_stages(const TensorSource& source, const Submodel& submodel);
// By tensor: whether stages hold it; without stages all are held.
std::vector<bool> held_by(const Layout& layout, const std::vector<Stage>& stages,
                          const Submodel& submodel);

// "keep", "bits" and "drawn" in the metadata; nothing: not compressed.
void put_compression(const Compression& compression, TensorFile& file);
std::optional<Compression> compression_of(const TensorSource& source);
// "keep" and "bits" under names with this prefix.
Compression read_rates(const TensorSource& source, const std::string& prefix);

// "optimizer:SLOT:NAME", and in the metadata under `steps` the number of its steps.
void put_optimizer(const Layout& layout, const OptimizerState& optimizer, const std::string& steps,
                   TensorFile& file);
// Nothing where the file has none.
std::optional<OptimizerState> read_optimizer(TensorSource& source, const Submodel& submodel,
                                             const std::string& steps);

// "places:NAME" and "scale:NAME", if the compression has them, and the tensor `name` with the
// values.
void put_encoded(const ParameterTensor& p, const std::string& name, const Encoded& encoded,
                 const Compression& compression, TensorFile& file);
// `size`: elements of the tensor.
Encoded read_encoded(TensorSource& source, const ParameterTensor& p, const std::string& name,
                     std::int64_t size, const Compression& compression);
// The values of a compressed tensor, by its index; `draw`: see TensorUpdate::draw.
Tensor decoded(const TensorSource& source, const Encoded& e, const Compression& compression,
               std::uint64_t draw, std::size_t tensor, const std::vector<std::int64_t>& shape);

}  // namespace convoy::engine
