// Tests transfers with a guaranteed rate (TaskGraph::guarantee): random flows between a server and
// its nodes against weighted shares computed step by step, and by hand.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/random.hpp"
#include "sim/world/world.hpp"
#include "tests/support/each_solver.hpp"
#include "tests/support/expect_time.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/small_world.hpp"

namespace convoy::sim {
namespace {

CONVOY_EACH_SOLVER(GuaranteedTransfer);

using test::simple_world;
using test::Witness;

std::shared_ptr<const TaskGraph> guaranteed_move(double bytes, double rate) {
  auto graph = std::make_shared<TaskGraph>(2);
  graph->guarantee(graph->transfer("move", graph->artifact("thing", bytes, 0), 1), rate);
  return graph;
}

double end_of(const Witness& witness, TaskId task) { return witness.record(task, "move").end_s; }

// Nodes with 10 MB/s behind a server with 1 MB/s in each direction.
WorldConfig narrow_server(int workers) {
  WorldConfig config = simple_world(workers);
  config.nodes[0].link.up_bps = config.nodes[0].link.down_bps = 8e6;
  for (int i = 1; i <= workers; ++i) {
    config.nodes[i].link.up_bps = config.nodes[i].link.down_bps = 8e7;
  }
  return config;
}

// 0.5, 0.3 and 0.2 of the link; then 0.6 and 0.4; then all. In both directions at once.
TEST_P(GuaranteedTransfer, WhatOneLeavesTheOthersHave) {
  Witness witness;
  World world(narrow_server(6), witness);
  for (const auto& [task, part] : {std::pair(0, 0.5), std::pair(1, 0.3), std::pair(2, 0.2)}) {
    world.start(task, guaranteed_move(1e6, part * 1e6), {static_cast<NodeId>(task + 1), 0});
    world.start(task + 3, guaranteed_move(1e6, part * 1e6), {0, static_cast<NodeId>(task + 4)});
  }
  world.run();
  for (const TaskId first : {0, 3}) {
    EXPECT_TIME(end_of(witness, first), 2);
    EXPECT_TIME(end_of(witness, first + 1), 2 + 2.0 / 3);
    EXPECT_TIME(end_of(witness, first + 2), 3);
  }
}

TEST_P(GuaranteedTransfer, AloneItHasTheWholeLinkAndItsLatencyIsItsOwn) {
  WorldConfig config = simple_world(1, platforms::Duplex::half);
  config.nodes[1].link.latency_s = 0.2;
  Witness witness;
  World world(config, witness);
  world.set_timer(0, 3);
  world.set_timer(1, 6);
  world.start(0, guaranteed_move(1e6, 1e5), {1, 0});
  witness.on_event = [&](const Event& event) {
    if (event.kind != EventKind::timer_fired) return;
    world.start(1 + event.timer, guaranteed_move(1e6, 2e5), {0, 1});
    // Of another kind, in the other direction of the same medium: it has its own latency, and the
    // guarantee is void.
    if (event.timer == 1) world.start(3, test::one_transfer(1e6), {1, 0});
  };
  world.run();
  EXPECT_TIME(end_of(witness, 0), 1.2);
  EXPECT_TIME(end_of(witness, 1), 4.2);
  EXPECT_LT(end_of(witness, 2), 8.3);
}

// A link that stands still, and one that changes, in the middle.
TEST_P(GuaranteedTransfer, FollowsATraceOfItsLink) {
  WorldConfig config = narrow_server(2);
  for (const std::size_t node : {1, 2}) config.nodes[node].link.latency_s = 0.5;
  auto trace = std::make_shared<platforms::Trace>();
  trace->time = {0, 1.5, 2.5};
  trace->of(platforms::Column::up_bps) = {8e7, 0, 8e7};
  config.nodes[1].behaviour.trace = trace;
  Witness witness;
  World world(config, witness);
  world.start(0, guaranteed_move(1.75e6, 7.5e5), {1, 0});
  world.start(1, guaranteed_move(3e6, 2.5e5), {2, 0});
  world.run();
  // 0.75 and 0.25 MB by 1.5 s; then the second alone until 2.5 s; then 1 MB in 4/3 s.
  EXPECT_TIME(end_of(witness, 0), 2.5 + 4.0 / 3);
  EXPECT_TIME(end_of(witness, 1), 5.25);
}

struct Flow {
  NodeId node = 0;
  bool up = false;
  double bytes = 0;
  double guaranteed = 0;
  double starts = 0;  // of its data
  double own = 0;     // its node's link
  double left = 0;
  double end = -1;
};

// Rates rise in proportion to the guarantees, until an own link or the server's is full.
std::vector<double> rates(const std::vector<const Flow*>& flows, const double capacity[2]) {
  std::vector<double> rate(flows.size(), 0);
  for (const bool up : {false, true}) {
    double room = capacity[up ? 1 : 0];
    std::vector<bool> stays(flows.size(), false);
    while (true) {
      double rising = 0;
      for (std::size_t i = 0; i < flows.size(); ++i) {
        if (flows[i]->up == up && !stays[i]) rising += flows[i]->guaranteed;
      }
      if (rising <= 0) break;
      double step = room / rising;
      for (std::size_t i = 0; i < flows.size(); ++i) {
        if (flows[i]->up != up || stays[i]) continue;
        step = std::min(step, (flows[i]->own - rate[i]) / flows[i]->guaranteed);
      }
      for (std::size_t i = 0; i < flows.size(); ++i) {
        if (flows[i]->up != up || stays[i]) continue;
        rate[i] += step * flows[i]->guaranteed;
        room -= step * flows[i]->guaranteed;
        stays[i] = rate[i] >= flows[i]->own * (1 - 1e-12);
      }
      if (room < 1e-6) break;
    }
  }
  return rate;
}

void simulate(std::vector<Flow>& flows, const double capacity[2]) {
  double now = 0;
  while (true) {
    std::vector<const Flow*> running;
    double step = std::numeric_limits<double>::infinity();
    for (const Flow& flow : flows) {
      if (flow.end < 0 && flow.starts <= now) running.push_back(&flow);
      if (flow.starts > now) step = std::min(step, flow.starts - now);
    }
    const std::vector<double> at = rates(running, capacity);
    for (std::size_t i = 0; i < running.size(); ++i) {
      EXPECT_GE(at[i], running[i]->guaranteed * (1 - 1e-9));
      step = std::min(step, running[i]->left / at[i]);
    }
    if (std::isinf(step)) return;
    for (std::size_t i = 0; i < running.size(); ++i) {
      Flow& flow = flows[static_cast<std::size_t>(running[i] - flows.data())];
      flow.left -= step * at[i];
      if (flow.left <= 1e-6) flow.end = now + step;
    }
    now += step;
    for (const Flow& flow : flows) {
      if (std::abs(flow.starts - now) < 1e-12) now = std::max(now, flow.starts);
    }
  }
}

TEST_P(GuaranteedTransfer, RandomFlowsHaveTheirGuaranteesAndDivideTheRestInProportion) {
  base::Random random({test::drawn_seed()});
  constexpr int nodes = 60;
  WorldConfig config = simple_world(nodes);
  const double capacity[2] = {2e7, 1e7};  // down, up
  config.nodes[0].link = {"", "", platforms::Duplex::full, 8 * capacity[1], 8 * capacity[0], 0};
  config.nodes[0].link.up_bps = 8 * capacity[0];
  config.nodes[0].link.down_bps = 8 * capacity[1];
  std::vector<Flow> flows;
  double sums[2] = {0, 0};
  for (int i = 1; i <= nodes; ++i) {
    Flow flow{.node = i, .up = random.below(2) == 0};
    flow.guaranteed = std::exp(random.normal());
    sums[flow.up ? 1 : 0] += flow.guaranteed;
    flow.bytes = flow.left = std::round(1e5 + 4e6 * random.uniform());
    flows.push_back(flow);
  }
  std::vector<double> begins;
  for (Flow& flow : flows) {
    flow.guaranteed *= 0.95 * capacity[flow.up ? 1 : 0] / sums[flow.up ? 1 : 0];
    flow.own = flow.guaranteed * (random.below(2) == 0 ? 1.1 : 20);
    platforms::Link& link = config.nodes[flow.node].link;
    link.up_bps = link.down_bps = 8 * flow.own;
    link.latency_s = 0.05 * random.uniform();
    begins.push_back(random.below(3) == 0 ? 0.001 : 0.01 + 4 * random.uniform());
    flow.starts = begins.back() + link.latency_s;
  }
  Witness witness;
  World world(config, witness);
  for (std::size_t i = 0; i < flows.size(); ++i) {
    world.set_timer(static_cast<std::int64_t>(i), begins[i]);
  }
  witness.on_event = [&](const Event& event) {
    if (event.kind != EventKind::timer_fired) return;
    const Flow& flow = flows[static_cast<std::size_t>(event.timer)];
    world.start(event.timer, guaranteed_move(flow.bytes, flow.guaranteed),
                flow.up ? std::vector<NodeId>{flow.node, 0} : std::vector<NodeId>{0, flow.node});
  };
  world.run();
  simulate(flows, capacity);
  for (std::size_t i = 0; i < flows.size(); ++i) {
    const Flow& flow = flows[i];
    EXPECT_NEAR(end_of(witness, static_cast<TaskId>(i)), flow.end, 1e-6) << "flow " << i;
    EXPECT_LE(flow.end, flow.starts + flow.bytes / flow.guaranteed + 1e-9);
  }
}

// Flows given up, in their latency and later, leave their links as they were.
TEST_P(GuaranteedTransfer, GivenUpItLeavesNothingBehind) {
  WorldConfig config = simple_world(2);
  for (const std::size_t node : {1, 2}) config.nodes[node].link.latency_s = 0.2;
  Witness witness;
  World world(config, witness);
  for (const NodeId node : {1, 2}) world.start(node, guaranteed_move(1e6, 1e3), {node, 0});
  for (const auto& [timer, time] : {std::pair(1, 0.1), std::pair(2, 0.7), std::pair(3, 3.0)}) {
    world.set_timer(timer, time);
  }
  witness.on_event = [&](const Event& event) {
    if (event.kind != EventKind::timer_fired) return;
    if (event.timer < 3) return world.cancel(event.timer);
    for (const NodeId node : {1, 2}) {
      world.start(10 + node, guaranteed_move(1e6, 5e5), {node, 0});
    }
  };
  world.run();
  for (const TaskId task : {11, 12}) EXPECT_TIME(end_of(witness, task), 4.2);
}

}  // namespace
}  // namespace convoy::sim
