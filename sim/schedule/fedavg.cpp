// FedAvg (McMahan et al. 2017, arXiv 1602.05629): exactly the rounds of rounds.hpp.

#include "sim/schedule/kinds.hpp"
#include "sim/schedule/rounds.hpp"

namespace convoy::sim {

ScheduleKind schedules::fedavg() {
  return schedule_kind<Rounds>("fedavg", "rounds that end when all have answered", read_rounds);
}

}  // namespace convoy::sim
