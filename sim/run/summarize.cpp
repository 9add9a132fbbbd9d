#include "sim/run/summarize.hpp"

#include <algorithm>
#include <utility>

namespace convoy::sim {

Summary summarize(const Scenario& scenario, const World& world, const Recorder& recorder,
                  const std::map<NodeId, int>& diverged) {
  Summary s;
  s.scenario = scenario.name;
  s.schedule = scenario.schedule.kind;
  s.model = scenario.setting->architecture->name;
  if (scenario.setting->learned_as) s.learned_as = scenario.setting->learned_as->name;
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
    // The world has counted diverged tasks as successful.
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

}  // namespace convoy::sim
