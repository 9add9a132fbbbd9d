#include "sim/schedule/pipeline_manners.hpp"

#include <fmt/format.h>

#include <numeric>

#include "base/diagnostics.hpp"
#include "sim/plan/pipeline_allocation.hpp"

namespace convoy::sim {
namespace {

PipelinePlan whole_model_on_all(const PipelineProblem& problem) {
  StageTimes times(problem);
  std::vector<int> all(problem.devices.size());
  std::iota(all.begin(), all.end(), 0);
  PipelineStage stage{.layers = {0, problem.costs->layers()}};
  stage.members = allocate(times, stage.layers, all, 1, 1);
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

}  // namespace

PipelineManner asteroid_manner(const AsteroidOptions& options) {
  return {.kind = "asteroid",
          .order = PipelineOrder::one_f_one_b,
          .window = options.window,
          .recovery = Recovery::light,
          .plan = [options](const PipelineProblem& p) { return plan_asteroid(p, options); }};
}

PipelineManner data_parallel_manner(ReduceBy reduce) {
  return {.kind = "dataparallel",
          .reduce = reduce,
          .recovery = Recovery::light,
          .plan = whole_model_on_all};
}

std::vector<std::pair<std::string, PipelineManner>> compared_manners() {
  return {
      {"asteroid", asteroid_manner({})},
      {"asteroid, orders searched", asteroid_manner({.order = DeviceOrder::search})},
      {"data parallel, ring", data_parallel_manner(ReduceBy::ring)},
      {"data parallel, parameter server", data_parallel_manner(ReduceBy::server)},
  };
}

}  // namespace convoy::sim
