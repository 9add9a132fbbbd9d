#pragma once

// A world for calculation by hand, its tasks, and a listener that notes what happens.

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sim/world/world.hpp"
#include "tests/support/each_solver.hpp"

namespace convoy::test {

// Records events and activities; calls a function at each event.
class Witness : public sim::WorldListener {
 public:
  std::function<void(const sim::Event&)> on_event;
  std::vector<sim::Event> events;
  std::map<std::pair<sim::TaskId, std::string>, std::vector<sim::ActivityRecord>> records;
  std::map<sim::TaskId, double> memory_waits;  // s, that are over

  void on_instant(std::span<const sim::Event> happened) override {
    for (const sim::Event& event : happened) {
      events.push_back(event);
      if (on_event) on_event(event);
    }
  }
  void on_activity(const sim::ActivityRecord& record) override {
    records[{record.task, record.what->label}].push_back(record);
  }
  void on_memory_wait(sim::TaskId task, double seconds) override { memory_waits[task] += seconds; }

  [[nodiscard]] const sim::ActivityRecord& record(sim::TaskId task, const std::string& label,
                                                  std::size_t i = 0) const {
    return records.at({task, label}).at(i);
  }
  [[nodiscard]] double end_of(sim::EventKind kind) const {
    for (const sim::Event& event : events) {
      if (event.kind == kind) return event.time;
    }
    return -1;
  }
};

// A server that is no bottleneck, and workers with 1 MB/s in each direction.
inline sim::WorldConfig simple_world(int workers,
                                     platforms::Duplex duplex = platforms::Duplex::full) {
  sim::WorldConfig config;
  config.solver = solver_in_use();
  sim::NodeConfig server;
  server.name = "server";
  server.link = {"", "", platforms::Duplex::full, 1e12, 1e12, 0};
  server.concurrent_transfers = 0;
  config.nodes.push_back(server);
  for (int i = 0; i < workers; ++i) {
    sim::NodeConfig node;
    node.name = std::to_string(i);
    node.link = {"", "", duplex, 8e6, 8e6, 0};
    config.nodes.push_back(node);
  }
  return config;
}

// The same, with so many bytes of memory on each worker.
inline sim::WorldConfig limited(int workers, double memory) {
  sim::WorldConfig config = simple_world(workers);
  for (int i = 1; i <= workers; ++i) config.nodes[i].memory = memory;
  return config;
}

inline std::shared_ptr<const sim::TaskGraph> one_compute(double seconds, double memory = 0,
                                                         int priority = 0) {
  auto graph = std::make_shared<sim::TaskGraph>(1);
  graph->compute({.label = "work", .seconds = seconds, .memory = memory, .priority = priority}, {},
                 {"result", 0});
  return graph;
}

inline std::shared_ptr<const sim::TaskGraph> one_transfer(double bytes) {
  auto graph = std::make_shared<sim::TaskGraph>(2);
  graph->transfer("move", graph->artifact("thing", bytes, 0), 1);
  return graph;
}

}  // namespace convoy::test
