#pragma once

// Duration of a transfer alone on its links: nominal rates, no trace, no background traffic. For
// predictions and deadlines; SimGrid gives the same in the simulation
// (tests/sim/lone_transfer_test.cpp).

#include <vector>

#include "sim/world/config.hpp"

namespace convoy::sim {

// SimGrid's LV08 (Velho and Legrand 2009) multiplies the latencies of routes.
inline constexpr double lv08_latency_factor = 13.01;

class LoneTransfers {
 public:
  explicit LoneTransfers(const WorldConfig& config);

  // Sum of the latencies plus bytes / rate of the narrowest link. The way: up from a node (also the
  // server) over its shared link, down over the other's. A half-duplex medium shared by both ends
  // counts once, as in SimGrid (an access point would send twice). LV08 adds its factors: latency x
  // 13.01, rate x 0.97, and 5 % for acknowledgements on the way back. `limit` is for this transfer
  // (Activity::bytes_per_s; 0: none); LV08's factors do not change it.
  [[nodiscard]] double seconds(NodeId from, NodeId to, double bytes, double limit = 0) const;

 private:
  NetworkModel model_;
  ByGroup<NodeConfig> nodes_;
  std::vector<platforms::Link> shared_;
};

}  // namespace convoy::sim
