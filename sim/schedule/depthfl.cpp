// DepthFL (Kim et al., ICLR 2023; code adap/flower fdef7af, baselines/depthfl, by its first
// author): rounds in which a node trains the first blocks, as many as its memory class allows, with
// all exits among them, and these exits teach each other. depthfl.md says what is theirs, what is
// ours, and what is not here.

#include "sim/schedule/kinds.hpp"
#include "sim/schedule/rounds.hpp"

namespace convoy::sim {
namespace {

RoundsOptions read_depthfl(base::TableReader& common, base::TableReader& own) {
  static constexpr base::Words<bool> predictions = {{true, "ensemble"}, {false, "deepest"}};
  const engine::TransferOptions each_other{.mutual = true,
                                           .weight = 1,
                                           .temperature = 1,
                                           .from_version = 0,
                                           .by_batch = true,
                                           .detached = true,
                                           .ramp = 300};
  RoundsOptions options =
      read_rounds(read_client_pool(common, {{64, 1.0}, {32, 0.75}, {16, 0.5}, {8, 0.25}},
                                   each_other, {.selection = engine::Selection::depth}, "holders"),
                  own);
  bool& ensemble = options.clients.learning.ensemble;
  ensemble = own.choice({"prediction", "the mean of the scores of all exits, or the deepest one's"},
                        predictions, true);
  return options;
}

}  // namespace

ScheduleKind schedules::depthfl() {
  return schedule_kind<Rounds>(
      "depthfl",
      "rounds of submodels as deep as a node's memory allows, whose exits teach each other",
      read_depthfl);
}

}  // namespace convoy::sim
