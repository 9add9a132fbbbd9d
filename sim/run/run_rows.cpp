#include "sim/run/run_rows.hpp"

#include <algorithm>

namespace convoy::sim {

RunRow run_row(const Scenario& scenario, const std::string& version, const std::string& world) {
  return {scenario.name, scenario.schedule.kind,
          scenario.seed, scenario.resolved,
          scenario.hash, version,
          world,         scenario.course};
}

std::vector<NodeRow> node_rows(const Scenario& scenario) {
  std::vector<NodeRow> nodes;
  const auto& fleet = scenario.world.nodes;
  // Of nodes with data of their own to name, each has a row.
  const bool by_group = scenario.parts.empty();
  for (std::size_t i = 0; i < fleet.size();) {
    const NodeConfig& config = fleet[i];
    const NodeIdentity& identity = scenario.identities[i];
    const NodeSetting& setting = scenario.setting->nodes[i];
    const std::size_t end =
        std::min({fleet.group_of(i).end, scenario.identities.group_of(i).end,
                  scenario.setting->nodes.group_of(i).end, by_group ? fleet.size() : i + 1});
    const auto id = static_cast<std::int64_t>(i);
    const auto alike = static_cast<std::int64_t>(end - i);
    const auto backend = name_of(backend_words, config.real ? Backend::hil : Backend::sim);
    const bool own_data = i < scenario.parts.size() && scenario.parts[i].unlisted > 0;
    nodes.push_back({id,
                     alike > 1 ? config.name.text() : config.name.of(id),
                     identity.device,
                     identity.mode,
                     identity.link,
                     std::string(backend),
                     config.memory,
                     setting.samples,
                     setting.batch,
                     own_data,
                     {alike, alike > 1 ? config.name.number(id) : std::nullopt}});
    i = end;
  }
  return nodes;
}

std::vector<NodeEnd> node_ends(const Summary& summary) {
  std::vector<NodeEnd> nodes;
  for (std::size_t g = 0; g < summary.nodes.group_count(); ++g) {
    const auto group = summary.nodes.group(g);
    const NodeSummary& n = *group.value;
    nodes.push_back({static_cast<std::int64_t>(group.first), n.usage.busy_s,
                     n.usage.communicating_s, n.waiting_s, n.usage.away_s, n.usage.bytes_in,
                     n.usage.bytes_out, n.usage.peak_memory, n.usage.energy_j, n.usage.tasks,
                     n.usage.tasks_failed, n.usage.memory_waits, n.usage.memory_wait_s,
                     static_cast<std::int64_t>(group.size())});
  }
  return nodes;
}

}  // namespace convoy::sim
