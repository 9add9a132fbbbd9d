#pragma once

// A node's training in a task: masks, then weights.

#include "engine/learning/block_weights.hpp"
#include "engine/learning/engine_context.hpp"
#include "engine/learning/masks.hpp"
#include "engine/learning/network.hpp"

namespace convoy::engine {

class LocalTraining {
 public:
  // Throws base::UserError if the node has no data or its batches are too small for this model.
  LocalTraining(const EngineContext& context, TaskInput input, std::stop_token stop);

  void learn_masks(int epochs);
  void score_members(int epochs, std::optional<int> steps);
  // A second call continues, with new random draws.
  void train(int epochs, std::optional<int> steps);

  // The change since the received weights; where it goes whole, with what earlier ones did not
  // bring.
  [[nodiscard]] std::shared_ptr<const TensorUpdate> update() const;
  // The same, as it is sent; what it does not bring is kept for the node's next task.
  [[nodiscard]] std::shared_ptr<const TensorUpdate> encode(const TensorUpdate& update);
  [[nodiscard]] const Submodel& submodel() const { return submodel_; }
  // Adds the node's present state and the results of the training to an outcome.
  void add_to(Outcome& outcome) const;

 private:
  // One pass over the node's samples in a random order; calls `step(batch)` for each batch.
  template <class Step>
  void for_each_batch(std::uint64_t phase, int epochs, std::optional<int> steps, Step step);
  [[nodiscard]] double learning_rate() const;
  [[nodiscard]] std::uint64_t draw_seed(std::uint64_t phase) const;
  [[nodiscard]] const std::vector<std::int64_t>& indices() const;
  [[nodiscard]] std::optional<double> local_accuracy(const Network& network) const;
  // bool [classes]: labels whose scores are set to 0; undefined: none.
  [[nodiscard]] Tensor absent_labels() const;
  [[nodiscard]] double proximal() const;  // mu
  // What the update of the task before did not bring, for this submodel; empty: nothing.
  [[nodiscard]] Tensors residual_before() const;
  void add_proximal(const Tensors& received) const;
  [[nodiscard]] bool samples() const;  // ElementKind::sampled
  // Weights to be trained, on the device: as received, or as trained before.
  void begin_weights();
  [[nodiscard]] OptimizerOptions optimizer_options() const;
  // The tensors that a step computes with; see Network::TensorOf.
  [[nodiscard]] Network::TensorOf step_weights(const Tensors& frozen, at::Generator& draws) const;
  [[nodiscard]] Tensor change(std::size_t tensor) const;  // of a tensor, for an update

  const EngineContext& context_;
  TaskInput input_;
  std::stop_token stop_;
  const Architecture& architecture_;
  int depth_;
  Submodel submodel_;
  Tensors weights_;                    // as trained so far, sliced; empty: as received
  std::optional<BlockWeights> block_;  // only `weights_` are trained; once training has begun
  Tensors logits_;
  std::vector<int> labels_;  // of its samples, if that is asked for
  std::optional<OptimizerState> optimizer_;
  Tensors residual_;  // of its update, where that is compressed
  Tensors masks_;     // of the received version, on the device
  std::optional<GatheredSquares> squares_;
  double loss_ = 0;
  std::int64_t steps_ = 0;  // of the weights' optimizer
  std::int64_t samples_ = 0;
  std::uint64_t passes_ = 0;  // number of calls of train()
  bool diverged_ = false;     // the gates became NaN or infinite, even if the weights did not
  std::optional<double> local_accuracy_;
  bool is_narrowed_ = false;   // it received the full width, and learned what it keeps of it
  bool skips_single_ = false;  // batches of one sample cannot be trained on
};

}  // namespace convoy::engine
