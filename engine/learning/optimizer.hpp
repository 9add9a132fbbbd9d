#pragma once

// SGD, AdamW and Adan on a list of tensors. Own code, since the state must be sliced with the
// submodel, kept between tasks and written to checkpoints.

#include "engine/api/options.hpp"
#include "engine/learning/tensors.hpp"

namespace convoy::engine {

class OptimizerSteps {
 public:
  OptimizerSteps(const OptimizerOptions& options, double learning_rate)
      : options_(options), rate_(learning_rate) {}

  // Continues with a state; its slices must fit the tensors of step().
  void resume(OptimizerState state) { state_ = std::move(state); }
  [[nodiscard]] OptimizerState take_state() { return std::move(state_); }
  [[nodiscard]] const OptimizerState& state() const { return state_; }

  // One step, in place, on the tensors that have a gradient. Uses up the gradients: their memory is
  // undefined afterwards.
  void step(const Tensors& tensors);

 private:
  void sgd(const Tensor& w, Tensor g, std::size_t at);
  void adamw(const Tensor& w, const Tensor& g, std::size_t at);
  void adan(const Tensor& w, Tensor g, std::size_t at);
  Tensor& slot(std::size_t number, std::size_t at, const Tensor& like);

  OptimizerOptions options_;
  double rate_;
  OptimizerState state_;
};

// Frees the memory of all gradients.
void drop_gradients(const Tensors& tensors);

// Scales all gradients so that their joint L2 norm is at most `limit`; gives the norm before.
double clip_gradients(const Tensors& tensors, double limit);

}  // namespace convoy::engine
