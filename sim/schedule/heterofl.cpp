// HeteroFL (Diao et al. 2021, arXiv 2010.01264; code diaoenmao/HeteroFL-Computation-and-
// Communication-Efficient-Federated-Learning-for-Heterogeneous-Clients cc40f3e): rounds in which a
// node trains the first members of each group, as many as its memory class allows, at full depth.
// heterofl.md says what is theirs and what is ours.

#include "sim/schedule/kinds.hpp"
#include "sim/schedule/rounds.hpp"

namespace convoy::sim {

ScheduleKind schedules::heterofl() {
  return schedule_kind<Rounds>(
      "heterofl", "rounds of nested submodels, as wide as a node's memory allows",
      +[](base::TableReader& common, base::TableReader& own) {
        return read_rounds_by_width(common, own, engine::Selection::nested, "holders");
      });
}

}  // namespace convoy::sim
