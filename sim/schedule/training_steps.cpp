#include "sim/schedule/training_steps.hpp"

#include <algorithm>

#include "engine/model/batches.hpp"
#include "platforms/roofline.hpp"

namespace convoy::sim {
namespace {

engine::BatchCounts batches(const NodeSetting& node, const engine::Trace& trace, int epochs,
                            std::optional<int> steps) {
  return engine::count_batches(
      engine::plan_epoch(node.samples, node.batch, engine::needs_two_samples(trace)), epochs,
      steps);
}

}  // namespace

void Steps::add(const engine::StepCost& step, std::int64_t times,
                const platforms::Machine& machine) {
  const platforms::Prediction each = platforms::predict(step, machine);
  seconds += static_cast<double>(times) * each.seconds;
  joules += static_cast<double>(times) * each.seconds * each.watts;
  flops += static_cast<double>(times) * step.flops();
}

Steps training_steps(const Setting& setting, const NodeSetting& node, const engine::Trace& trace,
                     const TrainingPlan& plan) {
  const engine::BatchCounts counts = batches(node, trace, plan.epochs, plan.steps);
  Steps total{.samples = static_cast<double>(counts.samples())};
  const auto add = [&](std::int64_t batch, std::int64_t times) {
    if (batch == 0 || times == 0) return;
    engine::StepCost step =
        engine::training_step(trace, plan.optimizer.value_or(setting.optimizer), plan.phase,
                              static_cast<int>(batch), setting.precision, plan.extras);
    step.kernels.insert(step.kernels.end(), plan.besides.kernels.begin(),
                        plan.besides.kernels.end());
    total.add(step, times, *node.machine);
  };
  add(counts.epoch.batch, counts.whole);
  add(counts.epoch.rest, counts.rests);
  return total;
}

double trained_samples(const NodeSetting& node, const engine::Trace& trace, int epochs,
                       std::optional<int> steps) {
  return static_cast<double>(batches(node, trace, epochs, steps).samples());
}

int largest_batch(const NodeSetting& node) {
  return static_cast<int>(
      std::min<std::int64_t>(node.batch, std::max<std::int64_t>(1, node.samples)));
}

}  // namespace convoy::sim
