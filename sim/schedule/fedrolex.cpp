// FedRolex (Alam et al. 2022, arXiv 2212.01548; code AIoT-MLSys-Lab/FedRolex 8135109): HeteroFL
// whose window of kept members moves by one in each round, so that nodes of small rates train all
// of the model in time. fedrolex.md says what is theirs and what is ours.

#include "sim/schedule/heterofl.hpp"
#include "sim/schedule/kinds.hpp"

namespace convoy::sim {

ScheduleKind schedules::fedrolex() {
  return schedule_kind<Rounds>(
      "fedrolex", "rounds of submodels whose window rolls through the model",
      +[](base::TableReader& common, base::TableReader& own) {
        RoundsOptions options =
            read_rounds_by_width(common, own, engine::Selection::rolling, "holders-by-label");
        read_narrow_training(own, options.clients.learning);
        return options;
      });
}

}  // namespace convoy::sim
