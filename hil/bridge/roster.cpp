#include "hil/bridge/roster.hpp"

#include <algorithm>

namespace convoy::hil {

using sim::NodeId;

Roster::Roster(const sim::Scenario& scenario, const testbed::Inventory& inventory, bool all_present,
               const std::vector<NodeId>& real_before)
    : scenario_(scenario),
      inventory_(inventory),
      all_present_(all_present),
      as_before_(!real_before.empty()),
      candidates_(real_before) {
  if (as_before_) return;
  for (std::size_t i = 1; i < scenario.world.nodes.size(); ++i) {
    const auto node = static_cast<NodeId>(i);
    if (all_present || is_wanted(node)) candidates_.push_back(node);
  }
}

std::string Roster::name_of(NodeId node) const { return scenario_.world.nodes[node].name.of(node); }

bool Roster::is_wanted(NodeId node) const {
  return as_before_ || scenario_.identities[node].backend == sim::Backend::hil;
}

void Roster::drop(NodeId node) {
  std::erase(candidates_, node);
  agents_.erase(node);
}

std::optional<NodeId> Roster::place_for(const std::string& agent, const std::string& device) const {
  const auto is_free = [&](NodeId node) { return !agents_.contains(node); };
  for (const auto& [node, name] : agents_) {
    if (name == agent) return node;
  }
  for (const NodeId node : candidates_) {
    if (is_free(node) && name_of(node) == agent) return node;
  }
  const testbed::InventoryNode* listed = inventory_.find(agent);
  const std::string& type = listed != nullptr && !listed->device.empty() ? listed->device : device;
  for (const NodeId node : candidates_) {
    const auto& identity = scenario_.identities[node];
    if (is_free(node) && !type.empty() && identity.device == type) return node;
  }
  return std::nullopt;
}

std::vector<std::string> Roster::missing(const std::vector<NodeId>& ready) const {
  const auto is_ready = [&](NodeId node) { return std::ranges::find(ready, node) != ready.end(); };
  std::vector<std::string> names;
  for (const NodeId node : candidates_) {
    if (is_wanted(node) && !is_ready(node)) names.push_back(name_of(node));
  }
  if (!all_present_) return names;
  for (const testbed::InventoryNode& n : inventory_.nodes) {
    const auto has_it = [&](NodeId node) {
      const auto agent = agents_.find(node);
      return agent != agents_.end() && agent->second == n.name;
    };
    const bool there = std::any_of(candidates_.begin(), candidates_.end(),
                                   [&](NodeId i) { return has_it(i) && is_ready(i); });
    const bool has_place = std::any_of(candidates_.begin(), candidates_.end(),
                                       [&](NodeId i) { return !agents_.contains(i) || has_it(i); });
    const bool named = std::find(names.begin(), names.end(), n.name) != names.end();
    if (!there && has_place && !named) names.push_back(n.name);
  }
  return names;
}

}  // namespace convoy::hil
