#pragma once

// How long a transfer takes that has its links to itself: nominal rates, no trace, no background
// traffic. For predictions and deadlines; the simulation itself asks SimGrid, which comes to the
// same (tests/sim/lone_transfer_test.cpp).

#include <vector>

#include "sim/world/config.hpp"

namespace convoy::sim {

class LoneTransfers {
 public:
  explicit LoneTransfers(const WorldConfig& config);

  // Latencies, and the bytes at the rate of the narrowest link on the way: up from a node (the
  // server as well) and over its shared link, down over the other's. A half-duplex medium that both
  // ends share is passed once, as SimGrid has it (an access point would send it again). Under LV08
  // with that model's factors: latency x 13.01, rate x 0.97, and acknowledgements that take 5 % on
  // the way back.
  [[nodiscard]] double seconds(NodeId from, NodeId to, double bytes) const;

 private:
  struct End {
    platforms::Link link;
    int shared = -1;
  };
  NetworkModel model_;
  ByNode<End> ends_;
  std::vector<platforms::Link> shared_;
};

}  // namespace convoy::sim
