#pragma once

// A real task of a node, set up as in engine/learning/engine.cpp, for measuring its memory and
// operators.

#include <utility>

#include "engine/learning/local_training.hpp"
#include "tests/engine/learning/support.hpp"

namespace convoy::engine::test {

struct MeasuredCase {
  std::string architecture;
  int batch = 8;
  OptimizerKind optimizer = OptimizerKind::sgd;
  int image = 0;     // pixels; 0: the architecture's default
  int sequence = 0;  // tokens; for architectures that read texts
  double proximal = 0;
  double dropout = 0;
};

class MeasuredTask {
 public:
  // Enough data for a first step without optimizer state and a second step with it.
  static constexpr int steps = 2;

  explicit MeasuredTask(const MeasuredCase& measured)
      : case_(measured),
        context_{.layout = layout_of(model(measured)), .training = training(measured)} {
    const Architecture& a = architecture();
    const auto data = a.input == InputKind::tokens
                          ? texts(measured.batch * steps, a.sequence)
                          : striped_images(measured.batch * steps, classes, a.height);
    context_.train.emplace(data, a, normalization_of(*data), at::kCPU);
    context_.parts = dealt(data->size(), 1);
    received_ = std::make_shared<const TensorWeights>(zero_weights(context_.layout),
                                                      Trained(context_.layout.size()));
    at::set_num_threads(1);  // as prepare_thread() does
  }

  // Runs all steps of one epoch of the phase.
  void run(Phase phase, double rate) const {
    LocalTraining task(
        context_,
        {.node = 1,
         .brief = {.rate = rate, .batch = case_.batch, .choose_masks = phase != Phase::weights},
         .received = received_},
        {});
    switch (phase) {
      case Phase::weights:
        return task.train(1, {});
      case Phase::mask:
        return task.learn_masks(1);
      case Phase::importance:
        return task.score_members(1, {});
    }
  }

  // The trace from which the costs of this phase are computed.
  [[nodiscard]] Trace trace(Phase phase, double rate) const {
    const Architecture& a = architecture();
    return phase == Phase::weights ? engine::trace(a, nested_submodel(a, rate))
                                   : engine::trace(a, depth_submodel(a, rate), true);
  }
  static const char* name_of(Phase phase) {
    return phase == Phase::mask ? "mask" : phase == Phase::weights ? "weights" : "importance";
  }
  [[nodiscard]] const MeasuredCase& measured() const { return case_; }
  [[nodiscard]] Optimizer optimizer() const { return context_.training.optimizer.cost(); }

 private:
  static constexpr int classes = 10;
  static constexpr int vocabulary = 2000;

  [[nodiscard]] const Architecture& architecture() const { return *context_.layout.architecture; }

  static ModelOptions model(const MeasuredCase& measured) {
    ModelOptions options;
    options.architecture = measured.architecture;
    options.classes = classes;
    options.dropout = options.attention_dropout = options.stochastic_depth = measured.dropout;
    options.vocabulary = vocabulary;
    if (measured.image > 0) options.image_size = measured.image;
    if (measured.sequence > 0) options.sequence = measured.sequence;
    return options;
  }

  static TrainingOptions training(const MeasuredCase& measured) {
    TrainingOptions options;
    options.optimizer.kind = measured.optimizer;
    options.optimizer.learning_rate = 1e-3;
    options.proximal = measured.proximal;
    switch (measured.optimizer) {
      case OptimizerKind::sgd:
        options.optimizer.momentum = 0.9;
        break;
      case OptimizerKind::adamw:
        options.optimizer.betas = {0.9, 0.999};
        break;
      case OptimizerKind::adan:
        options.optimizer.betas = {0.98, 0.92, 0.99};
        break;
    }
    return options;
  }

  static std::shared_ptr<Dataset> texts(int count, int sequence) {
    auto data = std::make_shared<Dataset>();
    data->shape = {
        .text = true, .sequence = sequence, .vocabulary = vocabulary, .classes = classes};
    base::Random random({1});
    for (int i = 0; i < count; ++i) {
      data->labels.push_back(i % classes);
      for (int k = 0; k < sequence; ++k) {
        data->tokens.push_back(static_cast<std::int32_t>(random.below(vocabulary)));
      }
    }
    return data;
  }

  MeasuredCase case_;
  EngineContext context_;
  std::shared_ptr<const Weights> received_;
};

}  // namespace convoy::engine::test
