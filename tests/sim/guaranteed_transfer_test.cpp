// Tests transfers with a guaranteed rate (TaskGraph::guarantee): random flows between a server and
// its nodes against weighted shares computed step by step, and by hand.

#include <cmath>
#include <vector>

#include "base/random.hpp"
#include "sim/world/world.hpp"
#include "tests/support/each_solver_with.hpp"
#include "tests/support/expect_time.hpp"
#include "tests/support/fluid.hpp"
#include "tests/support/moves.hpp"
#include "tests/support/seed.hpp"

namespace convoy::sim {
namespace {

CONVOY_EACH_SOLVER(GuaranteedTransfer);
CONVOY_EACH_SOLVER_WITH(GuaranteedTransferBehind, 0, 0.001, 0.5);

using test::end_of;
using test::FluidFlow;
using test::guaranteed_move;
using test::narrow_server;
using test::simple_world;
using test::Witness;

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

// A link that stands still in the middle.
TEST_P(GuaranteedTransferBehind, FollowsATraceOfItsLink) {
  const double latency = value();
  WorldConfig config = narrow_server(2);
  for (const std::size_t node : {1, 2}) config.nodes[node].link.latency_s = latency;
  config.nodes[1].behaviour.trace = test::up_trace({0, 1 + latency, 2 + latency}, {8e7, 0, 8e7});
  Witness witness;
  World world(config, witness);
  world.start(0, guaranteed_move(1.75e6, 7.5e5), {1, 0});
  world.start(1, guaranteed_move(3e6, 2.5e5), {2, 0});
  world.run();
  // 0.75 and 0.25 MB by 1 s; then the second alone until 2 s; then 1 MB in 4/3 s.
  EXPECT_TIME(end_of(witness, 0), latency + 2 + 4.0 / 3);
  EXPECT_TIME(end_of(witness, 1), latency + 4.75);
}

// Of 0.97 of the link, behind 13.01 times the latency.
TEST_P(GuaranteedTransferBehind, UnderLv08PartsAreInProportionToTheGuarantees) {
  const double latency = value();
  WorldConfig config = narrow_server(3);
  config.network = NetworkModel::lv08;
  for (const std::size_t node : {1, 2, 3}) config.nodes[node].link.latency_s = latency;
  Witness witness;
  World world(config, witness);
  for (const auto& [task, part] : {std::pair(0, 0.5), std::pair(1, 0.3), std::pair(2, 0.2)}) {
    world.start(task, guaranteed_move(1e6, part * 1e6), {static_cast<NodeId>(task + 1), 0});
  }
  world.run();
  EXPECT_TIME(end_of(witness, 0), 13.01 * latency + 2 / 0.97);
  EXPECT_TIME(end_of(witness, 1), 13.01 * latency + (2 + 2.0 / 3) / 0.97);
  EXPECT_TIME(end_of(witness, 2), 13.01 * latency + 3 / 0.97);
}

// Both directions of a node, and two transfers on the same way: each has what it was guaranteed.
TEST_P(GuaranteedTransfer, SeveralOfANodeHaveTheirGuarantees) {
  WorldConfig config = simple_world(1, platforms::Duplex::half);
  config.nodes[1].concurrent_transfers = 0;
  config.nodes[1].link.latency_s = 0.2;
  Witness witness;
  World world(config, witness);
  world.start(0, guaranteed_move(1e6, 5e5), {1, 0});
  world.start(1, guaranteed_move(1e6, 3e5), {0, 1});
  world.start(2, guaranteed_move(1e6, 2e5), {1, 0});
  world.run();
  EXPECT_TIME(end_of(witness, 0), 2.2);
  EXPECT_TIME(end_of(witness, 1), 2.2 + 2.0 / 3);
  EXPECT_TIME(end_of(witness, 2), 3.2);
}

// A flow of a node, and when its transfer is ordered.
struct GuaranteedFlow {
  NodeId node = 0;
  bool up = false;
  double begins = 0;
};

TEST_P(GuaranteedTransfer, RandomFlowsHaveTheirGuaranteesAndDivideTheRestInProportion) {
  base::Random random({test::drawn_seed()});
  constexpr int nodes = 60;
  WorldConfig config = simple_world(nodes);
  const double capacity[2] = {2e7, 1e7};  // down, up
  config.nodes[0].link = {"", "", platforms::Duplex::full, 8 * capacity[1], 8 * capacity[0], 0};
  config.nodes[0].link.up_bps = 8 * capacity[0];
  config.nodes[0].link.down_bps = 8 * capacity[1];
  std::vector<GuaranteedFlow> flows;
  std::vector<FluidFlow> fluids;  // weights are guarantees, limits their own links
  double sums[2] = {0, 0};
  for (int i = 1; i <= nodes; ++i) {
    const GuaranteedFlow flow{.node = i, .up = random.below(2) == 0};
    FluidFlow fluid{.weight = std::exp(random.normal()), .links = {flow.up ? 1 : 0}};
    sums[flow.up ? 1 : 0] += fluid.weight;
    fluid.bytes = std::round(1e5 + 4e6 * random.uniform());
    flows.push_back(flow);
    fluids.push_back(fluid);
  }
  for (std::size_t i = 0; i < flows.size(); ++i) {
    FluidFlow& fluid = fluids[i];
    const int way = flows[i].up ? 1 : 0;
    fluid.weight *= 0.95 * capacity[way] / sums[way];
    fluid.limit = fluid.weight * (random.below(2) == 0 ? 1.1 : 20);
    platforms::Link& link = config.nodes[flows[i].node].link;
    link.up_bps = link.down_bps = 8 * fluid.limit;
    link.latency_s = 0.05 * random.uniform();
    flows[i].begins = random.below(3) == 0 ? 0.001 : 0.01 + 4 * random.uniform();
    fluid.starts = flows[i].begins + link.latency_s;
  }
  Witness witness;
  World world(config, witness);
  for (std::size_t i = 0; i < flows.size(); ++i) {
    world.set_timer(static_cast<std::int64_t>(i), flows[i].begins);
  }
  witness.on_event = [&](const Event& event) {
    if (event.kind != EventKind::timer_fired) return;
    const auto i = static_cast<std::size_t>(event.timer);
    const NodeId node = flows[i].node;
    world.start(event.timer, guaranteed_move(fluids[i].bytes, fluids[i].weight),
                flows[i].up ? std::vector<NodeId>{node, 0} : std::vector<NodeId>{0, node});
  };
  world.run();
  test::simulate(fluids, {capacity[0], capacity[1]});
  for (std::size_t i = 0; i < flows.size(); ++i) {
    const FluidFlow& fluid = fluids[i];
    EXPECT_NEAR(end_of(witness, static_cast<TaskId>(i)), fluid.end, 1e-6) << "flow " << i;
    EXPECT_LE(fluid.end, fluid.starts + fluid.bytes / fluid.weight + 1e-9);
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
