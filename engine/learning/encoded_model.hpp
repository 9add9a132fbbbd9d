#pragma once

// Models that are sent compressed (engine/codec): of each tensor of parameters the largest
// elements; running statistics go whole. What was not sent is 0 at the node, which trains from
// that; its update is the change since then.

#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// A part of a version as it is sent. Throws base::UserError if the version does not contain it.
std::shared_ptr<const TensorWeights> encode_model(const Layout& layout,
                                                  const TensorWeights& version,
                                                  const Submodel& part,
                                                  const Compression& compression);

// What arrives. Throws base::UserError where something is not of its tensor's shape.
std::shared_ptr<const TensorWeights> decode_model(const Layout& layout,
                                                  const TensorWeights& encoded);

// A tensor of the full model as it was where an update of a model that was sent compressed began:
// encoded and decoded again, from the version that was sent. Elements that were not sent for the
// update's node are those of the version.
Tensor trained_from(const Layout& layout, const TensorWeights& version, const TensorUpdate& update,
                    std::size_t tensor);

}  // namespace convoy::engine
