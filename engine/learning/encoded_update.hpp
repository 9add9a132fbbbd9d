#pragma once

// Compressed updates (engine/codec). Only parameters are compressed; running statistics are sent
// complete. With error feedback a node keeps what it did not send and adds it to its next update.

#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// Seed for drawing the elements of a task's update.
std::uint64_t draw_of(std::uint64_t seed, int node, std::int64_t task);

struct Compressed {
  std::shared_ptr<const TensorUpdate> update;  // contains what arrives
  Tensors residual;                            // sliced like the update; empty without feedback
};
// `residual`: from the node's previous update, sliced like this update; may be empty.
Compressed compress(const Layout& layout, const TensorUpdate& update,
                    const Compression& compression, const Tensors& residual, std::uint64_t draw);

// The received tensor. Throws base::UserError if its parts do not fit the shape.
Tensor decompress(const Encoded& encoded, const Compression& compression, std::uint64_t draw,
                  std::size_t tensor, const std::vector<std::int64_t>& shape);

// Converts a residual of submodel `from` to submodel `to`: elements that only `to` has are 0,
// elements that only `from` has are lost.
Tensors residual_in(const Layout& layout, const Tensors& residual, const Submodel& from,
                    const Submodel& to);

}  // namespace convoy::engine
