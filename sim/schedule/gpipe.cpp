#include "sim/schedule/kinds.hpp"
#include "sim/schedule/pipeline_manners.hpp"
#include "sim/schedule/pipeline_schedule.hpp"

// GPipe (Huang et al. 2019, arXiv 1811.06965): gpipe.md.

namespace convoy::sim {
namespace {

PipelineScheduleOptions read_gpipe(base::TableReader& common, base::TableReader& own) {
  static constexpr base::Words<PipelineOrder> backwards = {
      {PipelineOrder::gpipe, "forward"}, {PipelineOrder::gpipe_reverse, "reverse"}};
  static constexpr base::Words<bool> balances = {{false, "first"}, {true, "own"}};
  PipelineScheduleOptions options{.keys = read_pipeline_keys(common)};
  const PipelineOrder order =
      own.choice({"backwards",
                  "order of the micro-batches in the backward: that of the forward, or from the "
                  "last to the first"},
                 backwards, PipelineOrder::gpipe);
  options.manner = gpipe_manner(
      order, own.choice({"balance",
                         "stages take as long as each other by the times on the first device, or "
                         "each by its own device's"},
                        balances, false));
  return options;
}

}  // namespace

ScheduleKind schedules::gpipe() {
  return schedule_kind<PipelineSchedule>(
      "gpipe", "a pipeline with a stage for each device: all forwards, then all backwards",
      read_gpipe);
}

}  // namespace convoy::sim
