#include "sim/plan/dapple.hpp"

#include "sim/schedule/kinds.hpp"
#include "sim/schedule/pipeline_manners.hpp"
#include "sim/schedule/pipeline_schedule.hpp"

// DAPPLE (Fan et al. 2021, arXiv 2007.01045): dapple.md.

namespace convoy::sim {
namespace {

PipelineScheduleOptions read_dapple(base::TableReader& common, base::TableReader& own) {
  static constexpr base::Words<WindowPolicy> policies = {{WindowPolicy::remaining, "A"},
                                                         {WindowPolicy::doubled, "B"}};
  PipelineScheduleOptions options{.keys = read_pipeline_keys(common)};
  DappleOptions plan;
  plan.window = own.choice({"policy",
                            "micro-batches in flight at stage p of P: P - p (A), or 2(P - p) - 1 "
                            "(B)"},
                           policies, plan.window);
  options.manner = dapple_manner(plan);
  return options;
}

}  // namespace

ScheduleKind schedules::dapple() {
  return schedule_kind<PipelineSchedule>(
      "dapple", "a synchronous pipeline of replicated stages, planned for equal devices",
      read_dapple);
}

}  // namespace convoy::sim
