#include "sim/plan/pipeline_parts.hpp"

#include <algorithm>

namespace convoy::sim {

std::vector<int> devices_of(const std::vector<StageMember>& members) {
  std::vector<int> devices;
  devices.reserve(members.size());
  for (const StageMember& member : members) devices.push_back(member.device);
  return devices;
}

double slowest_within(const PipelineProblem& problem, std::span<const int> group) {
  double slowest = std::numeric_limits<double>::infinity();
  for (const int from : group) {
    for (const int to : group) {
      if (from != to) slowest = std::min(slowest, problem.bandwidth(from, to));
    }
  }
  return slowest;
}

double slowest_between(const PipelineProblem& problem, std::span<const int> from,
                       std::span<const int> to) {
  double slowest = std::numeric_limits<double>::infinity();
  for (const int a : from) {
    for (const int b : to) {
      slowest = std::min({slowest, problem.bandwidth(a, b), problem.bandwidth(b, a)});
    }
  }
  return slowest;
}

PipelineStep compute_step(const PipelineProblem& problem, LayerRange layers,
                          const std::vector<StageMember>& members) {
  PipelineStep step;
  for (const StageMember& member : members) {
    const int kind = problem.devices[static_cast<std::size_t>(member.device)].kind;
    step.forward_s =
        std::max(step.forward_s, problem.costs->forward_s(kind, layers, member.samples));
    step.backward_s =
        std::max(step.backward_s, problem.costs->backward_s(kind, layers, member.samples));
  }
  return step;
}

PipelineStep transfer_step(const PipelineProblem& problem, int layer, int microbatch,
                           double bandwidth) {
  return {problem.latency_s + problem.costs->forward_bytes(layer, microbatch) / bandwidth,
          problem.latency_s + problem.costs->backward_bytes(layer, microbatch) / bandwidth};
}

double all_reduce_s(const PipelineProblem& problem, LayerRange layers, int devices,
                    double bandwidth) {
  if (devices < 2) return 0;
  const double part = problem.costs->weight_bytes(layers) / devices;
  return 2 * (devices - 1) * (problem.latency_s + part / bandwidth);
}

double update_s(const PipelineProblem& problem, LayerRange layers,
                const std::vector<StageMember>& members) {
  double slowest = 0;
  for (const StageMember& member : members) {
    const int kind = problem.devices[static_cast<std::size_t>(member.device)].kind;
    slowest = std::max(slowest, problem.costs->step_s(kind, layers));
  }
  return slowest;
}

int stashes_of(const PipelinePlan& plan, const PipelineStage& stage) {
  return plan.order == PipelineOrder::one_f_one_b ? stage.window : plan.microbatches;
}

int dominant_of(std::span<const PipelineStep> steps) {
  std::size_t dominant = 0;
  const auto both = [&](std::size_t i) { return steps[i].forward_s + steps[i].backward_s; };
  for (std::size_t i = 1; i < steps.size(); ++i) {
    if (both(i) > both(dominant)) dominant = i;
  }
  return static_cast<int>(dominant);
}

double one_f_one_b_round(std::span<const PipelineStep> steps, std::span<const double> after,
                         int microbatches) {
  const auto dominant = static_cast<std::size_t>(dominant_of(steps));
  const double busy = microbatches * (steps[dominant].forward_s + steps[dominant].backward_s);
  double to_dominant = 0;  // forward + backward of the steps from s to the dominant one
  for (std::size_t i = 0; i < dominant; ++i) {
    to_dominant += steps[i].forward_s + steps[i].backward_s;
  }
  double round = 0;
  double wait = 0;
  for (std::size_t s = 0; s < steps.size(); ++s) {
    const double rest = s % 2 == 0 ? after[s / 2] : 0;
    round = std::max(round, wait + busy + to_dominant + rest);
    wait += steps[s].forward_s;
    to_dominant -= steps[s].forward_s + steps[s].backward_s;
  }
  return round;
}

double gpipe_round(std::span<const PipelineStep> steps, std::span<const double> after,
                   int microbatches) {
  double longest = 0;
  double forward = 0;
  for (const PipelineStep& step : steps) {
    forward += step.forward_s;
    longest = std::max(longest, step.forward_s);
  }
  forward += (microbatches - 1) * longest;
  double round = 0;
  double backward = 0;
  longest = 0;
  for (std::size_t s = steps.size(); s-- > 0;) {
    backward += steps[s].backward_s;
    longest = std::max(longest, steps[s].backward_s);
    const double rest = s % 2 == 0 ? after[s / 2] : 0;
    round = std::max(round, forward + backward + (microbatches - 1) * longest + rest);
  }
  return round;
}

}  // namespace convoy::sim
