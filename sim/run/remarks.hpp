#pragma once

// What went wrong in a run without ending it: counted while it goes on, told when it is over.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sim/task/event.hpp"
#include "sim/world/config.hpp"

namespace convoy::sim {

class Remarks {
 public:
  // An update of a node came to nothing.
  void failed(Cause cause, NodeId node);
  // An activity needed so much memory, and its node had less left.
  void needed_memory(double bytes);
  // An update was left out of a version that would have held NaN or infinity with it, or scaled
  // down to the rule's norm_bound.
  void left_out(NodeId node);
  void limited(NodeId node);
  // The loss of a version is NaN or infinite.
  void not_finite(std::int64_t version);

  // Updates by what they came to nothing of; those given up by the schedule among them.
  [[nodiscard]] std::map<std::string, std::int64_t> failures() const;
  // Sentences, the most important first; none where all went well. `done`: updates that came to
  // their end.
  [[nodiscard]] std::vector<std::string> told(const ByNode<NodeConfig>& nodes,
                                              std::int64_t done) const;

 private:
  using Counts = std::map<NodeId, std::int64_t>;  // by node

  std::map<Cause, Counts> failed_;
  double memory_ = 0;
  Counts left_out_;
  Counts limited_;
  std::int64_t not_finite_ = 0;
  std::int64_t first_not_finite_ = 0;
};

}  // namespace convoy::sim
