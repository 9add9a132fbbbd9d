#pragma once

// Decides which nodes of a scenario may be real, which must be, and which node an agent stands for.
// Keeps names only; no sockets. Internal to hil/bridge.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/scenario/scenario.hpp"
#include "testbed/inventory.hpp"

namespace convoy::hil {

class Roster {
 public:
  // `all_present`: every connecting agent of the inventory becomes real; else only nodes with
  // backend = "hil". `real_before`, if not empty: exactly these nodes.
  Roster(const sim::Scenario& scenario, const testbed::Inventory& inventory, bool all_present,
         const std::vector<sim::NodeId>& real_before);

  [[nodiscard]] std::string name_of(sim::NodeId node) const;
  [[nodiscard]] const std::vector<sim::NodeId>& candidates() const { return candidates_; }
  [[nodiscard]] bool is_wanted(sim::NodeId node) const;  // a candidate that must come
  void drop(sim::NodeId node);                           // simulated: no longer a candidate

  // The node for an agent: its previous node, else the node with its name, else the first free node
  // of its device type (taken from the inventory, or as the agent says).
  [[nodiscard]] std::optional<sim::NodeId> place_for(const std::string& agent,
                                                     const std::string& device) const;
  void seat(sim::NodeId node, const std::string& agent) { agents_[node] = agent; }

  // Names of the nodes and agents still missing; `ready`: the nodes that are there.
  [[nodiscard]] std::vector<std::string> missing(const std::vector<sim::NodeId>& ready) const;

 private:
  const sim::Scenario& scenario_;
  const testbed::Inventory& inventory_;
  bool all_present_;
  bool as_before_;  // all candidates must come
  std::vector<sim::NodeId> candidates_;
  std::map<sim::NodeId, std::string> agents_;  // agent's name by node
};

}  // namespace convoy::hil
