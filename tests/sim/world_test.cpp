// Tests the world alone: graphs over several nodes, lanes, priorities, duplex, memory, cancelling.

#include "sim/world/world.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <stdexcept>

#include "base/random.hpp"
#include "tests/support/each_solver.hpp"
#include "tests/support/expect_time.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/small_world.hpp"

namespace convoy::sim {
namespace {

CONVOY_EACH_SOLVER(TheWorld);

using test::one_compute;
using test::one_transfer;
using test::simple_world;
using test::Witness;

TEST_P(TheWorld, OpposedTransfersShareAHalfDuplexLinkAndNotAFullOne) {
  WorldConfig config = simple_world(2);
  config.nodes[1].link.duplex = platforms::Duplex::half;
  Witness witness;
  World world(config, witness);
  world.start(0, one_transfer(1e6), {0, 1});
  world.start(1, one_transfer(1e6), {1, 0});
  world.start(2, one_transfer(1e6), {0, 2});
  world.start(3, one_transfer(1e6), {2, 0});
  world.run();
  for (const TaskId half : {0, 1}) EXPECT_TIME(witness.record(half, "move").end_s, 2);
  for (const TaskId full : {2, 3}) EXPECT_TIME(witness.record(full, "move").end_s, 1);
}

TEST_P(TheWorld, ALaneTakesOneAtATimeByPriorityThenOrder) {
  Witness witness;
  World world(simple_world(1), witness);
  world.start(0, one_compute(2), {1});
  world.start(1, one_compute(2, 0, 5), {1});
  world.start(2, one_compute(2, 0, 5), {1});
  world.start(3, one_compute(2, 0, 1), {1});
  world.run();
  EXPECT_TIME(witness.record(0, "work").end_s, 2);
  EXPECT_TIME(witness.record(3, "work").start_s, 2);
  EXPECT_TIME(witness.record(1, "work").start_s, 4);
  EXPECT_TIME(witness.record(2, "work").start_s, 6);
  EXPECT_TIME(witness.record(2, "work").ready_s, 0);
}

TEST_P(TheWorld, AReceiverWithOneLaneReceivesOneAfterAnother) {
  Witness witness;
  World world(simple_world(3), witness);
  world.start(0, one_transfer(1e6), {1, 3});
  world.start(1, one_transfer(1e6), {2, 3});
  world.run();
  EXPECT_TIME(witness.record(0, "move").end_s, 1);
  EXPECT_TIME(witness.record(1, "move").start_s, 1);
  EXPECT_TIME(witness.record(1, "move").end_s, 2);
}

// Two stages over three nodes, none of them the server: A and B hold stage 0 (data parallel), C
// stage 1. Each batch: A and B forward, send activations to C; C trains on both, sends gradients
// back; A and B go backward, then reduce their gradients in a ring of two, halves of 1 MB; update.
std::shared_ptr<const TaskGraph> pipeline() {
  auto graph = std::make_shared<TaskGraph>(3);
  TaskGraph& g = *graph;
  constexpr int a = 0;
  constexpr int b = 1;
  constexpr int c = 2;
  const auto compute = [&](const char* label, int at, double seconds, std::vector<int> inputs,
                           double bytes) {
    return g.compute({.label = label, .at = at, .seconds = seconds}, std::move(inputs),
                     {label, bytes});
  };
  std::vector<int> halves;
  std::vector<int> gradients;
  int trained = -1;
  for (const int stage0 : {a, b}) {
    const int forward =
        compute(stage0 == a ? "forward A" : "forward B", stage0, stage0 == a ? 2 : 3, {}, 1e6);
    const int there = g.transfer("activation", forward, c);
    trained = compute(stage0 == a ? "train for A" : "train for B", c, 4, {there}, 1e6);
    const int back = g.transfer("gradient", trained, stage0);
    gradients.push_back(compute(stage0 == a ? "backward A" : "backward B", stage0,
                                stage0 == a ? 4 : 6, {back}, 1e6));
  }
  for (const int stage0 : {a, b}) {
    const int half = g.transfer("reduce", gradients[stage0], 1 - stage0);
    // A half can be sent only when both nodes have theirs.
    g.order(g.producer(gradients[1 - stage0]), g.producer(half));
    halves.push_back(compute(stage0 == a ? "add B" : "add A", 1 - stage0, 0.5, {half}, 1e6));
  }
  for (const int from : {0, 1}) {
    const int all = g.transfer("gather", halves[from], from);
    compute(from == 0 ? "update A" : "update B", from, 1, {all}, 0);
  }
  compute("update C", c, 1, {trained}, 0);
  g.repeat(2);
  return graph;
}

TEST_P(TheWorld, APipelineOverThreeNodesWithAnAllReduceNeedsNoServer) {
  // A: forward 0-2, sends 2-3; C trains for A 3-7; gradient 7-8; A backward 8-12.
  // B: forward 0-3, sends 3-4; C trains for B 7-11; gradient 11-12; B backward 12-18.
  // Reduce 18-19 both ways, add 19-19.5, gather 19.5-20.5, update 20.5-21.5. C updates 11-12.
  // Then the same again.
  Witness witness;
  World world(simple_world(3), witness);
  world.start(0, pipeline(), {1, 2, 3});
  world.run();
  for (const int i : {0, 1}) {
    const double t = 21.5 * i;
    EXPECT_TIME(witness.record(0, "forward B", i).end_s, t + 3);
    EXPECT_TIME(witness.record(0, "train for A", i).start_s, t + 3);
    EXPECT_TIME(witness.record(0, "train for B", i).end_s, t + 11);
    EXPECT_TIME(witness.record(0, "backward A", i).end_s, t + 12);
    EXPECT_TIME(witness.record(0, "backward B", i).end_s, t + 18);
    EXPECT_TIME(witness.record(0, "reduce", 2 * i).start_s, t + 18);
    EXPECT_TIME(witness.record(0, "gather", 2 * i + 1).end_s, t + 20.5);
    EXPECT_TIME(witness.record(0, "update A", i).end_s, t + 21.5);
    EXPECT_TIME(witness.record(0, "update C", i).end_s, t + 12);
  }
  EXPECT_TIME(witness.end_of(EventKind::task_done), 43);
  EXPECT_TIME(world.usage(3).busy_s, 2 * 9);
  EXPECT_TIME(world.usage(1).bytes_out, 2 * 3e6);
}

TEST_P(TheWorld, AnActivityThatDoesNotFitItsNodesMemoryFailsItsTask) {
  WorldConfig config = simple_world(1);
  config.nodes[1].memory = 100;
  Witness witness;
  World world(config, witness);
  world.start(0, one_compute(1, 101), {1});
  world.start(1, one_compute(1, 100), {1});
  world.run();
  ASSERT_EQ(witness.events.size(), 3);
  EXPECT_EQ(witness.events[1].kind, EventKind::task_failed);
  EXPECT_EQ(witness.events[1].task, 0);
  EXPECT_EQ(witness.events[1].cause, Cause::out_of_memory);
  EXPECT_EQ(witness.events[2].kind, EventKind::task_done);
  EXPECT_EQ(world.usage(1).peak_memory, 100);
}

// The trace's free memory at an activity's start counts, together with memory already taken.
TEST_P(TheWorld, TheFreeMemoryOfATraceCountsAtTheTimeOfTheStart) {
  WorldConfig config = simple_world(1);
  auto trace = std::make_shared<platforms::Trace>();
  trace->time = {0, 10, 20};
  trace->of(platforms::Column::memory_free_bytes) = {100, 50, 200};
  config.nodes[1].behaviour.trace = trace;
  Witness witness;
  World world(config, witness);
  const std::vector<std::pair<double, double>> wanted = {{1, 100},  {3, 101},  {11, 51}, {13, 50},
                                                         {15, 100}, {21, 200}, {23, 201}};
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    world.set_timer(static_cast<std::int64_t>(i), wanted[i].first);
  }
  std::map<TaskId, bool> done;
  witness.on_event = [&](const Event& event) {
    if (event.kind == EventKind::timer_fired) {
      world.start(event.timer, one_compute(1, wanted[static_cast<std::size_t>(event.timer)].second),
                  {1});
    } else if (event.kind == EventKind::task_done) {
      done[event.task] = true;
    } else if (event.kind == EventKind::task_failed) {
      EXPECT_EQ(event.cause, Cause::out_of_memory);
      done[event.task] = false;
    }
  };
  world.run();
  EXPECT_EQ(done,
            (std::map<TaskId, bool>{
                {0, true}, {1, false}, {2, false}, {3, true}, {4, false}, {5, true}, {6, false}}));
}

TEST_P(TheWorld, ACancelledTaskFreesItsLanesAtOnceAndGivesNoEvent) {
  Witness witness;
  World world(simple_world(1), witness);
  world.start(0, one_compute(10), {1});
  world.start(1, one_compute(2), {1});
  world.set_timer(7, 4);
  witness.on_event = [&](const Event& event) {
    if (event.kind == EventKind::timer_fired) world.cancel(0);
  };
  world.run();
  EXPECT_EQ(witness.record(0, "work").cause, Cause::cancelled);
  EXPECT_TIME(witness.record(0, "work").end_s, 4);
  EXPECT_TIME(witness.record(1, "work").start_s, 4);
  EXPECT_TIME(witness.record(1, "work").end_s, 6);
  for (const Event& event : witness.events) EXPECT_NE(event.kind, EventKind::task_failed);
}

TEST_P(TheWorld, CancellingATransferLetsTheOtherHaveTheLink) {
  // Two flows from two senders to the server, whose link carries 1 MB/s. At 1 s each has 0.5 MB.
  WorldConfig config = simple_world(2);
  config.nodes[0].link = {"", "", platforms::Duplex::full, 8e6, 8e6, 0};
  Witness witness;
  World world(config, witness);
  world.start(0, one_transfer(2e6), {1, 0});
  world.start(1, one_transfer(2e6), {2, 0});
  world.set_timer(0, 1);
  witness.on_event = [&](const Event& event) {
    if (event.kind == EventKind::timer_fired) world.cancel(0);
  };
  world.run();
  EXPECT_TIME(witness.record(1, "move").end_s, 2.5);
}

TEST_P(TheWorld, ANodesLossSaysHowMuchWasFinished) {
  WorldConfig config = simple_world(1);
  config.nodes[1].behaviour.lost_at_s = 3;
  Witness witness;
  World world(config, witness);
  world.start(0, one_transfer(4e6), {0, 1});
  world.run();
  ASSERT_EQ(witness.events.size(), 3);
  EXPECT_EQ(witness.events[1].kind, EventKind::node_lost);
  EXPECT_EQ(witness.events[2].cause, Cause::node_lost);
  EXPECT_EQ(witness.events[2].activity, 0);
  EXPECT_NEAR(witness.events[2].finished, 0.75, 1e-9);
}

TEST_P(TheWorld, OfATransferThatIsCutOffWhatHasMovedIsPaidFor) {
  WorldConfig config = simple_world(1);
  config.nodes[1].link.joules_per_byte = 1e-6;
  config.nodes[1].behaviour.lost_at_s = 3;
  Witness witness;
  World world(config, witness);
  world.start(0, one_transfer(4e6), {0, 1});
  world.run();
  EXPECT_EQ(witness.record(0, "move").cause, Cause::node_lost);
  EXPECT_NEAR(witness.record(0, "move").energy_j, 3, 1e-6);
  EXPECT_NEAR(world.energy_j(1), 3, 1e-6);
}

TEST_P(TheWorld, AnActivityThatSaysWhatItDrawsDrawsThat) {
  WorldConfig config = simple_world(1);
  config.nodes[1].power = {2, 10, {}};
  auto graph = std::make_shared<TaskGraph>(2);
  const int x = graph->artifact("x", 0, 1);
  const int y =
      graph->compute({.label = "known", .at = 1, .seconds = 3, .watts = 5}, {x}, {"y", 0});
  graph->compute({.label = "unknown", .at = 1, .seconds = 2}, {y}, {"z", 0});
  Witness witness;
  World world(config, witness);
  world.start(0, graph, {0, 1});
  world.run();
  EXPECT_NEAR(witness.record(0, "known").energy_j, 3 * 5, 1e-9);
  EXPECT_NEAR(witness.record(0, "unknown").energy_j, 2 * 10, 1e-9);
  EXPECT_NEAR(world.energy_j(1), 35, 1e-9);
}

TEST_P(TheWorld, ATaskForANodeThatIsAwayFailsAtOnce) {
  WorldConfig config = simple_world(1);
  config.nodes[1].behaviour.joins_at_s = 5;
  Witness witness;
  World world(config, witness);
  world.set_timer(0, 1);
  witness.on_event = [&](const Event& event) {
    if (event.kind == EventKind::timer_fired) world.start(0, one_compute(1), {1});
    if (event.kind == EventKind::node_joined) world.start(1, one_compute(1), {1});
  };
  world.run();
  EXPECT_TIME(witness.end_of(EventKind::task_failed), 1);
  EXPECT_TIME(witness.end_of(EventKind::node_joined), 5);
  EXPECT_TIME(witness.end_of(EventKind::task_done), 6);
  EXPECT_TIME(world.usage(1).away_s, 5);
}

TEST_P(TheWorld, ReportsActivitiesOnRequest) {
  Witness witness;
  World world(simple_world(1), witness);
  world.start(0, one_compute(1), {1}, true);
  world.run();
  EXPECT_TIME(witness.end_of(EventKind::activity_done), 1);
}

TEST_P(TheWorld, ZeroCostsTakeNoTimeAndEnd) {
  auto graph = std::make_shared<TaskGraph>(2);
  const int here = graph->transfer("down", graph->artifact("nothing", 0, 0), 1);
  const int done = graph->compute({.label = "work", .at = 1}, {here}, {"", 0});
  graph->transfer("up", done, 0);
  graph->repeat(3);
  Witness witness;
  World world(simple_world(1), witness);
  world.start(0, graph, {0, 1});
  world.run();
  EXPECT_EQ(witness.end_of(EventKind::task_done), 0);
}

TEST_P(TheWorld, JitterIsSeededAndItsMedianIsOne) {
  WorldConfig config = simple_world(1);
  config.nodes[1].behaviour.jitter = 0.5;
  Witness witness;
  World world(config, witness);
  constexpr int count = 2001;
  for (int i = 0; i < count; ++i) world.start(i, one_compute(1), {1});
  world.run();
  std::vector<double> took;
  for (int i = 0; i < count; ++i) {
    took.push_back(witness.record(i, "work").end_s - witness.record(i, "work").start_s);
  }
  std::sort(took.begin(), took.end());
  // The standard error of the median of the logarithm is about 0.5 x 1.25 / sqrt(2001) = 0.014.
  EXPECT_NEAR(std::log(took[count / 2]), 0, 0.06);
  EXPECT_NEAR(std::log(took[count * 84 / 100]), 0.5, 0.08);
}

TEST_P(TheWorld, JitterDependsOnTheSeedAndTheTask) {
  // A seed must give the same values in every process: the expected values are stored here.
  WorldConfig config = simple_world(2);
  config.nodes[1].behaviour.jitter = 0.5;
  config.nodes[2].behaviour.jitter = 0.5;
  config.seed = 5;
  Witness witness;
  World world(config, witness);
  for (TaskId task = 0; task < 4; ++task) {
    world.start(task, one_compute(1), {1 + static_cast<NodeId>(task % 2)});
  }
  world.run();
  std::set<double> took;
  for (TaskId task = 0; task < 4; ++task) {
    const ActivityRecord& r = witness.record(task, "work");
    took.insert(r.end_s - r.start_s);
    base::Random random(
        {config.seed, static_cast<std::uint64_t>(r.node), static_cast<std::uint64_t>(task), 0, 0});
    EXPECT_NEAR(r.end_s - r.start_s, std::exp(0.5 * random.normal()), 1e-9);
  }
  EXPECT_EQ(took.size(), 4);
}

TEST_P(TheWorld, WhatTheListenerThrowsComesOutAndLeavesNothingBehind) {
  Witness witness;
  World world(simple_world(2), witness);
  world.start(0, one_compute(10), {1});
  world.start(1, one_transfer(5e6), {0, 2});
  world.set_timer(0, 2);
  witness.on_event = [&](const Event& event) {
    if (event.kind == EventKind::timer_fired) throw std::runtime_error("the disk is full");
  };
  EXPECT_THROW(world.run(), std::runtime_error);
  EXPECT_EQ(world.tasks(), 0);
}

TEST_P(TheWorld, APollCanStopAWorldWithoutInstants) {
  WorldConfig config = simple_world(1);
  config.nodes[1].behaviour.load = BackgroundLoad{0.5, 0.001, 0.0005, 0};
  class Impatient : public Witness {
   public:
    World* world = nullptr;
    int polls = 0;
    void poll() override {
      if (++polls == 3) world->stop();
    }
  } witness;
  World world(config, witness);
  witness.world = &world;
  // node_changed events are instants, too; only this test listens.
  world.start(0, one_compute(1e9), {1});
  world.run();
  EXPECT_EQ(witness.polls, 3);
  EXPECT_LT(world.now(), 1e3);
}

TEST_P(TheWorld, TheFirstInPriorityGetsASharedReceiver) {
  // 1 -> 3 sends until 1 s, node 2 computes until 1 s. y = 2 -> 3 and x = 4 -> 3 wait for node 3's
  // lane. At 1 s node 2 offers y, which was ready first, and node 3 offers x, which has the better
  // priority.
  const auto transfer = [](int priority) {
    auto graph = std::make_shared<TaskGraph>(2);
    graph->transfer("move", graph->artifact("thing", 1e6, 0), 1, priority);
    return graph;
  };
  Witness witness;
  World world(simple_world(4), witness);
  world.start(0, one_transfer(1e6), {1, 3});
  world.start(1, one_compute(1), {2});
  world.start(2, transfer(5), {2, 3});
  world.start(3, transfer(0), {4, 3});
  world.run();
  EXPECT_TIME(witness.record(3, "move").start_s, 1);
  EXPECT_TIME(witness.record(2, "move").start_s, 2);
}

// Transfers among four nodes with one lane per direction, with random priorities and starts: if a
// transfer starts while another one waits for the same lane, the waiting one has a worse priority,
// or the same priority and a later order.
TEST_P(TheWorld, NobodyOvertakesWhoComesBeforeForTheSameLane) {
  const std::uint64_t seed = test::drawn_seed();
  base::Random random({seed});
  constexpr int count = 300;
  constexpr std::uint64_t nodes = 4;
  struct Wish {
    NodeId from;
    NodeId to;
    int priority;
  };
  std::vector<Wish> wishes;
  Witness witness;
  World world(simple_world(nodes), witness);
  for (int i = 0; i < count; ++i) {
    const auto from = static_cast<NodeId>(1 + random.below(nodes));
    const auto to = static_cast<NodeId>(1 + (from - 1 + 1 + random.below(nodes - 1)) % nodes);
    wishes.push_back({from, to, static_cast<int>(random.below(4))});
    world.set_timer(i, 0.25 * static_cast<double>(random.below(4 * count / 3)));
  }
  std::vector<int> order(count);  // in which the transfers became ready
  int started = 0;
  witness.on_event = [&](const Event& event) {
    if (event.kind != EventKind::timer_fired) return;
    const auto i = static_cast<std::size_t>(event.timer);
    order[i] = started++;
    auto graph = std::make_shared<TaskGraph>(2);
    graph->transfer("move", graph->artifact("thing", 1e6, 0), 1, wishes[i].priority);
    world.start(event.timer, graph, {wishes[i].from, wishes[i].to});
  };
  world.run();
  int waited = 0;
  for (int i = 0; i < count; ++i) {
    for (int j = 0; j < count; ++j) {
      const ActivityRecord& first = witness.record(i, "move");
      const ActivityRecord& other = witness.record(j, "move");
      const Wish& x = wishes[static_cast<std::size_t>(i)];
      const Wish& y = wishes[static_cast<std::size_t>(j)];
      if (i == j || x.to != y.to || x.from == y.from) continue;
      // i started at an instant at which j waited for the same receiver while j's sender was free.
      constexpr double hair = 1e-9;
      if (other.ready_s > first.start_s - hair || other.start_s < first.start_s + hair) continue;
      bool free = true;
      for (int k = 0; k < count; ++k) {
        const ActivityRecord& r = witness.record(k, "move");
        free = free && !(k != j && r.node == y.from && r.start_s < first.start_s + hair &&
                         r.end_s > first.start_s + hair);
      }
      if (!free) continue;
      ++waited;
      EXPECT_LT(std::pair(x.priority, order[static_cast<std::size_t>(i)]),
                std::pair(y.priority, order[static_cast<std::size_t>(j)]))
          << "task " << i << " went before task " << j << " at " << first.start_s;
    }
  }
  EXPECT_GT(waited, 20);
}

// Capacity in one direction does not help the other: two transfers share the server's slower side.
TEST_P(TheWorld, AServerLinkThatBindsOneWayIsShared) {
  WorldConfig config = simple_world(2);
  config.nodes[0].link.down_bps = 8e6;
  Witness witness;
  World world(config, witness);
  for (const NodeId node : {1, 2}) world.start(node, one_transfer(1e6), {node, 0});
  world.run();
  for (const NodeId node : {1, 2}) EXPECT_TIME(witness.record(node, "move").end_s, 2);
}

TEST_P(TheWorld, AServerLinkThatBindsTheOtherWayIsShared) {
  WorldConfig config = simple_world(2);
  config.nodes[0].link.up_bps = 8e6;
  Witness witness;
  World world(config, witness);
  for (const NodeId node : {1, 2}) world.start(node, one_transfer(1e6), {0, node});
  world.run();
  for (const NodeId node : {1, 2}) EXPECT_TIME(witness.record(node, "move").end_s, 2);
}

// The load takes three quarters in the first second of every two: 1 MB takes 1.75 s in either
// direction.
TEST_P(TheWorld, TrafficOnAHalfDuplexLinkSlowsBothDirections) {
  WorldConfig config = simple_world(2);
  for (const std::size_t node : {1, 2}) {
    config.nodes[node].link.duplex = platforms::Duplex::half;
    config.nodes[node].behaviour.traffic = BackgroundLoad{0.75, 2, 1, 0};
  }
  Witness witness;
  World world(config, witness);
  world.start(0, one_transfer(1e6), {0, 1});
  world.start(1, one_transfer(1e6), {2, 0});
  world.run();
  EXPECT_TIME(witness.record(0, "move").end_s, 1.75);
  EXPECT_TIME(witness.record(1, "move").end_s, 1.75);
}

// A node is present only when nothing keeps it away any more: it joins at 5 s, during an outage.
TEST_P(TheWorld, WhoIsAwayForTwoReasonsIsBackWhenBothAreOver) {
  WorldConfig config = simple_world(1);
  config.nodes[1].behaviour.joins_at_s = 5;
  config.nodes[1].behaviour.outages = {{3, 4}, {20, 1}};
  Witness witness;
  World world(config, witness);
  world.run();
  const std::vector<std::pair<EventKind, double>> expected = {{EventKind::node_lost, 0},
                                                              {EventKind::node_joined, 7},
                                                              {EventKind::node_lost, 20},
                                                              {EventKind::node_joined, 21}};
  std::vector<Event> seen;
  std::copy_if(witness.events.begin(), witness.events.end(), std::back_inserter(seen),
               [](const Event& event) { return event.node == 1; });
  ASSERT_EQ(seen.size(), expected.size());
  for (std::size_t i = 0; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i].kind, expected[i].first);
    EXPECT_TIME(seen[i].time, expected[i].second);
  }
  EXPECT_TIME(world.usage(1).away_s, 8);
}

TEST_P(TheWorld, UnderLv08AServerLinkThatCannotBindChangesNothing) {
  // LV08 multiplies the latency by 13.01, on any link of the route.
  WorldConfig config = simple_world(1);
  config.network = NetworkModel::lv08;
  config.nodes[0].link.latency_s = 0.25;
  Witness witness;
  World world(config, witness);
  world.start(0, one_transfer(1e6), {0, 1});
  world.run();
  EXPECT_GT(witness.record(0, "move").end_s, 13.01 * 0.25);
}

TEST_P(TheWorld, RandomOutagesTakeTheirShareOfTheTime) {
  WorldConfig config = simple_world(1);
  config.nodes[1].behaviour.random_outages = RandomOutages{90, 10};
  Witness witness;
  World world(config, witness);
  world.set_timer(0, 1e6);
  witness.on_event = [&](const Event& event) {
    if (event.kind == EventKind::timer_fired) world.stop();
  };
  world.run();
  EXPECT_NEAR(world.usage(1).away_s / 1e6, 0.1, 0.01);
}

TEST_P(TheWorld, TimersComeAfterWhatEndsAtTheirTime) {
  Witness witness;
  World world(simple_world(3), witness);
  world.set_timer(0, 3);
  // 30 x 0.1 s, whose sum is 3 s except for rounding.
  auto graph = std::make_shared<TaskGraph>(1);
  int last = -1;
  for (int i = 0; i < 30; ++i) {
    last = graph->compute({.label = "step", .seconds = 0.1},
                          last < 0 ? std::vector<int>{} : std::vector<int>{last}, {"", 0});
  }
  world.start(0, graph, {1});
  world.run();
  ASSERT_EQ(witness.events.size(), 3);
  EXPECT_EQ(witness.events[1].kind, EventKind::task_done);
  EXPECT_EQ(witness.events[2].kind, EventKind::timer_fired);
}

}  // namespace
}  // namespace convoy::sim
