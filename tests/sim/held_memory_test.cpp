// Tests memory that stays between activities: taken and freed to the byte, waiting, refusals.

#include <algorithm>

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

// Its late computes take 40 bytes and one second.
class LateWitness : public Witness {
 public:
  Activity size_of(TaskId /*task*/, const Activity& expected) override {
    Activity sized = expected;
    sized.memory = 40;
    return sized;
  }
};

// Holds 100 bytes from its first compute on, and then computes with 10 as planned, which is sized
// late.
std::shared_ptr<const TaskGraph> sized_when_it_begins() {
  auto graph = std::make_shared<TaskGraph>(1);
  const int stash = graph->compute({.label = "make", .seconds = 2}, {}, {"stash", 0});
  graph->hold(stash, 100);
  const int used = graph->compute({.label = "use", .seconds = 1, .memory = 10}, {stash}, {"", 0});
  graph->size_late(graph->producer(used));
  return graph;
}

TEST(HeldMemory, WhatIsSizedLateTakesMoreWhereItIsFree) {
  LateWitness witness;
  World world(limited(1, 140), witness);
  world.start(0, sized_when_it_begins(), {1});
  EXPECT_EQ(taken_at(world, witness, 1, {1, 2.5, 4}), (std::vector<double>{100, 140, 0}));
  EXPECT_TRUE(failed(witness).empty());
  EXPECT_TIME(witness.record(0, "use").end_s, 3);
  EXPECT_EQ(world.usage(1).peak_memory, 140);
}

TEST(HeldMemory, WhatIsSizedLateFailsWhereItIsNot) {
  LateWitness witness;
  World world(limited(1, 139), witness);
  world.start(0, sized_when_it_begins(), {1});
  world.start(1, stash_and_use(139, 1, 1), {1});  // has to wait for all of it
  world.run();
  EXPECT_EQ(failed(witness), (std::map<TaskId, double>{{0, 2}}));
  const auto event = std::ranges::find(witness.events, EventKind::task_failed, &Event::kind);
  EXPECT_EQ(event->needed, 140);  // with what the task holds
  EXPECT_EQ(event->free, 29);     // beside what it has reserved
  EXPECT_EQ(event->capacity, 139);
  EXPECT_TIME(witness.record(1, "use").end_s, 4);
}

// Two such tasks of 110 bytes each are in. What each takes above is gone for others until its end:
// a compute for which there is room beside one of them alone waits for both.
TEST(HeldMemory, WhatIsSizedLateIsReservedUntilTheTasksEnd) {
  LateWitness witness;
  World world(limited(1, 250), witness);
  for (const TaskId task : {0, 1}) world.start(task, sized_when_it_begins(), {1});
  world.set_timer(9, 4.5);
  witness.on_event = [&](const Event& event) {
    if (event.kind == EventKind::timer_fired) world.start(2, one_compute(1, 111), {1});
  };
  world.run();
  EXPECT_TRUE(failed(witness).empty());
  EXPECT_TIME(witness.record(0, "use").end_s, 5);
  EXPECT_TIME(witness.record(1, "use").end_s, 6);
  EXPECT_TIME(witness.record(2, "work").start_s, 6);
  EXPECT_EQ(world.usage(1).peak_memory, 240);
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

// The first failure of a task.
Event failure(const Witness& witness, TaskId task) {
  for (const Event& event : witness.events) {
    if (event.kind == EventKind::task_failed && event.task == task) return event;
  }
  ADD_FAILURE() << "task " << task << " did not fail";
  return {};
}

// Three stashes fit beside a backward, and four may be there.
TEST(HeldMemory, WhatMayNotFitInSomeOrderIsRefusedBeforeItStarts) {
  Witness witness;
  World world(limited(2, 307), witness);
  world.start(0, two_stages(4, 4), {1, 2});
  world.run();
  const Event failed = failure(witness, 0);
  EXPECT_EQ(failed.cause, Cause::out_of_memory);
  EXPECT_EQ(failed.node, 1);
  EXPECT_TIME(failed.time, 0);
  EXPECT_EQ(failed.needed, 407);
  EXPECT_EQ(failed.free, 307);
  EXPECT_EQ(failed.capacity, 307);
  EXPECT_TRUE(witness.records.empty());
  EXPECT_EQ(world.tasks(), 0);
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

// 60 are reserved until 4 s. Who wants 50 waits from 1 s on, when the processor is free, and gives
// it to nobody: who came later and wants 30 waits behind it.
TEST(HeldMemory, WhoDoesNotFitWaitsAndNobodyOvertakesIt) {
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
  world.start(3, one_compute(1, 0), {1});  // wants none
  world.run();
  EXPECT_TRUE(failed(witness).empty());
  EXPECT_TIME(witness.record(3, "work").start_s, 1);
  EXPECT_TIME(witness.record(0, "use").end_s, 4);
  EXPECT_TIME(witness.record(1, "work").ready_s, 0);
  EXPECT_TIME(witness.record(1, "work").start_s, 4);
  EXPECT_TIME(witness.record(2, "work").start_s, 5);
  EXPECT_EQ(world.usage(1).peak_memory, 60);
  EXPECT_EQ(world.usage(1).memory_waits, 2);
  EXPECT_TIME(world.usage(1).memory_wait_s, 2 * 3);
  ASSERT_EQ(witness.memory_waits.size(), 2);
  for (const TaskId task : {1, 2}) {
    EXPECT_TIME(witness.memory_waits.at(task), 3);
    EXPECT_TIME(witness.record(task, "work").memory_asked_s, 1);
  }
  EXPECT_EQ(witness.record(3, "work").memory_asked_s, -1);
  EXPECT_EQ(witness.record(0, "use").memory_asked_s, -1);
}

TEST(HeldMemory, WhoCanNeverFitFailsAtOnce) {
  auto graph = std::make_shared<TaskGraph>(1);
  const int stash = graph->compute({.label = "make", .seconds = 1}, {}, {"stash", 0});
  graph->hold(stash, 60);
  graph->compute({.label = "use", .seconds = 1, .memory = 41}, {stash}, {"result", 0});
  Witness witness;
  World world(limited(1, 100), witness);
  world.start(0, one_compute(2, 70), {1});
  world.start(1, graph, {1});
  world.start(2, one_compute(1, 101), {1});
  world.run();
  EXPECT_TIME(failure(witness, 1).time, 0);
  EXPECT_EQ(failure(witness, 1).needed, 101);
  EXPECT_EQ(failure(witness, 1).free, 30);
  EXPECT_TIME(failure(witness, 2).time, 2);  // a compute asks when it has its lane
  EXPECT_EQ(witness.record(2, "work").memory_needed, 101);
  EXPECT_EQ(world.memory_taken(1), 0);
}

// Each would hold 40 of 100, and want 40 more: the second begins when the first has ended.
TEST(HeldMemory, TasksThatWouldWaitForEachOtherGoOneAfterAnother) {
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
  EXPECT_TRUE(failed(witness).empty());
  EXPECT_TIME(witness.record(7, "third").end_s, 3);
  EXPECT_TIME(witness.record(3, "first").ready_s, 3);
  EXPECT_TIME(witness.record(3, "third").end_s, 6);
  EXPECT_EQ(world.usage(1).peak_memory, 80);
}

// 30 are reserved until what holds them is sent, at 5 s.
TEST(HeldMemory, ATaskBeginsWhenAnotherEndsThatLeavesTooLittle) {
  auto sends = std::make_shared<TaskGraph>(2);
  const int stash = sends->compute({.label = "make", .seconds = 1}, {}, {"stash", 4e6});
  sends->hold(stash, 30);
  sends->transfer("send", stash, 1);
  Witness witness;
  World world(limited(2, 100), witness);
  world.start(0, sends, {1, 2});
  world.start(1, stash_and_use(80, 1, 1), {1});
  world.run();
  EXPECT_TRUE(failed(witness).empty());
  EXPECT_TIME(witness.record(1, "make").start_s, 5);
}

// A holds 60 on each of its nodes for 2 s.
std::shared_ptr<const TaskGraph> on_nodes(int roles) {
  auto graph = std::make_shared<TaskGraph>(roles);
  for (int role = 0; role < roles; ++role) {
    const int made = graph->compute({.label = "make", .at = role, .seconds = 1}, {}, {"x", 0});
    graph->hold(made, 60);
    graph->compute({.label = "use", .at = role, .seconds = 1}, {made}, {"y", 0});
  }
  return graph;
}

// On nodes 1 | 1, 2 | 2 | 3: the second takes nothing until it has all, but who came after it waits
// behind it, also where there is room.
TEST(HeldMemory, ATaskBeginsWithAllItsNodesOrNotAtAll) {
  Witness witness;
  World world(limited(3, 100), witness);
  world.start(0, on_nodes(1), {1});
  world.start(1, on_nodes(2), {1, 2});
  world.start(2, on_nodes(1), {2});
  world.start(3, on_nodes(1), {3});
  world.set_timer(0, 1);
  double taken = -1;
  witness.on_event = [&](const Event& event) {
    if (event.kind == EventKind::timer_fired) taken = world.memory_taken(2);
  };
  world.run();
  EXPECT_TRUE(failed(witness).empty());
  EXPECT_TIME(witness.record(1, "make").start_s, 2);
  EXPECT_TIME(witness.record(2, "make").start_s, 4);
  EXPECT_TIME(witness.record(3, "make").start_s, 0);
  EXPECT_EQ(taken, 0);
  EXPECT_EQ(world.usage(1).memory_waits, 1);
  EXPECT_TIME(world.usage(1).memory_wait_s, 2);
  EXPECT_TIME(world.usage(2).memory_wait_s, 4);
}

TEST(HeldMemory, WhoWaitsMayBeCancelledOrLostAndLetsOthersPass) {
  WorldConfig config = limited(4, 100);
  config.nodes[3].behaviour.lost_at_s = 1.5;
  Witness witness;
  World world(config, witness);
  world.start(0, on_nodes(2), {1, 4});
  world.start(1, on_nodes(2), {1, 2});
  world.start(2, on_nodes(2), {4, 3});
  world.start(3, on_nodes(1), {2});
  world.set_timer(0, 1);
  witness.on_event = [&](const Event& event) {
    if (event.kind == EventKind::timer_fired) world.cancel(1);
  };
  world.run();
  EXPECT_TIME(witness.record(3, "make").start_s, 1);
  EXPECT_EQ(failure(witness, 2).cause, Cause::node_lost);
  EXPECT_TIME(failure(witness, 2).time, 1.5);
  EXPECT_FALSE(witness.records.contains({1, "make"}));
  for (NodeId node = 1; node <= 4; ++node) EXPECT_EQ(world.memory_taken(node), 0);
}

// Ten of a hundred fit, each with a tenth of the node: 10 s and 10 s.
std::shared_ptr<const TaskGraph> a_tenth() {
  auto graph = std::make_shared<TaskGraph>(1);
  const int made = graph->compute({.label = "make", .seconds = 1, .share = 0.1}, {}, {"stash", 0});
  graph->hold(made, 6);
  graph->compute({.label = "use", .seconds = 1, .share = 0.1, .memory = 4}, {made}, {"x", 0});
  return graph;
}

TEST(HeldMemory, OfAHundredTasksTenAtATimeAllEnd) {
  WorldConfig config = limited(1, 100);
  config.nodes[1].concurrent_computes = 0;
  Witness witness;
  World world(config, witness);
  for (TaskId task = 0; task < 100; ++task) world.start(task, a_tenth(), {1});
  world.run();
  EXPECT_TRUE(failed(witness).empty());
  for (TaskId task = 0; task < 100; ++task) {
    EXPECT_TIME(witness.record(task, "make").start_s, static_cast<double>(20 * (task / 10)));
    EXPECT_TIME(witness.record(task, "use").end_s, static_cast<double>(20 * (task / 10 + 1)));
  }
  EXPECT_EQ(world.usage(1).memory_waits, 90);
  EXPECT_TIME(world.usage(1).memory_wait_s, 10 * 20 * 45);
  ASSERT_EQ(witness.memory_waits.size(), 90);
  for (const auto& [task, wait_s] : witness.memory_waits) {
    EXPECT_TIME(wait_s, static_cast<double>(20 * (task / 10)));
    EXPECT_EQ(witness.record(task, "make").memory_asked_s, -1) << "the task waited";
  }
}

TEST(HeldMemory, OfAHundredTasksThatDoNotWaitNinetyAreRefused) {
  WorldConfig config = limited(1, 100);
  config.nodes[1].concurrent_computes = 0;
  Witness witness;
  World world(config, witness);
  for (TaskId task = 0; task < 100; ++task) {
    world.start(task, a_tenth(), {1}, false, 0, WhenFull::refuse);
  }
  world.run();
  EXPECT_EQ(failed(witness).size(), 90);
  for (TaskId task = 0; task < 10; ++task) EXPECT_TIME(witness.record(task, "use").end_s, 20);
  const Event last = failure(witness, 99);
  EXPECT_TIME(last.time, 0);
  EXPECT_EQ(last.node, 1);
  EXPECT_EQ(last.needed, 10);
  EXPECT_EQ(last.free, 0);
  EXPECT_EQ(last.capacity, 100);
  EXPECT_EQ(world.usage(1).memory_waits, 0);
}

// Where a task keeps nothing, tasks take the memory of their computes by turns: 60 of 100 each.
TEST(HeldMemory, WhereTasksKeepNothingTheirComputesTakeTurns) {
  auto graph = std::make_shared<TaskGraph>(2);
  const int part = graph->artifact("part", 0, 1);
  graph->hold(part, 50);
  const int made = graph->compute({.label = "forward", .at = 1, .seconds = 1}, {part}, {"a", 0});
  const int there = graph->transfer("up", made, 0);
  const int back = graph->transfer(
      "down", graph->compute({.label = "server", .seconds = 2, .memory = 60}, {there}, {"g", 0}),
      1);
  graph->compute({.label = "backward", .at = 1, .seconds = 1}, {back, part}, {"x", 0});
  WorldConfig config = limited(3, 100);
  config.nodes[1].concurrent_computes = 0;
  Witness witness;
  World world(config, witness);
  world.start(0, graph, {1, 2});
  world.start(1, graph, {1, 3});
  world.start(2, stash_and_use(50, 1, 1), {1});  // 40 beside the 60 that are kept free
  world.run();
  EXPECT_TRUE(failed(witness).empty());
  EXPECT_TIME(witness.record(0, "server").start_s, 1);
  EXPECT_TIME(witness.record(1, "server").ready_s, 1);
  EXPECT_TIME(witness.record(1, "server").start_s, 3);
  EXPECT_TIME(witness.record(1, "backward").end_s, 6);
  EXPECT_TIME(witness.record(2, "make").start_s, 6);
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
