#pragma once

// Updates that are sent compressed (engine/codec): only their parameters; running statistics go
// whole. With error feedback a node keeps what it did not send, and adds it to its next update.

#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// The seed of the draws of a task's update.
std::uint64_t draw_of(std::uint64_t seed, int node, std::int64_t task);

struct Compressed {
  std::shared_ptr<const TensorUpdate> update;  // brings what arrives
  Tensors residual;                            // sliced as it; empty without feedback
};
// `residual`: of the node's update before, sliced as this one; empty: none.
Compressed compress(const Layout& layout, const TensorUpdate& update,
                    const Compression& compression, const Tensors& residual, std::uint64_t draw);

// What arrives of a tensor. Throws base::UserError where its parts are not of that shape.
Tensor decompress(const Encoded& encoded, const Compression& compression, std::uint64_t draw,
                  std::size_t tensor, const std::vector<std::int64_t>& shape);

// A residual sliced as another submodel: 0 where that has what the first had not. What only the
// first had is lost.
Tensors residual_in(const Layout& layout, const Tensors& residual, const Submodel& from,
                    const Submodel& to);

}  // namespace convoy::engine
