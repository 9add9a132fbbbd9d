#pragma once

// Who is who: which nodes of a scenario may be real, which of them have to be, and whose place an
// agent takes. Decides, and keeps nothing but the names; no sockets. Internal to hil/bridge.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/scenario/scenario.hpp"
#include "testbed/inventory.hpp"

namespace convoy::hil {

class Roster {
 public:
  // `all_present`: whoever is in the inventory and comes is made real; else only nodes with
  // backend = "hil" are. `real_before`, where it is not empty: exactly these nodes.
  Roster(const sim::Scenario& scenario, const testbed::Inventory& inventory, bool all_present,
         const std::vector<sim::NodeId>& real_before);

  [[nodiscard]] const std::string& name_of(sim::NodeId node) const;
  [[nodiscard]] const std::vector<sim::NodeId>& candidates() const { return candidates_; }
  [[nodiscard]] bool is_wanted(sim::NodeId node) const;  // a candidate that has to come
  void drop(sim::NodeId node);                           // it is simulated: no candidate any more

  // The candidate that an agent of that name stands for: the one that it had before, that has its
  // name, or the first free one of its type of device (by the inventory, else as it says itself).
  [[nodiscard]] std::optional<sim::NodeId> place_for(const std::string& agent,
                                                     const std::string& device) const;
  void seat(sim::NodeId node, const std::string& agent) { agents_[node] = agent; }

  // Names of nodes and agents that are still to come; `ready`: those that are there.
  [[nodiscard]] std::vector<std::string> missing(const std::vector<sim::NodeId>& ready) const;

 private:
  const sim::Scenario& scenario_;
  const testbed::Inventory& inventory_;
  bool all_present_;
  bool as_before_;  // all candidates are wanted
  std::vector<sim::NodeId> candidates_;
  std::map<sim::NodeId, std::string> agents_;  // by the node whose place they have
};

}  // namespace convoy::hil
