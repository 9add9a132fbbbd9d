// FedBuff (Nguyen et al. 2022, arXiv 2106.06639), after its authors' simulator (FLSim, github
// facebookresearch/FLSim 7311f2d). Faithful: a client that ends is replaced at once, so that a
// constant number of clients is at work; every `buffer` updates make a version; older updates count
// less (engine/rules/fedbuff.cpp); an update above max_staleness is dropped. Ours: aggregations and
// transfers take time; the choice of the next client is fair instead of drawn; a partial buffer
// makes a version when no client is left to fill it (FLSim: at the end of an epoch).

#include "sim/schedule/buffered.hpp"
#include "sim/schedule/kinds.hpp"

namespace convoy::sim {
namespace {

BufferedOptions read_fedbuff(base::TableReader& common, base::TableReader& own) {
  BufferedOptions options = read_buffered(common, own, "fedbuff");
  options.buffer =
      own.integer({"buffer", "updates that make a version"}, base::at_least(1).up_to(1e9), 10);
  return options;
}

}  // namespace

ScheduleKind schedules::fedbuff() {
  return schedule_kind<Buffered>("fedbuff", "asynchronous: every `buffer` updates make a version",
                                 read_fedbuff);
}

}  // namespace convoy::sim
