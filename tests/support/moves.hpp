#pragma once

// Tasks of one transfer, for worlds of small_world.hpp.

#include "tests/support/small_world.hpp"

namespace convoy::test {

// From role 0 to role 1. `limit` in bytes/s; 0: none.
inline std::shared_ptr<const sim::TaskGraph> limited_move(double bytes, double limit) {
  auto graph = std::make_shared<sim::TaskGraph>(2);
  const int there = graph->transfer("move", graph->artifact("thing", bytes, 0), 1);
  if (limit > 0) graph->limit(there, limit);
  return graph;
}

inline std::shared_ptr<const sim::TaskGraph> guaranteed_move(double bytes, double rate) {
  auto graph = std::make_shared<sim::TaskGraph>(2);
  graph->guarantee(graph->transfer("move", graph->artifact("thing", bytes, 0), 1), rate);
  return graph;
}

inline double end_of(const Witness& witness, sim::TaskId task) {
  return witness.record(task, "move").end_s;
}

// Nodes with 10 MB/s behind a server with 1 MB/s in each direction.
inline sim::WorldConfig narrow_server(int workers) {
  sim::WorldConfig config = simple_world(workers);
  config.nodes[0].link.up_bps = config.nodes[0].link.down_bps = 8e6;
  for (int i = 1; i <= workers; ++i) {
    config.nodes[i].link.up_bps = config.nodes[i].link.down_bps = 8e7;
  }
  return config;
}

// In bit/s, of a node's way up.
inline std::shared_ptr<const platforms::Trace> up_trace(std::vector<double> time,
                                                        std::vector<double> bps) {
  auto trace = std::make_shared<platforms::Trace>();
  trace->time = std::move(time);
  trace->of(platforms::Column::up_bps) = std::move(bps);
  return trace;
}

}  // namespace convoy::test
