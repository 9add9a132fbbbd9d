#include "sim/plan/pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "sim/plan/pipeline_parts.hpp"
#include "sim/plan/require.hpp"

namespace convoy::sim {
namespace {

constexpr std::string_view checked = "pipeline plan";

// Throws for a stage that is not possible by itself. `stage_of` says which stage a device is in.
void check_stage(const PipelineProblem& problem, const PipelinePlan& plan, int s,
                 std::vector<int>& stage_of) {
  const PipelineStage& stage = plan.stages[static_cast<std::size_t>(s)];
  require(checked, !stage.members.empty(),
          fmt::format("stage {} has no device: give it one, or its layers to a neighbour", s + 1));
  int samples = 0;
  for (const StageMember& member : stage.members) {
    const int devices = static_cast<int>(problem.devices.size());
    require(checked, member.device >= 0 && member.device < devices,
            fmt::format("stage {} has device {}, but there are {} (from 0)", s + 1, member.device,
                        devices));
    const auto device = static_cast<std::size_t>(member.device);
    require(checked, stage_of[device] < 0,
            fmt::format("device {} is in stage {} and in stage {}: a device has one stage",
                        problem.devices[device].name, stage_of[device] + 1, s + 1));
    stage_of[device] = s;
    require(checked, member.samples >= 1,
            fmt::format("device {} has {} samples of a micro-batch in stage {}: leave it out",
                        problem.devices[device].name, member.samples, s + 1));
    samples += member.samples;
  }
  require(checked, samples == plan.microbatch,
          fmt::format("the devices of stage {} have {} samples of a micro-batch of {}", s + 1,
                      samples, plan.microbatch));
  require(checked, stage.window >= 1 && stage.window <= plan.microbatches,
          fmt::format("stage {} has a window of {}: it is 1 to {}, the micro-batches of a round",
                      s + 1, stage.window, plan.microbatches));
}

double work_of(const PipelineProblem& problem, const PipelinePlan& plan) {
  double work = 0;
  for (const PipelineStage& stage : plan.stages) {
    for (const StageMember& member : stage.members) {
      const int kind = problem.devices[static_cast<std::size_t>(member.device)].kind;
      const double pass = problem.costs->forward_s(kind, stage.layers, member.samples) +
                          problem.costs->backward_s(kind, stage.layers, member.samples);
      const int steps = plan.stashes_weights ? plan.microbatches : 1;
      work += plan.microbatches * pass + steps * problem.costs->step_s(kind, stage.layers);
    }
  }
  return work;
}

}  // namespace

int window_of(WindowPolicy policy, int stages, int stage, int microbatches) {
  const int left = stages - stage;
  return std::min(microbatches, policy == WindowPolicy::remaining ? left : 2 * left - 1);
}

int versions_of(const PipelinePlan& plan, const PipelineStage& stage) {
  if (!plan.stashes_weights) return 1;
  return plan.vertical_sync ? plan.stages.front().window : stage.window;
}

void check_plan(const PipelineProblem& problem, const PipelinePlan& plan) {
  require(checked, !plan.stages.empty(), "it has no stage");
  require(checked, plan.microbatch >= 1 && plan.microbatches >= 1,
          fmt::format("{} micro-batches of {} samples: both are at least 1", plan.microbatches,
                      plan.microbatch));
  const int layers = problem.costs->layers();
  std::vector<int> stage_of(problem.devices.size(), -1);
  int next = 0;
  for (int s = 0; s < static_cast<int>(plan.stages.size()); ++s) {
    const PipelineStage& stage = plan.stages[static_cast<std::size_t>(s)];
    const auto [first, last] = stage.layers;
    require(checked, first >= 0 && first < last && last <= layers,
            fmt::format("stage {} has layers {} to {} (exclusive): the model has 0 to {}, and a "
                        "stage has at least one",
                        s + 1, first, last, layers));
    require(checked, first <= next,
            fmt::format("layer {} ({}) is left out between stage {} and stage {}", next,
                        problem.costs->name(next), s, s + 1));
    require(checked, first >= next,
            fmt::format("layer {} ({}) is in stage {} and again in stage {}", first,
                        problem.costs->name(first), s, s + 1));
    next = last;
    check_stage(problem, plan, s, stage_of);
    if (s == 0 || plan.order != PipelineOrder::one_f_one_b) continue;
    const int before = plan.stages[static_cast<std::size_t>(s) - 1].window;
    require(checked, stage.window <= before,
            fmt::format("stage {} has a window of {}, larger than the {} of the stage before it: "
                        "it would wait for micro-batches that wait for its gradients",
                        s + 1, stage.window, before));
  }
  require(checked, next == layers,
          fmt::format("layer {} ({}) and what follows are in no stage", next,
                      next < layers ? problem.costs->name(next) : ""));
}

bool PipelineForecast::fits() const {
  for (const auto& stage : memory) {
    for (const MemberMemory& m : stage) {
      if (m.needed_bytes > m.capacity_bytes) return false;
    }
  }
  return true;
}

PipelineForecast forecast_round(const PipelineProblem& problem, const PipelinePlan& plan) {
  check_plan(problem, plan);
  PipelineForecast forecast;
  std::vector<double> after;
  std::size_t devices = 0;
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    const PipelineStage& stage = plan.stages[s];
    if (s > 0) {
      const PipelineStage& before = plan.stages[s - 1];
      forecast.steps.push_back(transfer_step(
          problem, before.layers.last - 1, plan.microbatch,
          slowest_between(problem, devices_of(before.members), devices_of(stage.members))));
    }
    forecast.steps.push_back(compute_step(problem, stage.layers, stage.members));
    forecast.all_reduce_s.push_back(
        all_reduce_s(problem, stage.layers, static_cast<int>(stage.members.size()),
                     slowest_within(problem, devices_of(stage.members))));
    forecast.update_s.push_back(update_s(problem, stage.layers, stage.members));
    after.push_back(forecast.all_reduce_s.back() + forecast.update_s.back());
    if (plan.stashes_weights) forecast.steps.back().backward_s += after.back();
    auto& memory = forecast.memory.emplace_back();
    for (const StageMember& member : stage.members) {
      const auto& device = problem.devices[static_cast<std::size_t>(member.device)];
      memory.push_back(
          {member.device,
           problem.costs->memory_bytes(stage.layers, member.samples, stashes_of(plan, stage),
                                       versions_of(plan, stage)),
           device.memory_bytes});
    }
    devices += stage.members.size();
  }
  forecast.dominant = dominant_of(forecast.steps);
  const PipelineStep& dominant = forecast.steps[static_cast<std::size_t>(forecast.dominant)];
  if (plan.stashes_weights) {
    forecast.round_s = plan.microbatches * (dominant.forward_s + dominant.backward_s);
  } else if (plan.order == PipelineOrder::one_f_one_b) {
    forecast.round_s = one_f_one_b_round(forecast.steps, after, plan.microbatches);
  } else {
    forecast.round_s = gpipe_round(forecast.steps, after, plan.microbatches);
  }
  const double time = static_cast<double>(devices) * forecast.round_s;
  forecast.bubble = time > 0 ? std::max(0.0, 1 - work_of(problem, plan) / time) : 0;
  return forecast;
}

}  // namespace convoy::sim
