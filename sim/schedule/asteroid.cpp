#include "sim/schedule/kinds.hpp"
#include "sim/schedule/pipeline_manners.hpp"
#include "sim/schedule/pipeline_schedule.hpp"

// Asteroid (arXiv 2408.08015): asteroid.md.

namespace convoy::sim {
namespace {

PipelineScheduleOptions read_asteroid(base::TableReader& common, base::TableReader& own) {
  static constexpr base::Words<DeviceOrder> orders = {{DeviceOrder::memory, "memory"},
                                                      {DeviceOrder::given, "fleet"},
                                                      {DeviceOrder::search, "search"}};
  PipelineScheduleOptions options{.keys = read_pipeline_keys(common)};
  AsteroidOptions plan;
  plan.order = own.choice({"order",
                           "of the devices, along which stages are formed: by falling memory, as "
                           "in the fleet, or searched"},
                          orders, plan.order);
  plan.window = own.choice({"window",
                            "micro-batches in flight at stage p of P: 2(P - p) - 1 (doubled) or "
                            "P - p (remaining)"},
                           window_words, plan.window);
  plan.may_leave_out =
      own.flag({"leave_out", "a device may stay idle, where that is faster"}, plan.may_leave_out);
  options.manner = asteroid_manner(plan);
  options.manner.recovery = own.choice({"recovery",
                                        "after a loss: light (boundaries shift, changed layers "
                                        "move directly) or full (rescheduling)"},
                                       recovery_words, options.manner.recovery);
  return options;
}

}  // namespace

ScheduleKind schedules::asteroid() {
  return schedule_kind<PipelineSchedule>(
      "asteroid", "a pipeline of groups of devices, planned under their memories", read_asteroid);
}

}  // namespace convoy::sim
