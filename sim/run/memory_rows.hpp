#pragma once

// The rows of what is taken of each node's memory: one for each instant at whose end it has
// changed, and one before it if it was more within the instant. So the greatest is the node's peak.

#include <map>

#include "sim/store/store.hpp"
#include "sim/task/graph.hpp"

namespace convoy::sim {

class MemoryRows {
 public:
  // Call in the order of time. Writes the rows of the instant before, if that is over.
  void changed(NodeId node, double bytes, double now, StoreWriter& store);
  // Writes the rows of the last instant.
  void settle(StoreWriter& store);

 private:
  struct Taken {
    double most = 0;  // bytes
    double last = 0;
  };

  double instant_s_ = 0;
  std::map<NodeId, Taken> of_instant_;
  std::map<NodeId, double> written_;  // last row
};

}  // namespace convoy::sim
