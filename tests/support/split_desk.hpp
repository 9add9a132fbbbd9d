#pragma once

// Fleets of unequal nodes for split schedules, and rounds of such a schedule played by hand: each
// activity takes the time that follows from its graph and from what its node really has.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sim/plan/replanner.hpp"
#include "tests/support/desk.hpp"

namespace convoy::sim {

struct SplitNode {
  std::string name;
  double flops_per_s = 1e11;
  double bytes_per_s = 1e6;  // of its link, in each direction
  double memory = 64e9;
};

// The server computes 1e12 FLOP/s, and its link has `bandwidth` bytes/s. A node's device is called
// after it, without a number. Messages take 2 ms to the server's link, and 3 ms over it.
inline std::shared_ptr<Setting> split_setting(const std::vector<SplitNode>& nodes, double bandwidth,
                                              const std::string& architecture = "cnn-small") {
  auto setting = std::make_shared<Setting>();
  setting->seed = 3;
  engine::ModelOptions model;
  model.architecture = architecture;
  if (architecture != "mlp") model.image_size = 16;
  model.classes = 10;
  setting->architecture =
      std::make_shared<const engine::Architecture>(engine::make_architecture(model));
  const auto add = [&](const SplitNode& node, double latency) {
    auto machine =
        std::make_shared<platforms::Machine>(convoy::test::hand_machine(node.flops_per_s, 1e11));
    machine->memory = node.memory;
    machine->memory_class_gb = 64;
    machine->device = node.name.substr(0, node.name.find('-')) + "-device";
    const double bps = 8 * node.bytes_per_s;
    setting->nodes.push_back(
        {node.name, machine, 20, 8, {"", "", platforms::Duplex::full, bps, bps, latency}});
  };
  add({"server", 1e12, bandwidth, 0}, 0.003);
  for (const SplitNode& node : nodes) add(node, 0.002);
  return setting;
}

// Three unequal nodes that share 3 MB/s.
inline std::vector<SplitNode> three_nodes() {
  return {{"slow-1", 2e9, 2e6}, {"mid-1", 1e10, 1e6}, {"fast-1", 5e10, 4e6}};
}

// Plays rounds. `truth`: by node, the speed (relative to nominal) and the link that it has.
class SplitRounds {
 public:
  SplitRounds(std::unique_ptr<Schedule> schedule, const Setting& setting)
      : latency_(setting.nodes.front().link.latency_s), desk(std::move(schedule)) {
    for (const NodeSetting& node : setting.nodes) {
      truth.push_back({1, node.link.up_bps / 8});
      latencies_.push_back(latency_ + node.link.latency_s);
    }
  }

  [[nodiscard]] double seconds_of(const Activity& a, NodeId node) const {
    const Condition& real = truth[node];
    if (a.kind == ActivityKind::transfer) {
      const double limit = a.most_bytes_per_s();
      const double rate =
          limit > 0 ? std::min(limit, real.link_bytes_per_s) : real.link_bytes_per_s;
      return latencies_[node] + a.bytes / rate;
    }
    if (a.at == 0) return a.share > 0 ? a.seconds / a.share : a.seconds;
    return a.seconds / real.speed;
  }

  // The tasks under way.
  [[nodiscard]] std::map<NodeId, Assign> tasks() const {
    std::map<NodeId, Assign> all;
    for (const Assign& task : desk.assigned) {
      if (desk.open.contains(task.task)) all[task.worker_node()] = task;
    }
    return all;
  }

  // What happens to the tasks under way, all of which began now.
  [[nodiscard]] std::vector<Event> events() const {
    std::vector<Event> all;
    for (const auto& [node, task] : tasks()) {
      double at = now;
      const auto& activities = task.graph->activities();
      for (std::size_t i = 0; i < activities.size(); ++i) {
        at += seconds_of(activities[i], node);
        if (!task.report_activities) continue;
        all.push_back({.time = at,
                       .kind = EventKind::activity_done,
                       .node = node,
                       .task = task.task,
                       .activity = static_cast<int>(i)});
      }
      all.push_back({.time = at, .kind = EventKind::task_done, .node = node, .task = task.task});
    }
    return all;
  }

  // All tasks under way to their ends, and the aggregation; by node, the time that its task took.
  std::map<NodeId, double> play() {
    std::map<NodeId, double> took;
    const std::vector<Event> all = events();
    for (const Event& event : all) {
      if (event.kind == EventKind::task_done) took[event.node] = event.time - now;
    }
    give(all);
    publish();
    return took;
  }

  void publish() {
    Event published = desk.aggregated();
    published.time = now;
    desk.give({published});
  }

  // In order of time.
  void give(std::vector<Event> events) {
    std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
      return a.time != b.time ? a.time < b.time : comes_before(a, b);
    });
    for (auto at = events.begin(); at != events.end();) {
      const auto end =
          std::find_if(at, events.end(), [&](const Event& e) { return e.time != at->time; });
      for (auto e = at; e != end; ++e) {
        const bool ends = e->kind == EventKind::task_done || e->kind == EventKind::task_failed;
        if (ends) desk.open.erase(e->task);
      }
      now = at->time;
      desk.give({at, end});
      at = end;
    }
  }

 private:
  double latency_;
  std::vector<double> latencies_;

 public:
  ByNode<Condition> truth;
  double now = 0;
  Desk desk;
};

}  // namespace convoy::sim
