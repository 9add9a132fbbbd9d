#include "sim/schedule/kinds.hpp"
#include "sim/schedule/rounds.hpp"

namespace convoy::sim {

ScheduleKind schedules::fedpm() {
  ScheduleKind kind = schedule_kind<Rounds>(
      "fedpm", "rounds of masks over frozen weights, a bit for each", read_rounds);
  const auto read = kind.read;
  kind.read = [read](base::TableReader& common, base::TableReader& own) {
    ScheduleSpec spec = read(common, own);
    spec.make = [](const std::shared_ptr<const Setting>&) -> std::unique_ptr<Schedule> {
      throw base::UserError("schedule.kind = \"fedpm\" is not there yet");
    };
    return spec;
  };
  return kind;
}

}  // namespace convoy::sim
