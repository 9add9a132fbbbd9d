#include "sim/run/memory_rows.hpp"

#include <algorithm>

namespace convoy::sim {

void MemoryRows::changed(NodeId node, double bytes, double now, StoreWriter& store) {
  if (now != instant_s_) settle(store);
  instant_s_ = now;
  Taken& taken = of_instant_[node];
  taken.most = std::max(taken.most, bytes);
  taken.last = bytes;
}

void MemoryRows::settle(StoreWriter& store) {
  for (const auto& [node, taken] : of_instant_) {
    double& written = written_[node];
    const double before = written;
    written = taken.last;
    if (taken.most > std::max(before, taken.last)) {
      store.add(MemoryRow{instant_s_, node, taken.most});
    }
    if (taken.last != before) store.add(MemoryRow{instant_s_, node, taken.last});
  }
  of_instant_.clear();
}

}  // namespace convoy::sim
