// FedAsync (Xie et al. 2019, arXiv 1903.03934; code: github xcgoner/async_fl 912ecf3): every update
// is mixed into the model by itself (engine/rules/fedasync.cpp). Faithful: one update per version,
// weighted by its staleness. Ours: staleness follows from the clock, while the authors draw it
// uniformly from the last 12 or 16 versions, so accuracies at the same mean staleness differ; no
// warm-up on one device; max_staleness drops updates, while theirs bounds the draw. Their proximal
// term is training.proximal.

#include "sim/schedule/buffered.hpp"
#include "sim/schedule/kinds.hpp"

namespace convoy::sim {
namespace {

BufferedOptions read_fedasync(base::TableReader& common, base::TableReader& own) {
  return read_buffered(common, own, "fedasync");
}

}  // namespace

ScheduleKind schedules::fedasync() {
  return schedule_kind<Buffered>("fedasync", "asynchronous: every update makes a version",
                                 read_fedasync);
}

}  // namespace convoy::sim
