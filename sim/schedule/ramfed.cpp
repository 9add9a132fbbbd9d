// RAM-Fed (Zhou et al. 2023, "Every Parameter Matters", arXiv 2310.08670) as the repository of
// Co-S2P has it (lee355/Co-S2P 714c7d5, main_code/transfer/RAMfed; there is no code of its
// authors): rounds in which each node keeps a window of its own, and together they cover the model.
// ramfed.md says what is theirs and what is ours.

#include "sim/schedule/kinds.hpp"
#include "sim/schedule/rounds.hpp"

namespace convoy::sim {

ScheduleKind schedules::ramfed() {
  return schedule_kind<Rounds>(
      "ramfed", "rounds of submodels whose windows are staggered over the nodes",
      +[](base::TableReader& common, base::TableReader& own) {
        return read_rounds_by_width(common, own, engine::Selection::staggered, "coverage");
      });
}

}  // namespace convoy::sim
