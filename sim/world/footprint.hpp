#pragma once

// What a task needs of its nodes' memory, as a request for all of it (admission.hpp). Internal to
// sim/world.

#include <memory>
#include <unordered_map>
#include <vector>

#include "sim/world/admission.hpp"

namespace convoy::sim {

class Footprints {
 public:
  explicit Footprints(const WorldConfig& config);

  // By node, of a task whose graph holds memory: its peak (peak_memory) where it keeps artifacts,
  // elsewhere its largest compute. Empty: it keeps nothing anywhere. Graphs are looked at once.
  [[nodiscard]] std::vector<MemoryRequest::Need> needs(
      const std::shared_ptr<const TaskGraph>& graph, const std::vector<NodeId>& members);

 private:
  struct Role {
    bool holds = false;
    double one = -1;   // peak bytes, one compute at a time; -1: not known yet
    double many = -1;  // any number at once
    double most = 0;   // of a compute
  };
  struct Known {
    std::weak_ptr<const TaskGraph> graph;
    std::vector<Role> roles;
  };

  std::vector<Role>& roles_of(const std::shared_ptr<const TaskGraph>& graph);
  void forget_old();

  ByNode<bool> one_at_a_time_;
  std::unordered_map<const TaskGraph*, Known> known_;
  std::size_t look_at_ = 64;  // graphs known when those that are gone are forgotten
};

}  // namespace convoy::sim
