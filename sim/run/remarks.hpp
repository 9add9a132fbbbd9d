#pragma once

// Problems that did not end the run: counted during the run, reported at the end.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sim/task/event.hpp"
#include "sim/world/config.hpp"

namespace convoy::sim {

class Remarks {
 public:
  // A node's update failed.
  void failed(Cause cause, NodeId node);
  // An activity needed `bytes` of memory, more than its node had left.
  void needed_memory(double bytes);
  // A task failed for want of memory: Event::needed.
  void lacked_memory(const Event& event);
  // A node's update had come in, and will be in no version.
  void dropped(Cause cause, NodeId node);
  // An update was scaled down to the rule's norm_bound.
  void limited(NodeId node);
  // The loss of this version is NaN or infinite.
  void not_finite(std::int64_t version);

  // Number of failed and cancelled updates, and of those that were dropped, by cause.
  [[nodiscard]] std::map<std::string, std::int64_t> failures() const;
  [[nodiscard]] std::map<std::string, std::int64_t> dropped() const;
  // Sentences, the most important first; none where all went well. `done`: updates that came to
  // their end.
  [[nodiscard]] std::vector<std::string> told(const ByGroup<NodeConfig>& nodes,
                                              std::int64_t done) const;

 private:
  using Counts = std::map<NodeId, std::int64_t>;  // by node

  std::map<Cause, Counts> failed_;
  std::map<Cause, Counts> dropped_;
  double memory_ = 0;
  std::map<NodeId, Event> lacked_;  // by node: the failure that needed most there
  Counts limited_;
  std::int64_t not_finite_ = 0;
  std::int64_t first_not_finite_ = 0;
};

}  // namespace convoy::sim
