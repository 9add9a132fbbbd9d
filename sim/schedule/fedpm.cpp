// FedPM (Isik et al. 2023, arXiv 2209.15328; code BerivanIsik/sparse-random-networks cf6b549):
// rounds in which weights are frozen and nodes learn which of them take part. Down goes a score for
// each weight, up one bit: a sample of its mask. The server makes scores of the mean of the masks
// (engine/rules/fedpm.hpp). fedpm.md says what is theirs and what is ours.

#include "sim/schedule/kinds.hpp"
#include "sim/schedule/rounds.hpp"

namespace convoy::sim {

ScheduleKind schedules::fedpm() {
  return schedule_kind<Rounds>(
      "fedpm", "rounds of masks over frozen weights, a bit for each weight up",
      +[](base::TableReader& common, base::TableReader& own) {
        static constexpr base::Words<bool> tests = {{false, "sample"}, {true, "threshold"}};
        RoundsOptions o = read_rounds_by_elements(common, own, engine::ElementKind::sampled);
        engine::ElementOptions& elements = o.clients.learning.elements;
        elements.learning_rate =
            own.number({"learning_rate", "of the scores, by Adam, which goes on from task to task"},
                       base::above(0).up_to(1e3), elements.learning_rate);
        elements.threshold =
            own.choice({"test", "what is evaluated: a sample of the masks, or all with p > 1/2"},
                       tests, elements.threshold);
        return o;
      });
}

}  // namespace convoy::sim
