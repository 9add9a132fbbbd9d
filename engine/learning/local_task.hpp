#pragma once

// What a node trains in a task: masks, then weights.

#include "engine/learning/network.hpp"
#include "engine/learning/samples.hpp"

namespace convoy::engine {

// What all tasks of an engine share.
struct EngineContext {
  Layout layout;
  TrainingOptions training;
  LearningRules rules;
  std::uint64_t seed = 1;
  at::Device device = at::kCPU;
  std::optional<Samples> train;
  std::optional<Samples> test;
  std::vector<LocalSplit> parts;  // by node
  int evaluation_batch = 256;
};

// The submodel that a task begins with.
Submodel first_submodel(const EngineContext& context, const TaskInput& input);

class LocalTraining {
 public:
  // Throws base::UserError where the node has no data, or too small a batch for this model.
  LocalTraining(const EngineContext& context, TaskInput input, std::stop_token stop);

  void learn_masks(int epochs);
  // Done again it goes on from where it was, with other draws.
  void train(int epochs, std::optional<int> steps);

  // The change since what was received.
  [[nodiscard]] std::shared_ptr<const TensorUpdate> update() const;
  // The same, as it is sent; what it does not bring is kept for the node's next task.
  [[nodiscard]] std::shared_ptr<const TensorUpdate> encode(const TensorUpdate& update);
  [[nodiscard]] const Submodel& submodel() const { return submodel_; }
  // To an outcome: the node's state as it is now, and all that is known of the training.
  void add_to(Outcome& outcome) const;

 private:
  // Goes through the node's samples in an order of its own; `step(batch)` for each batch.
  template <class Step>
  void for_each_batch(std::uint64_t phase, int epochs, std::optional<int> steps, Step step);
  [[nodiscard]] double learning_rate() const;
  [[nodiscard]] std::uint64_t draw_seed(std::uint64_t phase) const;
  [[nodiscard]] const std::vector<std::int64_t>& indices() const;
  [[nodiscard]] std::optional<double> local_accuracy(const Network& network) const;
  [[nodiscard]] double proximal() const;  // mu
  void add_proximal(const Tensors& received) const;

  const EngineContext& context_;
  TaskInput input_;
  std::stop_token stop_;
  const Architecture& architecture_;
  int depth_;
  Submodel submodel_;
  Tensors weights_;  // as trained so far, sliced; empty: as received
  Tensors logits_;
  std::optional<OptimizerState> optimizer_;
  Tensors residual_;  // of its update, where that is compressed
  double loss_ = 0;
  std::int64_t steps_ = 0;  // of the weights' optimizer
  std::int64_t samples_ = 0;
  std::uint64_t passes_ = 0;  // of train()
  bool diverged_ = false;     // the gates did, whatever became of the weights
  std::optional<double> local_accuracy_;
  bool skips_single_ = false;  // a batch of one cannot be trained on
};

}  // namespace convoy::engine
