#include "sim/run/summarize.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/text.hpp"

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
  std::vector<std::string> waits;
  for (std::size_t i = 0; i < scenario.world.nodes.size(); ++i) {
    const auto id = static_cast<NodeId>(i);
    const NodeConfig& config = scenario.world.nodes[i];
    NodeSummary node{config.name, world.usage(id), 0, config.memory};
    // The world has counted diverged tasks as successful.
    if (const auto d = diverged.find(id); d != diverged.end()) {
      node.usage.tasks -= d->second;
      node.usage.tasks_failed += d->second;
    }
    node.waiting_s = std::max(0.0, s.virtual_time_s - node.usage.active_s - node.usage.away_s);
    if (i > 0) busy += node.usage.busy_s;
    (i > 0 ? s.energy_j : s.energy_server_j) += node.usage.energy_j;
    if (node.usage.memory_waits > 0) {
      waits.push_back(fmt::format("{} ({}, {} in all)", node.name.of(id), node.usage.memory_waits,
                                  base::human_seconds(node.usage.memory_wait_s)));
    }
    s.nodes.add(std::move(node));
  }
  if (!waits.empty()) {
    constexpr std::size_t named = 4;
    const std::size_t more = waits.size() - std::min(named, waits.size());
    waits.resize(waits.size() - more);
    s.remarks.push_back(fmt::format("work waited for memory: on {}{}", fmt::join(waits, ", "),
                                    more > 0 ? fmt::format(" and {} more nodes", more) : ""));
  }
  const double node_time = scenario.setting->workers() * s.virtual_time_s;
  s.utilization = node_time > 0 ? busy / node_time : 0;
  s.network = world.description();
  for (const NodeConfig& node : scenario.world.nodes) s.real_nodes += node.real ? 1 : 0;
  return s;
}

}  // namespace convoy::sim
