#pragma once

// Time, energy and FLOPs of a training's batches on a node, by the device's model.

#include <optional>

#include "engine/model/costs.hpp"
#include "sim/schedule/setting.hpp"

namespace convoy::sim {

struct Steps {
  double seconds = 0;
  double joules = 0;
  double flops = 0;
  double samples = 0;

  void add(const engine::StepCost& step, std::int64_t times, const platforms::Machine& machine);
  // Mean draw in W; nothing if no time passes.
  [[nodiscard]] std::optional<double> watts() const {
    return seconds > 0 ? std::optional(joules / seconds) : std::nullopt;
  }
};

struct TrainingPlan {
  engine::Phase phase = engine::Phase::weights;
  int epochs = 0;
  std::optional<int> steps = {};  // instead
  engine::StepExtras extras = {};
  std::optional<engine::Optimizer> optimizer = {};  // instead of the setting's
  engine::StepCost besides = {};                    // kernels of each step after the model's own
};

// The batches of the training, as in the learner.
Steps training_steps(const Setting& setting, const NodeSetting& node, const engine::Trace& trace,
                     const TrainingPlan& plan);
// Samples that weights are trained on.
double trained_samples(const NodeSetting& node, const engine::Trace& trace, int epochs,
                       std::optional<int> steps);
// Samples of the largest batch.
int largest_batch(const NodeSetting& node);

}  // namespace convoy::sim
