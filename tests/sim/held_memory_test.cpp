// Tests memory that stays between activities: taken and freed to the byte, waiting, deadlocks.

#include "sim/task/peak_memory.hpp"
#include "sim/world/world.hpp"
#include "tests/support/expect_time.hpp"
#include "tests/support/small_world.hpp"

namespace convoy::sim {
namespace {

using test::limited;
using test::one_compute;
using test::one_transfer;
using test::simple_world;
using test::Witness;

// Notes at the given times what is taken on a node.
std::vector<double> taken_at(World& world, Witness& witness, NodeId node,
                             const std::vector<double>& times) {
  std::vector<double> taken;
  for (std::size_t i = 0; i < times.size(); ++i) {
    world.set_timer(static_cast<std::int64_t>(i), times[i]);
  }
  witness.on_event = [&](const Event& event) {
    if (event.kind == EventKind::timer_fired) taken.push_back(world.memory_taken(node));
  };
  world.run();
  return taken;
}

// The failed tasks and when.
std::map<TaskId, double> failed(const Witness& witness) {
  std::map<TaskId, double> tasks;
  for (const Event& event : witness.events) {
    if (event.kind != EventKind::task_failed) continue;
    EXPECT_EQ(event.cause, Cause::out_of_memory);
    tasks[event.task] = event.time;
  }
  return tasks;
}

// Microbatches over two stages, roles 0 and 1: a stash of 100 bytes at stage 0 from each forward to
// its backward. At most `in_flight` forwards are ahead of the backwards.
std::shared_ptr<const TaskGraph> two_stages(int microbatches, int in_flight) {
  auto graph = std::make_shared<TaskGraph>(2);
  TaskGraph& g = *graph;
  std::vector<int> backwards;
  for (int m = 0; m < microbatches; ++m) {
    const int stash =
        g.compute({.label = "forward", .seconds = 1, .memory = 5}, {}, {"activation", 1e6});
    g.hold(stash, 100);
    if (m >= in_flight)
      g.order(backwards[static_cast<std::size_t>(m - in_flight)], g.producer(stash));
    const int there = g.transfer("send", stash, 1);
    const int gradient = g.compute({.label = "last", .at = 1, .seconds = 1, .memory = 1}, {there},
                                   {"gradient", 1e6});
    const int back = g.transfer("return", gradient, 0);
    backwards.push_back(g.producer(
        g.compute({.label = "backward", .seconds = 1, .memory = 7}, {back, stash}, {"sum", 0})));
  }
  return graph;
}

// A compute whose product holds memory, then another one that takes it.
std::shared_ptr<const TaskGraph> stash_and_use(double held, double first_s, double second_s) {
  auto graph = std::make_shared<TaskGraph>(1);
  const int stash = graph->compute({.label = "make", .seconds = first_s}, {}, {"stash", 0});
  graph->hold(stash, held);
  graph->compute({.label = "use", .seconds = second_s, .priority = 1}, {stash}, {"result", 0});
  return graph;
}

TEST(HeldMemory, AllForwardsFirstHoldAllStashes) {
  const auto graph = two_stages(4, 4);
  Witness witness;
  World world(limited(2, 407), witness);
  world.start(0, graph, {1, 2});
  world.run();
  EXPECT_TRUE(failed(witness).empty());
  EXPECT_EQ(world.usage(1).peak_memory, 407);  // four stashes, and a backward
  EXPECT_EQ(world.usage(2).peak_memory, 1);
  EXPECT_EQ(world.memory_taken(1), 0);
  EXPECT_EQ(peak_memory(*graph, 0), 407);
  EXPECT_EQ(peak_held(*graph, 0), 400);
  EXPECT_EQ(peak_memory(*graph, 1), 1);
}

TEST(HeldMemory, OneForwardOneBackwardHoldsAsManyStashesAsThereAreStages) {
  const auto graph = two_stages(4, 2);
  Witness witness;
  World world(limited(2, 207), witness);
  world.start(0, graph, {1, 2});
  world.run();
  EXPECT_TRUE(failed(witness).empty());
  EXPECT_EQ(world.usage(1).peak_memory, 207);
  EXPECT_EQ(world.memory_taken(1), 0);
  EXPECT_EQ(peak_memory(*graph, 0), 207);
  EXPECT_EQ(peak_held(*graph, 0), 200);
  EXPECT_EQ(least_memory(*graph, 0), 107);
}

// Three stashes fit. The fourth forward waits for the first backward, at 4 s: the stash has been
// sent at 2 s, the gradient was made at 3 s.
TEST(HeldMemory, AForwardWaitsForABackwardOfItsOwnTask) {
  Witness witness;
  World world(limited(2, 307), witness);
  world.start(0, two_stages(4, 4), {1, 2});
  world.run();
  EXPECT_TRUE(failed(witness).empty());
  EXPECT_EQ(world.usage(1).peak_memory, 307);
  EXPECT_TIME(witness.record(0, "forward", 2).end_s, 3);
  EXPECT_TIME(witness.record(0, "backward", 0).start_s, 4);
  EXPECT_TIME(witness.record(0, "forward", 3).ready_s, 0);
  EXPECT_TIME(witness.record(0, "forward", 3).start_s, 5);
}

// Two stashes are held from 2 s on. A third forward could only wait for a backward that waits for
// it.
TEST(HeldMemory, ATaskThatWaitsForItselfFails) {
  auto graph = std::make_shared<TaskGraph>(1);
  std::vector<int> stashes;
  for (int i = 0; i < 3; ++i) {
    stashes.push_back(graph->compute({.label = "forward", .seconds = 1}, {}, {"stash", 0}));
    graph->hold(stashes.back(), 40);
  }
  const int all = graph->compute({.label = "backward", .seconds = 1}, stashes, {"sum", 0});
  EXPECT_EQ(peak_memory(*graph, 0), 120);
  EXPECT_EQ(graph->producer(all), 3);
  Witness witness;
  World world(limited(1, 100), witness);
  world.start(0, graph, {1});
  world.start(1, one_compute(1, 100), {1});
  world.run();
  // The other task has waited for the memory all the time, and did not cause this.
  const std::map<TaskId, double> who = failed(witness);
  ASSERT_EQ(who.size(), 1);
  EXPECT_TIME(who.at(0), 2);
  EXPECT_TIME(witness.record(1, "work").start_s, 2);
  EXPECT_EQ(world.memory_taken(1), 0);
}

// A: 1 s, holds 40. Sent until 2 s; used on the node from 1 s to 4 s, with memory of 5 and a result
// of 3, which nobody takes: it stays until the server has ended at 12 s.
TEST(HeldMemory, IsHeldFromTheStartOfWhoMakesItToTheEndOfTheLastWhoTakesIt) {
  auto graph = std::make_shared<TaskGraph>(2);
  const int x = graph->compute({.label = "a", .at = 1, .seconds = 1, .memory = 10}, {}, {"x", 1e6});
  graph->hold(x, 40);
  const int sent = graph->transfer("send", x, 0);
  const int y = graph->compute({.label = "b", .at = 1, .seconds = 3, .memory = 5}, {x}, {"y", 0});
  graph->hold(y, 3);
  graph->compute({.label = "c", .at = 0, .seconds = 10}, {sent}, {"z", 0});
  Witness witness;
  World world(simple_world(1), witness);
  world.start(0, graph, {0, 1});
  EXPECT_EQ(taken_at(world, witness, 1, {0.5, 1.5, 3.5, 4.5, 11.5, 12.5}),
            (std::vector<double>{50, 48, 48, 3, 3, 0}));
  EXPECT_EQ(world.usage(1).peak_memory, 50);
  EXPECT_EQ(peak_memory(*graph, 1), 50);
}

TEST(HeldMemory, ATransferAlsoCountsAsOneThatTakesIt) {
  auto graph = std::make_shared<TaskGraph>(2);
  const int x = graph->compute({.label = "a", .at = 1, .seconds = 1}, {}, {"x", 3e6});
  graph->hold(x, 40);
  const int there = graph->transfer("send", x, 0);
  graph->hold(there, 7);
  graph->compute({.label = "b", .seconds = 2}, {there}, {"y", 0});
  Witness witness;
  World world(simple_world(1), witness);
  world.start(0, graph, {0, 1});
  EXPECT_EQ(taken_at(world, witness, 1, {0.5, 3.9, 4.1, 5.5}), (std::vector<double>{40, 40, 0, 0}));
  EXPECT_EQ(world.usage(0).peak_memory, 7);
}

// A pass takes 3 s: download, compute, upload. The weights stay through both passes, from the first
// download on, the gradient from the compute's start to the upload's end.
TEST(HeldMemory, WhatIsGivenAtTheStartStaysThroughAllPasses) {
  auto graph = std::make_shared<TaskGraph>(2);
  const int model = graph->artifact("model", 1e6, 0);
  const int weights = graph->artifact("weights", 0, 1);
  graph->hold(weights, 100);
  const int here = graph->transfer("down", model, 1);
  const int gradient = graph->compute({.label = "train", .at = 1, .seconds = 1, .memory = 20},
                                      {here, weights}, {"gradient", 1e6});
  graph->hold(gradient, 10);
  graph->transfer("up", gradient, 0);
  graph->repeat(2);
  Witness witness;
  World world(simple_world(1), witness);
  world.start(0, graph, {0, 1});
  EXPECT_EQ(taken_at(world, witness, 1, {0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5}),
            (std::vector<double>{100, 130, 110, 100, 130, 10, 0}));
  EXPECT_EQ(peak_memory(*graph, 1), 130);
}

// 60 are held until 3 s. Who wants 50 waits, although the processor is free from 1 s to 2 s; who
// came later and wants 30 does not.
TEST(HeldMemory, WhoDoesNotFitWaitsUntilOthersGiveBack) {
  auto graph = std::make_shared<TaskGraph>(2);
  const int stash = graph->compute({.label = "make", .at = 1, .seconds = 1}, {}, {"stash", 1e6});
  graph->hold(stash, 60);
  const int there = graph->transfer("send", stash, 0);
  const int back = graph->transfer("return", there, 1);
  graph->compute({.label = "use", .at = 1, .seconds = 1}, {back, stash}, {"result", 0});
  Witness witness;
  World world(limited(1, 100), witness);
  world.start(0, graph, {0, 1});
  world.start(1, one_compute(1, 50), {1});
  world.start(2, one_compute(1, 30), {1});
  world.run();
  EXPECT_TRUE(failed(witness).empty());
  EXPECT_TIME(witness.record(2, "work").start_s, 1);
  EXPECT_TIME(witness.record(0, "use").end_s, 4);
  EXPECT_TIME(witness.record(1, "work").ready_s, 0);
  EXPECT_TIME(witness.record(1, "work").start_s, 4);
  EXPECT_EQ(world.usage(1).peak_memory, 90);
}

TEST(HeldMemory, WhoCanNeverFitFailsAtOnce) {
  auto graph = std::make_shared<TaskGraph>(1);
  const int stash = graph->compute({.label = "make", .seconds = 1}, {}, {"stash", 0});
  graph->hold(stash, 60);
  graph->compute({.label = "use", .seconds = 1, .memory = 41}, {stash}, {"result", 0});
  Witness witness;
  World world(limited(1, 100), witness);
  world.start(0, graph, {1});
  world.run();
  EXPECT_TIME(failed(witness).at(0), 1);
  EXPECT_EQ(witness.record(0, "use").memory_needed, 101);
  EXPECT_EQ(world.memory_taken(1), 0);
}

// Each holds 40 of 100 and wants 40 more: at 2 s they wait for each other. The older one goes on.
TEST(HeldMemory, OfTasksThatWaitForEachOtherTheYoungestFails) {
  auto graph = std::make_shared<TaskGraph>(1);
  const int one = graph->compute({.label = "first", .seconds = 1}, {}, {"one", 0});
  graph->hold(one, 40);
  const int two = graph->compute({.label = "second", .seconds = 1}, {one}, {"two", 0});
  graph->hold(two, 40);
  graph->compute({.label = "third", .seconds = 1}, {one, two}, {"three", 0});
  Witness witness;
  World world(limited(1, 100), witness);
  world.start(7, graph, {1});
  world.start(3, graph, {1});
  world.run();
  const std::map<TaskId, double> who = failed(witness);
  ASSERT_EQ(who.size(), 1);
  EXPECT_TIME(who.at(3), 2);
  EXPECT_TIME(witness.record(7, "second").start_s, 2);
  EXPECT_TIME(witness.record(7, "third").end_s, 4);
  EXPECT_EQ(world.usage(1).peak_memory, 80);
}

// The same two, and a third task that holds 30 until it has sent, at 5 s, with 10 left: nobody
// fails before, since what it gives back might do.
TEST(HeldMemory, NobodyFailsAsLongAsSomethingMayBeGivenBack) {
  const auto graph = stash_and_use(80, 1, 1);
  auto sends = std::make_shared<TaskGraph>(2);
  const int stash = sends->compute({.label = "make", .seconds = 1}, {}, {"stash", 4e6});
  sends->hold(stash, 30);
  sends->transfer("send", stash, 1);
  Witness witness;
  World world(limited(2, 100), witness);
  world.start(0, sends, {1, 2});
  world.start(1, graph, {1});
  world.run();
  EXPECT_TRUE(failed(witness).empty());
  EXPECT_TIME(witness.record(1, "make").start_s, 5);
}

TEST(HeldMemory, AReceiversMemoryCountsBeforeATransferStarts) {
  auto graph = std::make_shared<TaskGraph>(2);
  const int there = graph->transfer("move", graph->artifact("x", 1e6, 0), 1);
  graph->hold(there, 60);
  Witness witness;
  World world(limited(2, 100), witness);
  world.start(0, one_compute(3, 50), {2});
  world.start(1, graph, {1, 2});
  world.start(2, one_transfer(1e6), {1, 2});  // its own lane: it is not kept waiting
  world.run();
  EXPECT_TRUE(failed(witness).empty());
  EXPECT_TIME(witness.record(2, "move").start_s, 0);
  EXPECT_TIME(witness.record(1, "move").start_s, 3);
  EXPECT_EQ(world.usage(2).peak_memory, 60);
}

TEST(HeldMemory, ANodesLossAndACancelFreeWhatTheTaskHoldsElsewhere) {
  const auto graph = [] {
    auto made = std::make_shared<TaskGraph>(2);
    const int x = made->compute({.label = "make", .seconds = 1}, {}, {"x", 10e6});
    made->hold(x, 60);
    made->transfer("send", x, 1);
    return made;
  }();
  WorldConfig config = limited(4, 100);
  config.nodes[2].behaviour.lost_at_s = 3;
  Witness witness;
  World world(config, witness);
  world.start(0, graph, {1, 2});
  world.start(1, graph, {3, 4});
  for (const TaskId waits : {2, 3}) world.start(waits, one_compute(1, 50), {waits == 2 ? 1 : 3});
  world.set_timer(0, 4);
  witness.on_event = [&](const Event& event) {
    if (event.kind == EventKind::timer_fired) world.cancel(1);
  };
  world.run();
  EXPECT_TIME(witness.record(2, "work").start_s, 3);
  EXPECT_TIME(witness.record(3, "work").start_s, 4);
  for (NodeId node = 1; node <= 4; ++node) EXPECT_EQ(world.memory_taken(node), 0);
}

TEST(HeldMemory, ATracesFreeMemoryCountsForWhatIsHeld) {
  WorldConfig config = simple_world(1);
  auto trace = std::make_shared<platforms::Trace>();
  trace->time = {0, 10};
  trace->of(platforms::Column::memory_free_bytes) = {100, 50};
  config.nodes[1].behaviour.trace = trace;
  Witness witness;
  World world(config, witness);
  world.start(0, stash_and_use(60, 1, 1), {1});
  world.set_timer(0, 11);
  witness.on_event = [&](const Event& event) {
    if (event.kind == EventKind::timer_fired) world.start(1, stash_and_use(60, 1, 1), {1});
  };
  world.run();
  const std::map<TaskId, double> who = failed(witness);
  ASSERT_EQ(who.size(), 1);
  EXPECT_TIME(who.at(1), 11);
}

}  // namespace
}  // namespace convoy::sim
