#include "sim/schedule/pipeline_manners.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/diagnostics.hpp"
#include "sim/plan/pipeline_allocation.hpp"

namespace convoy::sim {
namespace {

// B / n samples, the first devices one more.
std::vector<StageMember> equal_shares(const PipelineProblem& problem) {
  const auto devices = static_cast<int>(problem.devices.size());
  std::vector<StageMember> members;
  for (int i = 0; i < std::min(devices, problem.microbatch); ++i) {
    members.push_back(
        {i, (problem.microbatch / devices) + (i < problem.microbatch % devices ? 1 : 0)});
  }
  return members;
}

PipelinePlan whole_model_on_all(const PipelineProblem& problem, bool equal) {
  StageTimes times(problem);
  std::vector<int> all(problem.devices.size());
  std::iota(all.begin(), all.end(), 0);
  PipelineStage stage{.layers = {0, problem.costs->layers()}};
  stage.members = equal ? equal_shares(problem) : allocate(times, stage.layers, all, 1, 1);
  if (stage.members.empty()) {
    throw base::UserError(fmt::format(
        "the devices' memories do not hold the whole model and, between them, a micro-batch of {} "
        "samples; lower schedule.pipeline.microbatch, or choose a schedule that divides the model",
        problem.microbatch));
  }
  return {.stages = {stage},
          .microbatch = problem.microbatch,
          .microbatches = problem.microbatches,
          .planner = "data parallel"};
}

// s of a micro-batch, forward and back, on a device.
double time_of(const PipelineProblem& problem, int device, LayerRange layers) {
  const int kind = problem.devices[static_cast<std::size_t>(device)].kind;
  return problem.costs->forward_s(kind, layers, problem.microbatch) +
         problem.costs->backward_s(kind, layers, problem.microbatch);
}

// A stage for each device, in the order of the fleet, such that the longest is as short as
// possible, by the times on the first device (`own` false) or by each device's own; of the first
// devices, if there are more than layers. With all micro-batches in flight.
PipelinePlan balanced(const PipelineProblem& problem, bool own) {
  const int layers = problem.costs->layers();
  const int stages = std::min(layers, static_cast<int>(problem.devices.size()));
  constexpr double never = std::numeric_limits<double>::infinity();
  const auto at = [&](int stage, int layer) {
    return static_cast<std::size_t>((stage * (layers + 1)) + layer);
  };
  std::vector<double> longest(at(stages, layers) + 1, never);  // of so many stages and layers
  std::vector<int> begins(longest.size(), 0);
  longest[0] = 0;
  for (int s = 1; s <= stages; ++s) {
    for (int end = s; end <= layers - (stages - s); ++end) {
      for (int begin = s - 1; begin < end; ++begin) {
        const double before = longest[at(s - 1, begin)];
        if (before >= longest[at(s, end)]) continue;
        const double here = std::max(before, time_of(problem, own ? s - 1 : 0, {begin, end}));
        if (here >= longest[at(s, end)]) continue;
        longest[at(s, end)] = here;
        begins[at(s, end)] = begin;
      }
    }
  }
  PipelinePlan plan{.microbatch = problem.microbatch,
                    .microbatches = problem.microbatches,
                    .planner = own ? "balanced by each device's times" : "balanced"};
  plan.stages.resize(static_cast<std::size_t>(stages));
  for (int s = stages, end = layers; s > 0; --s) {
    PipelineStage& stage = plan.stages[static_cast<std::size_t>(s - 1)];
    stage = {{begins[at(s, end)], end}, {{s - 1, problem.microbatch}}, problem.microbatches};
    end = stage.layers.first;
  }
  return plan;
}

}  // namespace

PipelineManner gpipe_manner(PipelineOrder order, bool own) {
  return {.kind = "gpipe", .order = order, .plan = [own](const PipelineProblem& p) {
            return balanced(p, own);
          }};
}

PipelineManner asteroid_manner(const AsteroidOptions& options) {
  return {.kind = "asteroid",
          .order = PipelineOrder::one_f_one_b,
          .window = options.window,
          .recovery = Recovery::light,
          .plan = [options](const PipelineProblem& p) { return plan_asteroid(p, options); }};
}

PipelineManner data_parallel_manner(ReduceBy reduce, bool equal) {
  return {.kind = "dataparallel",
          .reduce = reduce,
          .recovery = Recovery::light,
          .plan = [equal](const PipelineProblem& p) { return whole_model_on_all(p, equal); }};
}

PipelineManner pipedream_manner(const PipedreamOptions& options) {
  return {.kind = "pipedream",
          .order = PipelineOrder::one_f_one_b,
          .window = WindowPolicy::remaining,
          .stashes_weights = options.stashes_weights,
          .plan = [options](const PipelineProblem& p) { return plan_pipedream(p, options); }};
}

PipelineManner dapple_manner(const DappleOptions& options) {
  return {.kind = "dapple",
          .order = PipelineOrder::one_f_one_b,
          .window = options.window,
          .plan = [options](const PipelineProblem& p) { return plan_dapple(p, options); }};
}

std::vector<std::pair<std::string, PipelineManner>> compared_manners() {
  return {
      {"asteroid", asteroid_manner({})},
      {"asteroid, orders searched", asteroid_manner({.order = DeviceOrder::search})},
      {"dapple", dapple_manner({})},
      {"pipedream", pipedream_manner({})},
      {"pipedream, with activation traffic", pipedream_manner({.counts_activations = true})},
      {"gpipe, balanced", gpipe_manner(PipelineOrder::gpipe, false)},
      {"gpipe, balanced by device", gpipe_manner(PipelineOrder::gpipe, true)},
      {"data parallel, ring", data_parallel_manner(ReduceBy::ring, false)},
      {"data parallel, ring, equal shares", data_parallel_manner(ReduceBy::ring, true)},
      {"data parallel, parameter server", data_parallel_manner(ReduceBy::server, false)},
  };
}

}  // namespace convoy::sim
