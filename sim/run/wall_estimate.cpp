#include "sim/run/wall_estimate.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <numeric>
#include <stop_token>

#include "engine/api/training_probe.hpp"
#include "engine/model/costs.hpp"
#include "engine/model/submodel.hpp"
#include "engine/model/trace.hpp"
#include "sim/run/task_computation.hpp"

namespace convoy::sim {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double longest_s = 10;  // after this no further kind is measured

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// A kind of task, as far as the time of a step depends on it.
struct Kind {
  double rate = 1;
  int batch = 1;

  // NOLINTNEXTLINE(modernize-use-nullptr): the 0 of a comparison
  friend auto operator<=>(const Kind&, const Kind&) = default;
};

Kind kind_of(const Scenario& scenario, const PlannedTask& task) {
  const NodeSetting& node = scenario.setting->nodes[task.node];
  return {task.rate, static_cast<int>(std::min<std::int64_t>(node.batch, node.samples))};
}

// The FLOPs of a training step of a planned task, by its graph; nothing without training.
std::optional<double> step_flops(const Scenario& scenario, const PlannedTask& task) {
  const NodeSetting& node = scenario.setting->nodes[task.node];
  for (const Activity& activity : task.graph->activities()) {
    if (!engine::trains_weights(activity.work) || activity.flops <= 0) continue;
    const std::int64_t steps = engine::training_steps(activity.work, node.samples, node.batch);
    if (steps > 0) return activity.flops / static_cast<double>(steps);
  }
  // In stages: all that is computed, by the micro-batches that begin with the first layer.
  double steps = 0;
  for (const Activity& activity : task.graph->activities()) {
    steps += engine::steps_begun_by_stages(activity.work);
  }
  if (steps > 0) return flops_of(*task.graph) / task.graph->repeat() / steps;
  return std::nullopt;
}

// Wall seconds per FLOP, by kind of task.
class Measured {
 public:
  Measured(const Scenario& scenario, const Schedule& schedule, const engine::Engine& engine) {
    const auto weights = engine.initial(scenario.initial_weights);
    const auto begin = Clock::now();
    for (const PlannedTask& task : schedule.plan()) {
      if (task.node == server_node || scenario.setting->nodes[task.node].samples == 0) continue;
      const auto flops = step_flops(scenario, task);
      const Kind kind = kind_of(scenario, task);
      if (!flops || by_kind_.contains(kind) || seconds_since(begin) > longest_s) continue;
      by_kind_[kind] = engine::measured_training_step(engine, weights, static_cast<int>(task.node),
                                                      kind.rate, kind.batch, longest_s / 2) /
                       *flops;
      mean_ += (by_kind_[kind] - mean_) / static_cast<double>(by_kind_.size());
    }
  }

  [[nodiscard]] bool any() const { return !by_kind_.empty(); }
  [[nodiscard]] double mean() const { return mean_; }
  [[nodiscard]] double of(const Kind& kind) const {
    const auto found = by_kind_.find(kind);
    return found == by_kind_.end() ? mean_ : found->second;
  }

 private:
  std::map<Kind, double> by_kind_;
  double mean_ = 0;
};

// A node's predicted time for its task, without transfers and waits: a lower limit.
double predicted_s(const PlannedTask& task) {
  double seconds = 0;
  for (const Activity& activity : task.graph->activities()) {
    if (activity.kind == ActivityKind::compute) seconds += activity.seconds;
  }
  return seconds * task.graph->repeat();
}

// Measured, if it is short: batches are larger than in training, and nothing is kept for a backward
// pass, so that it is faster than its FLOPs tell.
double evaluation_s(const Scenario& scenario, const engine::Engine& engine, double by_flops_s) {
  if (by_flops_s > longest_s) return by_flops_s;
  const auto weights = engine.initial(scenario.initial_weights);
  const auto begin = Clock::now();
  static_cast<void>(engine.evaluate(*weights, 1, std::stop_token()));
  return seconds_since(begin);
}

// `virtual_s`: how long the run takes at least. A version is evaluated once for its number and the
// time, and the last one at the end.
std::int64_t evaluations(const Scenario& scenario, std::int64_t versions, double virtual_s) {
  std::int64_t count = 1;
  if (scenario.evaluation.every > 0) count += versions / scenario.evaluation.every;
  if (scenario.evaluation.every_s) {
    const double in_time = std::floor(virtual_s / *scenario.evaluation.every_s);
    count += static_cast<std::int64_t>(std::min(static_cast<double>(versions), in_time));
  }
  return std::min(count, 1 + versions);
}

}  // namespace

std::optional<WallEstimate> estimate_wall_time(const Scenario& scenario, const Schedule& schedule,
                                               const engine::Engine& engine, int workers) {
  const Measured measured(scenario, schedule, engine);
  if (!measured.any()) return std::nullopt;
  // A node with several kinds of tasks does each of them once in a while: the last one is the usual
  // one (a mask is chosen now and then).
  std::map<NodeId, const PlannedTask*> usual;
  const std::vector<PlannedTask> plan = schedule.plan();
  for (const PlannedTask& task : plan) {
    const NodeSetting& node = scenario.setting->nodes[task.node];
    const bool fits = task.memory <= node.machine->memory;
    if (task.node != server_node && fits && node.samples > 0) usual[task.node] = &task;
  }
  if (usual.empty()) return std::nullopt;
  WallEstimate estimate;
  estimate.workers = std::min(workers, static_cast<int>(usual.size()));
  double updates_per_s = 0;
  for (const auto& [node, task] : usual) {
    estimate.update_s += flops_of(*task->graph) * measured.of(kind_of(scenario, *task)) /
                         static_cast<double>(usual.size());
    if (const double seconds = predicted_s(*task); seconds > 0) updates_per_s += 1 / seconds;
  }
  const double per_version =
      std::max(1.0, schedule.usual_updates().value_or(static_cast<double>(usual.size())));
  const auto at_most = [&estimate](double number) {
    constexpr double most = 1e15;
    const auto updates = static_cast<std::int64_t>(std::min(most, number));
    estimate.updates = std::min(estimate.updates.value_or(updates), updates);
  };
  const StopOptions& stop = scenario.stop;
  if (stop.tasks) at_most(static_cast<double>(*stop.tasks));
  if (stop.rounds) at_most(static_cast<double>(*stop.rounds) * per_version);
  if (stop.virtual_time_s) {
    at_most(std::ceil(*stop.virtual_time_s * updates_per_s));
  }
  if (!estimate.updates) return estimate;
  if (scenario.evaluation.every > 0 || scenario.evaluation.every_s) {
    const engine::Architecture& a = *scenario.setting->architecture;
    const std::vector<double> layers =
        engine::forward_flops(engine::trace(a, engine::full_submodel(a)));
    double passes = static_cast<double>(scenario.source->test_size());
    constexpr double backward = 2;  // passes, about
    if (scenario.evaluation.gradient_norm) {
      for (const engine::LocalSplit& part : scenario.parts) {
        passes += (1 + backward) * static_cast<double>(part.train.size());
      }
    }
    const double flops = std::accumulate(layers.begin(), layers.end(), 0.0) * passes;
    estimate.evaluation_s = evaluation_s(scenario, engine, flops * measured.mean());
    // There is a model for each node.
    if (scenario.schedule.learning.own_layers) {
      estimate.evaluation_s *= static_cast<double>(usual.size());
    }
    const auto versions = std::max<std::int64_t>(
        1, static_cast<std::int64_t>(static_cast<double>(*estimate.updates) / per_version));
    estimate.evaluations =
        evaluations(scenario, versions, static_cast<double>(*estimate.updates) / updates_per_s);
  }
  estimate.run_s = (static_cast<double>(*estimate.updates) * estimate.update_s +
                    static_cast<double>(estimate.evaluations) * estimate.evaluation_s) /
                   estimate.workers;
  return estimate;
}

}  // namespace convoy::sim
