#pragma once

// Counts what goes from node to node in a run, by kind of transfer: its label and the name of the
// artifact that it moves. Counts alike whatever the store records; see TrafficRow.

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sim/store/rows.hpp"
#include "sim/task/graph.hpp"

namespace convoy::sim {

class Traffic {
 public:
  // A transfer has ended. `complete`: all of it is there; else it was broken off, and its bytes
  // count no more than in the nodes' sums. One that never began is not to be counted.
  void ended(std::string_view label, std::string_view artifact, NodeId from, NodeId to,
             double bytes, bool complete);

  // In the order in which the kinds were first seen, then by sender and receiver.
  [[nodiscard]] std::vector<TrafficRow> rows() const;

 private:
  struct Sums {
    std::int64_t transfers = 0;
    double bytes = 0;
    std::int64_t broken_off = 0;
  };
  struct Kind {
    std::string label;
    std::string artifact;
    std::unordered_map<std::uint64_t, Sums> ways;  // by sender and receiver
  };

  Kind& kind(std::string_view label, std::string_view artifact);

  std::vector<Kind> kinds_;  // few: a schedule has a handful
};

}  // namespace convoy::sim
