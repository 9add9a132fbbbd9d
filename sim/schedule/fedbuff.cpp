// FedBuff (Nguyen et al. 2022, arXiv 2106.06639), after its authors' simulator (FLSim, github
// facebookresearch/FLSim 7311f2d). Faithful: a client that ends is replaced at once, so that a
// constant number of them is at work; every `buffer` updates make a version; older updates count
// for less (engine/rules/fedbuff.cpp); one above max_staleness is dropped. Ours: aggregations and
// transfers take time; who is asked next is fair instead of drawn; a partial buffer is made a
// version when nobody is left to fill it (FLSim: at the end of an epoch).

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
