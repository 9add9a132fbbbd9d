#include "sim/run/run_rows.hpp"

#include <algorithm>
#include <utility>

namespace convoy::sim {

Summary summarize(const Scenario& scenario, const World& world, const Recorder& recorder,
                  const std::map<NodeId, int>& diverged) {
  Summary s;
  s.scenario = scenario.name;
  s.schedule = scenario.schedule.kind;
  s.seed = scenario.seed;
  s.virtual_time_s = world.now();
  recorder.count_into(s, scenario.world.nodes);
  if (scenario.evaluation.target) {
    s.target = Target{*scenario.evaluation.target, "evaluation.target", {}};
  } else if (scenario.stop.accuracy) {
    s.target = Target{*scenario.stop.accuracy, "stop.accuracy", {}};
  }
  for (const CurvePoint& j : s.curve) {
    s.accuracy = j.accuracy;
    s.accuracy_best = std::max(s.accuracy_best.value_or(0), j.accuracy);
    if (s.target && !s.target->reached && j.accuracy >= s.target->accuracy) s.target->reached = j;
  }
  double busy = 0;
  for (std::size_t i = 0; i < scenario.world.nodes.size(); ++i) {
    NodeSummary node{scenario.world.nodes[i].name, world.usage(static_cast<NodeId>(i)), 0,
                     scenario.world.nodes[i].memory};
    // The world has seen these end as they should.
    if (const auto d = diverged.find(static_cast<NodeId>(i)); d != diverged.end()) {
      node.usage.tasks -= d->second;
      node.usage.tasks_failed += d->second;
    }
    node.waiting_s = std::max(0.0, s.virtual_time_s - node.usage.active_s - node.usage.away_s);
    if (i > 0) busy += node.usage.busy_s;
    (i > 0 ? s.energy_j : s.energy_server_j) += node.usage.energy_j;
    s.nodes.push_back(std::move(node));
  }
  const double node_time = scenario.setting->workers() * s.virtual_time_s;
  s.utilization = node_time > 0 ? busy / node_time : 0;
  s.network = world.description();
  for (const NodeConfig& node : scenario.world.nodes) s.real_nodes += node.real ? 1 : 0;
  return s;
}

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
    nodes.push_back({static_cast<std::int64_t>(i), config.name, identity.device, identity.mode,
                     identity.link, std::string(backend), config.memory, setting.samples,
                     setting.batch});
  }
  return nodes;
}

std::vector<NodeEnd> node_ends(const Summary& summary) {
  std::vector<NodeEnd> nodes;
  for (std::size_t i = 0; i < summary.nodes.size(); ++i) {
    const NodeSummary& n = summary.nodes[i];
    nodes.push_back({static_cast<std::int64_t>(i), n.usage.busy_s, n.usage.communicating_s,
                     n.waiting_s, n.usage.away_s, n.usage.bytes_in, n.usage.bytes_out,
                     n.usage.peak_memory, n.usage.energy_j, n.usage.tasks, n.usage.tasks_failed});
  }
  return nodes;
}

}  // namespace convoy::sim
