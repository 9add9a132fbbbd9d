#include "sim/plan/pipedream.hpp"

#include "sim/schedule/kinds.hpp"
#include "sim/schedule/pipeline_manners.hpp"
#include "sim/schedule/pipeline_schedule.hpp"

// PipeDream (Narayanan et al. 2019, arXiv 1806.03377): pipedream.md.

namespace convoy::sim {
namespace {

PipelineScheduleOptions read_pipedream(base::TableReader& common, base::TableReader& own) {
  static constexpr base::Words<bool> traffics = {{false, "none"}, {true, "activations"}};
  static constexpr base::Words<bool> weights = {{true, "stashed"}, {false, "flush"}};
  PipelineScheduleOptions options{.keys = read_pipeline_keys(common)};
  PipedreamOptions plan;
  plan.counts_activations =
      own.choice({"traffic",
                  "between stages, that the planner counts: none, as published by default, or the "
                  "activations and their gradients"},
                 traffics, plan.counts_activations);
  plan.limits_memory = own.flag(
      {"limit_memory", "the planner leaves out stages that the smallest memory does not hold"},
      plan.limits_memory);
  plan.stashes_weights =
      own.choice({"weights",
                  "stashed: every micro-batch steps, and goes back with the weights that it went "
                  "forward with; flush: one step a round"},
                 weights, plan.stashes_weights);
  plan.vertical_sync = own.flag(
      {"vertical_sync",
       "with stashed weights: a micro-batch takes weights of the same version at all stages, that "
       "of the first stage"},
      plan.vertical_sync);
  if (plan.vertical_sync && !plan.stashes_weights && !own.describes()) {
    own.error("vertical_sync",
              "needs weights = \"stashed\": with a flush all stages step together");
  }
  options.manner = pipedream_manner(plan);
  return options;
}

}  // namespace

ScheduleKind schedules::pipedream() {
  return schedule_kind<PipelineSchedule>(
      "pipedream", "a pipeline without a flush: every micro-batch steps, with stashed weights",
      read_pipedream);
}

}  // namespace convoy::sim
