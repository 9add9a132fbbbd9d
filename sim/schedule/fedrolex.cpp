// FedRolex (Alam et al. 2022, arXiv 2212.01548; code AIoT-MLSys-Lab/FedRolex 8135109): HeteroFL
// whose window of kept members moves by one in each round, so that nodes of small rates train all
// of the model in time. fedrolex.md says what is theirs and what is ours.

#include "sim/schedule/fedavg.hpp"
#include "sim/schedule/kinds.hpp"

namespace convoy::sim {

ScheduleKind schedules::fedrolex() {
  return schedule_kind<FedAvg>(
      "fedrolex", "rounds of submodels whose window rolls through the model",
      +[](base::TableReader& common, base::TableReader& own) {
        return read_rounds(
            read_client_pool(common, {{64, 1.0}, {32, 0.5}, {16, 0.25}, {8, 0.125}}, {.weight = 0},
                             {.selection = engine::Selection::rolling, .all_blocks = true},
                             "holders"),
            own);
      });
}

}  // namespace convoy::sim
