#include "sim/run/run_rows.hpp"

namespace convoy::sim {

RunRow run_row(const Scenario& scenario, const std::string& version, const std::string& world) {
  return {scenario.name, scenario.schedule.kind,
          scenario.seed, scenario.resolved,
          scenario.hash, version,
          world,         scenario.course};
}

std::vector<NodeRow> node_rows(const Scenario& scenario) {
  std::vector<NodeRow> nodes;
  for (std::size_t i = 0; i < scenario.world.nodes.size(); ++i) {
    const NodeConfig& config = scenario.world.nodes[i];
    const NodeIdentity& identity = scenario.identities[i];
    const NodeSetting& setting = scenario.setting->nodes[i];
    const auto backend = name_of(backend_words, config.real ? Backend::hil : Backend::sim);
    const bool own_data = i < scenario.parts.size() && scenario.parts[i].unlisted > 0;
    nodes.push_back({static_cast<std::int64_t>(i), config.name, identity.device, identity.mode,
                     identity.link, std::string(backend), config.memory, setting.samples,
                     setting.batch, own_data});
  }
  return nodes;
}

std::vector<NodeEnd> node_ends(const Summary& summary) {
  std::vector<NodeEnd> nodes;
  for (std::size_t i = 0; i < summary.nodes.size(); ++i) {
    const NodeSummary& n = summary.nodes[i];
    nodes.push_back({static_cast<std::int64_t>(i), n.usage.busy_s, n.usage.communicating_s,
                     n.waiting_s, n.usage.away_s, n.usage.bytes_in, n.usage.bytes_out,
                     n.usage.peak_memory, n.usage.energy_j, n.usage.tasks, n.usage.tasks_failed,
                     n.usage.memory_waits, n.usage.memory_wait_s});
  }
  return nodes;
}

}  // namespace convoy::sim
