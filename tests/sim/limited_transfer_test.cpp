// Tests transfers with a limit of their own (TaskGraph::limit): times by hand.

#include <algorithm>

#include "sim/world/world.hpp"
#include "tests/support/each_solver_with.hpp"
#include "tests/support/expect_time.hpp"
#include "tests/support/moves.hpp"

namespace convoy::sim {
namespace {

CONVOY_EACH_SOLVER(LimitedTransfer);
CONVOY_EACH_SOLVER_WITH(LimitedTransferBehind, 0, 0.001, 0.5);
CONVOY_EACH_SOLVER_WITH(LimitedTransferThatStops, 0.005, 1);

using test::end_of;
using test::limited_move;
using test::narrow_server;
using test::simple_world;
using test::up_trace;
using test::Witness;

// Cancels a task at a time.
void cancel_at(World& world, Witness& witness, TaskId task, double time) {
  world.set_timer(0, time);
  witness.on_event = [&world, task](const Event& event) {
    if (event.kind == EventKind::timer_fired) world.cancel(task);
  };
}

TEST_P(LimitedTransfer, AloneItTakesItsLatencyAndItsBytesByItsLimit) {
  WorldConfig config = simple_world(3);
  config.nodes[1].link.latency_s = 0.2;
  Witness witness;
  World world(config, witness);
  world.start(0, limited_move(1e6, 4e5), {1, 0});
  world.start(1, limited_move(1e6, 4e5), {0, 2});
  world.start(2, limited_move(1e6, 4e6), {0, 3});  // more than its link has: changes nothing
  world.run();
  EXPECT_TIME(end_of(witness, 0), 2.7);
  EXPECT_TIME(end_of(witness, 1), 2.5);
  EXPECT_TIME(end_of(witness, 2), 1);
}

TEST_P(LimitedTransfer, BelowTheLinksCapacityNobodySlowsAnother) {
  Witness witness;
  World world(narrow_server(2), witness);
  world.start(0, limited_move(1e6, 3e5), {1, 0});
  world.start(1, limited_move(1e6, 5e5), {2, 0});
  world.run();
  EXPECT_TIME(end_of(witness, 0), 1 / 0.3);
  EXPECT_TIME(end_of(witness, 1), 2);
}

// Shares that add up to the link: each gets exactly its own.
TEST_P(LimitedTransfer, SharesOfTheWholeLinkAreKept) {
  Witness witness;
  World world(narrow_server(13), witness);
  for (const auto& [task, share] : {std::pair(0, 0.5), std::pair(1, 0.3), std::pair(2, 0.2)}) {
    world.start(task, limited_move(1e6, share * 1e6), {0, task + 1});
  }
  for (TaskId task = 3; task < 13; ++task) {  // the other direction
    world.start(task, limited_move(1e6, 0.1 * 1e6), {static_cast<NodeId>(task + 1), 0});
  }
  world.run();
  EXPECT_TIME(end_of(witness, 0), 2);
  EXPECT_TIME(end_of(witness, 1), 1 / 0.3);
  EXPECT_TIME(end_of(witness, 2), 5);
  for (TaskId task = 3; task < 13; ++task) EXPECT_TIME(end_of(witness, task), 10);
}

// The limits add up to 1.8 of the link: who asks for a fifth has it, the others have half of the
// rest until it ends at 5 s, then half of all.
TEST_P(LimitedTransfer, WhereTheyDoNotFitTheLinkIsSharedUpToTheLimits) {
  Witness witness;
  World world(narrow_server(3), witness);
  world.start(0, limited_move(3e6, 8e5), {1, 0});
  world.start(1, limited_move(3e6, 8e5), {2, 0});
  world.start(2, limited_move(1e6, 2e5), {3, 0});
  world.run();
  EXPECT_TIME(end_of(witness, 2), 5);
  EXPECT_TIME(end_of(witness, 0), 7);
  EXPECT_TIME(end_of(witness, 1), 7);
}

TEST_P(LimitedTransfer, WhoHasNoLimitGetsWhatTheOthersLeave) {
  Witness witness;
  World world(narrow_server(2), witness);
  world.start(0, limited_move(1e6, 2.5e5), {1, 0});  // 4 s
  world.start(1, limited_move(4e6, 0), {2, 0});      // 3 MB by then
  world.run();
  EXPECT_TIME(end_of(witness, 0), 4);
  EXPECT_TIME(end_of(witness, 1), 5);
}

TEST_P(LimitedTransfer, BothDirectionsOfHalfDuplexCountTogether) {
  Witness witness;
  World world(simple_world(2, platforms::Duplex::half), witness);
  world.start(0, limited_move(1e6, 4e5), {1, 0});
  world.start(1, limited_move(1e6, 5e5), {0, 1});
  world.start(2, limited_move(1e6, 8e5), {2, 0});
  world.start(3, limited_move(1e6, 8e5), {0, 2});
  world.run();
  EXPECT_TIME(end_of(witness, 0), 2.5);
  EXPECT_TIME(end_of(witness, 1), 2);
  EXPECT_TIME(end_of(witness, 2), 2);
  EXPECT_TIME(end_of(witness, 3), 2);
}

// 0.3 MB by 1 s, 0.1 MB/s until 11 s, then again at the limit.
TEST_P(LimitedTransfer, ALinkMayFallBelowTheLimitAndRise) {
  WorldConfig config = simple_world(1);
  config.nodes[1].behaviour.trace = up_trace({0, 1, 11, 100}, {8e6, 8e5, 8e6, 8e6});
  Witness witness;
  World world(config, witness);
  world.start(0, limited_move(3e6, 3e5), {1, 0});
  world.run();
  EXPECT_TIME(end_of(witness, 0), 11 + 1.7 / 0.3);
}

// From 0.5 s to 1 s 0.25 MB, nothing until 3 s.
TEST_P(LimitedTransfer, TheLimitStaysWhenTheLinkWasAway) {
  WorldConfig config = simple_world(1);
  config.nodes[1].link.latency_s = 0.5;
  config.nodes[1].behaviour.trace = up_trace({0, 1, 3, 100}, {8e6, 0, 8e6, 8e6});
  Witness witness;
  World world(config, witness);
  world.start(0, limited_move(1e6, 5e5), {1, 0});
  world.run();
  EXPECT_TIME(end_of(witness, 0), 4.5);
}

// 0.5 MB each by 1 s, then the second alone; from 2 s half each again. Whatever the latency and
// whatever else happens at that time: here the first one's link gets its rate back, and the shared
// link must still not be exceeded.
TEST_P(LimitedTransferBehind, WhoGoesOnSharesAsBefore) {
  const double latency = value();
  WorldConfig config = narrow_server(2);
  for (const std::size_t node : {1, 2}) config.nodes[node].link.latency_s = latency;
  config.nodes[1].behaviour.trace = up_trace({0, 1 + latency, 2 + latency}, {8e7, 0, 8e7});
  Witness witness;
  World world(config, witness);
  world.start(0, limited_move(1.75e6, 0), {1, 0});
  world.start(1, limited_move(3e6, 0), {2, 0});
  world.run();
  EXPECT_TIME(end_of(witness, 0), latency + 4.5);
  EXPECT_TIME(end_of(witness, 1), latency + 4.75);
}

// LV08 weighs a flow by 1 / (latency + 20537 bytes / the bandwidth of each link): as well
// after its link stood still, which it may do from within its latency.
TEST_P(LimitedTransferThatStops, UnderLv08HasItsWeightWhenItGoesOn) {
  const double stops = value();
  WorldConfig config = narrow_server(2);
  config.network = NetworkModel::lv08;
  for (const std::size_t node : {1, 2}) config.nodes[node].link.latency_s = 0.001;
  config.nodes[2].link.up_bps = 1.6e7;
  config.nodes[1].behaviour.trace = up_trace({0, stops, 2}, {8e7, 0, 8e7});
  Witness witness;
  World world(config, witness);
  world.start(0, limited_move(1e6, 0), {1, 0});
  world.start(1, limited_move(5e6, 0), {2, 0});
  world.run();
  const double capacity = 0.97e6;
  const double weight[2] = {1 / (0.001 + 20537 / 1e7 + 20537 / 1e6),
                            1 / (0.001 + 20537 / 2e6 + 20537 / 1e6)};
  const double rate = capacity * weight[0] / (weight[0] + weight[1]);
  const double before = std::max(0.0, stops - 0.01301) * rate;
  EXPECT_TIME(end_of(witness, 0), 2 + (1e6 - before) / rate);
  EXPECT_TIME(end_of(witness, 1), 0.01301 + 6e6 / capacity);
}

// Two media with 1 MB/s behind a server with 2.9: all begin to move at the same time, and none of
// the links is exceeded.
TEST_P(LimitedTransferBehind, WhoBeginsWithOthersFindsAllOfItsLinksShared) {
  const double latency = value();
  WorldConfig config = simple_world(4);
  config.nodes[0].link.up_bps = config.nodes[0].link.down_bps = 8 * 2.9e6;
  for (const char* name : {"a", "b"}) {
    config.shared_links.push_back(
        {.name = name, .link = {"", "", platforms::Duplex::full, 8e6, 8e6, 0}});
  }
  for (int node = 1; node <= 4; ++node) {
    config.nodes[node].link.up_bps = config.nodes[node].link.down_bps = 8e7;
    config.nodes[node].link.latency_s = latency;
    config.nodes[node].shared_link = node % 2;
  }
  Witness witness;
  World world(config, witness);
  for (int node = 1; node <= 4; ++node) {
    world.start(node, limited_move(node * 1e6, 0), {0, node});
  }
  world.run();
  // 1 and 3 share one medium, 2 and 4 the other.
  EXPECT_TIME(end_of(witness, 1), latency + 2);
  EXPECT_TIME(end_of(witness, 3), latency + 4);
  EXPECT_TIME(end_of(witness, 2), latency + 4);
  EXPECT_TIME(end_of(witness, 4), latency + 6);
}

// A quarter is sent at 1 s. A microjoule a byte at each end.
TEST_P(LimitedTransfer, WhatIsCancelledCountsWhatWasSent) {
  WorldConfig config = simple_world(1);
  config.nodes.change_all([](sim::NodeConfig& node) { node.link.joules_per_byte = 1e-6; });
  Witness witness;
  World world(config, witness);
  world.start(0, limited_move(1e6, 2.5e5), {1, 0});
  cancel_at(world, witness, 0, 1);
  world.run();
  EXPECT_EQ(witness.record(0, "move").cause, Cause::cancelled);
  EXPECT_NEAR(witness.record(0, "move").energy_j, 0.5, 1e-9);
}

TEST_P(LimitedTransfer, EnergyGoesByBytes) {
  WorldConfig config = simple_world(2);
  config.nodes.change_all([](sim::NodeConfig& node) { node.link.joules_per_byte = 1e-6; });
  Witness witness;
  World world(config, witness);
  world.start(0, limited_move(1e6, 2.5e5), {1, 0});
  world.start(1, limited_move(1e6, 0), {2, 0});
  world.run();
  EXPECT_TIME(end_of(witness, 0), 4);
  for (const TaskId task : {0, 1}) {
    EXPECT_NEAR(witness.record(task, "move").energy_j, 2, 1e-9);
  }
  EXPECT_EQ(world.usage(0).bytes_in, 2e6);
}

TEST_P(LimitedTransfer, WhoEndsEarlyOrIsCancelledLeavesItsPart) {
  Witness witness;
  World world(narrow_server(2), witness);
  world.start(0, limited_move(10e6, 8e5), {1, 0});
  world.start(1, limited_move(1.3e6, 8e5), {2, 0});
  cancel_at(world, witness, 0, 1);
  world.run();
  EXPECT_TIME(end_of(witness, 1), 2);  // 0.5 MB by 1 s
}

TEST_P(LimitedTransfer, ANodesLossSaysHowMuchWasSent) {
  WorldConfig config = simple_world(1);
  config.nodes[1].behaviour.lost_at_s = 1;
  Witness witness;
  World world(config, witness);
  world.start(0, limited_move(1e6, 2.5e5), {1, 0});
  world.run();
  const auto failed = std::ranges::find(witness.events, EventKind::task_failed, &Event::kind);
  ASSERT_NE(failed, witness.events.end());
  EXPECT_NEAR(failed->finished, 0.25, 1e-9);
}

// The latency is multiplied by 13.01. The bandwidth's factor of 0.97 is of the links: two limits
// that add up to 0.9 of the server's link are kept. The third transfer goes the other way.
TEST_P(LimitedTransfer, UnderLv08TheLimitIsOfTheBytesThatArrive) {
  WorldConfig config = narrow_server(3);
  config.network = NetworkModel::lv08;
  config.nodes[3].link.latency_s = 0.1;
  Witness witness;
  World world(config, witness);
  world.start(0, limited_move(1e6, 4e5), {1, 0});
  world.start(1, limited_move(1e6, 5e5), {2, 0});
  world.start(2, limited_move(1e6, 4e5), {0, 3});
  world.run();
  EXPECT_TIME(end_of(witness, 0), 2.5);
  EXPECT_TIME(end_of(witness, 1), 2);
  EXPECT_TIME(end_of(witness, 2), 1.301 + 2.5);
}

// A real node with measured transfers: they end when it says.
class Prompt : public RealBackend {
 public:
  void attach(ElasticClock& clock) override { clock_ = &clock; }
  void begin(const RealActivity& activity) override {
    predicted_s = activity.predicted_s;
    clock_->ended_after(activity.id, WallSeconds(1.5));
  }
  void give_up(TaskId) override {}

  double predicted_s = 0;

 private:
  ElasticClock* clock_ = nullptr;
};

TEST_P(LimitedTransfer, ARealNodesMeasuredTransferTakesWhatItTakes) {
  WorldConfig config = simple_world(1);
  config.nodes[1].real = RealNode{.present = true};
  Witness witness;
  Prompt backend;
  World world(config, witness, &backend);
  world.start(0, limited_move(1e6, 2.5e5), {1, 0});
  world.run();
  EXPECT_TIME(end_of(witness, 0), 1.5);
  EXPECT_TRUE(witness.record(0, "move").real);
  EXPECT_TIME(backend.predicted_s, 4);
}

}  // namespace
}  // namespace convoy::sim
