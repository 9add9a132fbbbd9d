#pragma once

// The weights of a task that trains a block of the model's parameters (engine/model/blocks.hpp):
// the pieces in the block are trained; the rest stays as received, and forward and backward go
// through all of it. Running statistics outside of the block follow the node's batches during the
// task, and are not brought.

#include "engine/learning/engine_context.hpp"

namespace convoy::engine {

// Throws base::UserError where the task is to train a block and something that cannot be had with
// it. A task without a block passes.
void require_block_alone(const EngineContext& context, const TaskInput& input);

class BlockWeights {
 public:
  // `received`: the full model, on the device; its own copies.
  BlockWeights(const Layout& layout, const ParameterBlock& block, Tensors received);

  [[nodiscard]] const BlockRows& rows() const { return rows_; }
  // The rows of these tensors of the full model that are in the block: copies where they are a part
  // of a tensor; undefined where none of it is.
  [[nodiscard]] Tensors pieces(const Tensors& full) const;
  [[nodiscard]] Tensors pieces() const { return pieces(received_); }
  // Of a tensor that is_in the block: the rows in it.
  [[nodiscard]] Tensor piece(const Tensor& full, std::size_t tensor) const;
  // A tensor to compute with, of the pieces as they are now and the rest.
  [[nodiscard]] Tensor whole(std::size_t tensor, const Tensors& pieces) const;

 private:
  BlockRows rows_;
  Tensors received_;
};

}  // namespace convoy::engine
