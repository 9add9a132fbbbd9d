#include "sim/world/footprint.hpp"

#include <algorithm>

#include "sim/task/peak_memory.hpp"

namespace convoy::sim {

Footprints::Footprints(const WorldConfig& config) {
  for (const NodeConfig& node : config.nodes) {
    one_at_a_time_.push_back(node.concurrent_computes == 1);
  }
}

void Footprints::forget_old() {
  if (known_.size() < look_at_) return;
  std::erase_if(known_, [](const auto& entry) { return entry.second.graph.expired(); });
  look_at_ = 2 * known_.size() + 64;
}

std::vector<Footprints::Role>& Footprints::roles_of(const std::shared_ptr<const TaskGraph>& graph) {
  Known& known = known_[graph.get()];
  if (!known.graph.expired()) return known.roles;
  known.graph = graph;
  known.roles.assign(static_cast<std::size_t>(graph->roles()), {});
  for (const Artifact& artifact : graph->artifacts()) {
    if (artifact.held > 0) known.roles[static_cast<std::size_t>(artifact.place)].holds = true;
  }
  for (const Activity& a : graph->activities()) {
    Role& role = known.roles[static_cast<std::size_t>(a.at)];
    if (a.kind == ActivityKind::compute) role.most = std::max(role.most, a.memory);
  }
  return known.roles;
}

std::vector<MemoryRequest::Need> Footprints::needs(const std::shared_ptr<const TaskGraph>& graph,
                                                   const std::vector<NodeId>& members) {
  std::vector<MemoryRequest::Need> needs;
  if (!graph->holds()) return needs;
  forget_old();
  std::vector<Role>& roles = roles_of(graph);
  for (std::size_t i = 0; i < roles.size(); ++i) {
    Role& role = roles[i];
    const NodeId node = members[i];
    if (!role.holds && role.most <= 0) continue;
    auto there = std::ranges::find(needs, node, &MemoryRequest::Need::node);
    if (there == needs.end()) there = needs.insert(needs.end(), {.node = node});
    if (!role.holds) {
      there->most = std::max(there->most, role.most);
      continue;
    }
    double& peak = one_at_a_time_[node] ? role.one : role.many;
    if (peak < 0) {
      peak = peak_memory(*graph, static_cast<int>(i), one_at_a_time_[node] ? 1 : 0);
    }
    there->reserved += peak;
  }
  return needs;
}

}  // namespace convoy::sim
