#include "sim/schedule/kinds.hpp"
#include "sim/schedule/pipeline_manners.hpp"
#include "sim/schedule/pipeline_schedule.hpp"

// All devices train the whole model, each with a share of every micro-batch: dataparallel.md.

namespace convoy::sim {
namespace {

PipelineScheduleOptions read_dataparallel(base::TableReader& common, base::TableReader& own) {
  static constexpr base::Words<ReduceBy> reduces = {{ReduceBy::ring, "ring"},
                                                    {ReduceBy::server, "server"}};
  PipelineScheduleOptions options{.keys = read_pipeline_keys(common)};
  const ReduceBy reduce =
      own.choice({"reduce",
                  "who sums the gradients: the devices in a ring (all-reduce), or the server, "
                  "which steps and sends the weights back"},
                 reduces, ReduceBy::ring);
  static constexpr base::Words<bool> shares = {{false, "speed"}, {true, "equal"}};
  options.manner = data_parallel_manner(
      reduce,
      own.choice({"shares", "of a micro-batch: by speed and memory, or equal"}, shares, false));
  return options;
}

}  // namespace

ScheduleKind schedules::dataparallel() {
  return schedule_kind<PipelineSchedule>(
      "dataparallel", "every device has the whole model and a share of each micro-batch",
      read_dataparallel);
}

}  // namespace convoy::sim
