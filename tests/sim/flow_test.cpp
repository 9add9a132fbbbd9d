// Tests the computes of tasks that share a session: their order, and what becomes of lost tasks.

#include "sim/run/flow.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <thread>

#include "base/random.hpp"
#include "tests/support/halves_engine.hpp"

namespace convoy::sim {
namespace {

using test::ByHand;
using test::Half;
using test::halves_graph;
using test::HalvesEngine;
using test::Whole;

constexpr std::uint64_t version = 5;
constexpr std::chrono::milliseconds moment(20);

class FlowTest : public testing::Test {
 protected:
  struct Task {
    std::shared_ptr<TaskGraph> graph;
    ByHand by_hand;
  };

  static engine::TaskInput input(NodeId node, TaskId task) {
    return {.node = node, .task = task, .received = std::make_shared<Whole>(version)};
  }
  static Half half(NodeId node) { return {version, node, 0}; }

  void open(int workers) {
    flow.reset();
    tasks.clear();
    server = half(0);
    pool = std::make_unique<WorkerPool>(workers, [] {});
    engine::TaskInput shared = input(0, 9);
    shared.shared = true;
    flow = std::make_unique<Flow>(engine, *pool, shared);
  }
  void TearDown() override {
    pool.reset();
    flow.reset();
    tasks.clear();
    EXPECT_EQ(Whole::alive, 0);
  }

  // Tasks have the numbers of their nodes.
  void begin(NodeId node, std::shared_ptr<TaskGraph> graph) {
    flow->begin(node,
                {.graph = graph,
                 .inputs = {input(0, node), input(node, node)},
                 .worker = 1,
                 .result = graph->result()},
                0);
    tasks.emplace(node, Task{graph, ByHand(*graph, half(node))});
  }
  void begin_taking() {
    auto graph = std::make_shared<TaskGraph>(1);
    graph->compute({.label = "take", .work = engine::TakeStage{1, 2}}, {}, {"part", 8});
    flow->begin(0, {.graph = graph, .inputs = {input(0, 0)}, .result = 0}, 0);
    flow->ended(0, 0);
  }
  // The task's next activities end, by hand as well.
  void advance(TaskId task, int activities = 1) {
    Task& t = tasks.at(task);
    for (int i = 0; i < activities; ++i) flow->ended(task, t.by_hand.advance(server));
  }
  engine::Outcome outcome(TaskId task) {
    while (!flow->wait_for(task, moment)) {
    }
    return flow->take(task);
  }
  void expect_as_by_hand(TaskId task) {
    const engine::Outcome got = outcome(task);
    EXPECT_EQ(HalvesEngine::value_of(*got.result), tasks.at(task).by_hand.own.value);
    EXPECT_NE(got.state, nullptr);
  }
  void expect_server_as_by_hand() {
    begin_taking();
    const engine::Outcome got = outcome(0);
    EXPECT_EQ(HalvesEngine::value_of(*got.result), server.value);
    EXPECT_EQ(got.state, nullptr);
  }

  std::shared_ptr<HalvesEngine> engine = std::make_shared<HalvesEngine>();
  std::unique_ptr<Flow> flow;
  std::unique_ptr<WorkerPool> pool;
  std::map<TaskId, Task> tasks;
  Half server = half(0);
};

TEST_F(FlowTest, TheSharedSessionFollowsTheEndsInTheWorld) {
  std::vector<std::uint64_t> ends;
  for (const bool swapped : {false, true}) {
    open(2);
    for (const NodeId node : {1, 2}) begin(node, halves_graph(2));
    // Download, forward, activations, serve, ...: the batches of one come both before the other's.
    const TaskId fast = swapped ? 2 : 1;
    advance(fast, 10);
    advance(3 - fast, 14);
    advance(fast, 4);
    expect_as_by_hand(1);
    expect_as_by_hand(2);
    ends.push_back(server.value);
    expect_server_as_by_hand();
  }
  EXPECT_NE(ends[0], ends[1]);
}

// A result that the shared session made is finite only if that session says so.
TEST_F(FlowTest, WhatTheSharedSessionMadeIsJudgedThere) {
  const auto serves_last = [] {
    auto graph = std::make_shared<TaskGraph>(2);
    const int part = graph->transfer("download", graph->artifact("model", 8, 0), 1);
    int at = graph->compute({.label = "forward", .at = 1, .work = engine::Forward{}}, {part},
                            {"activations", 8});
    at = graph->transfer("activations", at, 0);
    graph->compute({.label = "serve", .at = 0, .work = engine::TrainStage{1, 2}}, {at},
                   {"update", 8});
    return graph;
  };
  for (const bool spoils : {false, true}) {
    engine->spoils = spoils;
    open(2);
    begin(1, serves_last());
    begin(2, halves_graph(1));
    advance(1, 4);
    advance(2, 8);
    EXPECT_EQ(outcome(1).finite, !spoils);
    EXPECT_TRUE(outcome(2).finite) << "its result is its own";
  }
}

TEST_F(FlowTest, AnyOrderIsAsByHandWithAnyNumberOfWorkers) {
  base::Random random({11});
  for (int round = 0; round < 30; ++round) {
    open(1 + round % 3);
    const int nodes = 1 + static_cast<int>(random.below(4));
    std::vector<TaskId> going;
    for (NodeId node = 1; node <= nodes; ++node) {
      begin(node, halves_graph(1 + static_cast<int>(random.below(4)), 1 + round % 2));
      going.push_back(node);
    }
    while (!going.empty()) {
      const TaskId task = going[random.below(going.size())];
      advance(task);
      if (!tasks.at(task).by_hand.is_over()) continue;
      expect_as_by_hand(task);  // the simulation waits in the midst of the others
      std::erase(going, task);
    }
    expect_server_as_by_hand();
  }
}

TEST_F(FlowTest, WhatHadEndedOfALostTaskHasHappened) {
  open(2);
  for (const NodeId node : {1, 2}) begin(node, halves_graph(3));
  advance(1, 4);
  advance(2, 10);  // both serves of two batches have ended
  advance(2, 3);   // gradients, backward, step
  advance(2, 1);   // the third forward; what it would have sent comes nowhere
  flow->give_up(2);
  flow->ended(2, 14);  // is not known any more
  advance(1, 16);
  ASSERT_TRUE(tasks.at(1).by_hand.is_over());
  expect_as_by_hand(1);
  expect_server_as_by_hand();
  EXPECT_EQ(engine->served, 3 + 2);
  EXPECT_GE(engine->forwards, 3 + 2);
  EXPECT_LE(engine->forwards, 3 + 3);  // the third may have been computed already
}

TEST_F(FlowTest, WhatWasUnderWayWhenItsTaskWasLostHasNot) {
  open(1);
  for (const NodeId node : {1, 2}) begin(node, halves_graph(1));
  advance(2, 3);  // what it has sent is there, and the server at work on it
  flow->give_up(2);
  advance(1, 8);
  expect_as_by_hand(1);
  expect_server_as_by_hand();
  EXPECT_EQ(engine->served, 1);
}

TEST_F(FlowTest, ATaskThatWasTakenStaysInWhatTheSharedSessionHasLearned) {
  open(2);
  begin(1, halves_graph(2));
  begin(2, halves_graph(1));
  advance(2, 8);
  expect_as_by_hand(2);
  flow->give_up(2);  // too late to change anything
  advance(1, 14);
  expect_as_by_hand(1);
  expect_server_as_by_hand();
}

TEST_F(FlowTest, WhatAComputeThrowsComesOutWhereItIsNeeded) {
  open(2);
  engine->dislikes = 1;
  for (const NodeId node : {1, 2}) begin(node, halves_graph(2));
  advance(2, 6);  // a batch of its own, to the backward
  advance(1, 4);
  advance(2, 8);
  advance(1, 10);
  EXPECT_THROW(outcome(1), base::UserError);
  EXPECT_THROW(outcome(2), base::UserError);  // the server's part has failed in between
}

TEST_F(FlowTest, ArtifactsGoWithTheirLastConsumer) {
  open(1);
  begin(1, halves_graph(200));
  advance(1, 1 + 200 * 6);
  while (!flow->wait_for(1, moment)) {
  }
  // What both sessions started from (twice: an input each), and the last part.
  EXPECT_LE(Whole::alive, 6);
  advance(1, 1);
  expect_as_by_hand(1);
}

TEST_F(FlowTest, ItEndsInTheMidstOfItsTasks) {
  open(2);
  for (const NodeId node : {1, 2}) begin(node, halves_graph(50));
  advance(1, 200);
  advance(2, 200);
  pool.reset();  // as a run that is interrupted
}

// Each compute holds the next: the chain is longer than a stack that frees it by its first.
TEST_F(FlowTest, ItEndsWithALongBacklog) {
  open(1);
  std::promise<void> began;
  pool->submit<bool>(1, [&](const std::stop_token& stop) {  // has the only thread
    began.set_value();
    while (!stop.stop_requested()) std::this_thread::sleep_for(moment);
    return true;
  });
  began.get_future().wait();
  constexpr int passes = 800;
  const auto graph = halves_graph(100, passes);  // 400 computes
  begin(1, graph);
  const int activities = static_cast<int>(graph->activities().size());
  for (int pass = 0; pass < passes; ++pass) {
    for (int activity = 0; activity < activities; ++activity) flow->ended(1, activity);
  }
  EXPECT_EQ(flow->share_done(1), 0);
  pool.reset();
}

// The pool asks the compute under way to stop, also where the flow ends after it.
TEST_F(FlowTest, WhatComputesIsToldThatThePoolCloses) {
  engine->waits_for_stop = true;
  open(1);
  begin(1, halves_graph(1));
  advance(1, 2);
  while (!engine->is_waiting) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  pool.reset();  // else it would wait for ever
}

TEST_F(FlowTest, TasksThatCannotShareASessionAreRefused) {
  open(1);
  auto late = halves_graph(1);
  late->size_late(1);
  EXPECT_THROW(begin(1, late), std::logic_error);
  auto third = std::make_shared<TaskGraph>(3);
  third->compute({.label = "train", .at = 2, .work = engine::Train{1, {}}}, {}, {"update", 8});
  const engine::TaskInput any = input(1, 1);
  EXPECT_THROW(flow->begin(1, {.graph = third, .inputs = {any, any, any}, .worker = 1}, 0),
               std::logic_error);
  TaskComputation taking{.graph = halves_graph(1), .inputs = {any, any}, .worker = 1};
  taking.given.emplace_back();
  EXPECT_THROW(flow->begin(1, std::move(taking), 0), std::logic_error);
}

// --- tasks of many roles, without a shared session
// ------------------------------------------------

// Two forwards of each role 1 to 3, whose values role 0 adds.
std::shared_ptr<TaskGraph> three_and_a_sum() {
  auto graph = std::make_shared<TaskGraph>(4);
  std::vector<int> there;
  for (int batch = 0; batch < 2; ++batch) {
    for (int role = 1; role <= 3; ++role) {
      const int made = graph->compute(
          {.label = "forward", .at = role, .flops = 1, .work = engine::Forward{}}, {}, {"a", 8});
      there.push_back(graph->transfer("activation", made, 0));
    }
  }
  graph->compute({.label = "sum", .work = engine::Aggregate{}}, there, {"sum", 8});
  return graph;
}

class RolesTest : public FlowTest {
 protected:
  void begin_roles(int workers) {
    open(workers);
    roles = std::make_unique<Flow>(engine, *pool);
    const auto graph = three_and_a_sum();
    TaskComputation task{.graph = graph, .worker = 0, .result = graph->result()};
    for (int role = 0; role <= 3; ++role) task.inputs.push_back(input(role, 1));
    roles->begin(1, std::move(task), Flow::no_role);
  }
  // The forward of a role's batch, and its transfer.
  void forward_ends(int role, int batch) {
    const int activity = (6 * batch) + (2 * (role - 1));
    roles->ended(1, activity);
    roles->ended(1, activity + 1);
  }
  engine::Outcome outcome_of_roles() {
    while (!roles->wait_for(1, moment)) {
    }
    return roles->take(1);
  }
  void TearDown() override {
    roles.reset();
    FlowTest::TearDown();
  }

  std::unique_ptr<Flow> roles;
};

TEST_F(RolesTest, EveryRoleComputesInTheOrderOfItsEnds) {
  for (const int workers : {1, 3}) {
    begin_roles(workers);
    for (const int role : {3, 1, 2}) {
      // Role 1 does the second before the first.
      for (const int batch : {0, 1}) forward_ends(role, role == 1 ? 1 - batch : batch);
    }
    EXPECT_LE(roles->share_done(1), 6.0 / 7);
    roles->ended(1, 12);
    const engine::Outcome got = outcome_of_roles();
    std::uint64_t values[2][4] = {};
    for (int role = 1; role <= 3; ++role) {
      Half half(version, role, 0);
      for (const int batch : {0, 1}) values[role == 1 ? 1 - batch : batch][role] = half.forward();
    }
    std::uint64_t sum = 0;
    for (const auto& batch : values) {
      for (int role = 1; role <= 3; ++role) sum = sum * 17 + batch[role];
    }
    EXPECT_EQ(HalvesEngine::value_of(*got.result), sum);
  }
}

TEST_F(RolesTest, WhatARoleThrowsComesOut) {
  engine->dislikes = 2;
  begin_roles(2);
  for (const int batch : {0, 1}) {
    for (const int role : {1, 2, 3}) forward_ends(role, batch);
  }
  roles->ended(1, 12);
  EXPECT_THROW(outcome_of_roles(), base::UserError);
}

TEST_F(RolesTest, WhatARoleThrowsComesOutThoughNobodyTakesWhatItMakes) {
  engine->dislikes = 1;
  open(2);
  roles = std::make_unique<Flow>(engine, *pool);
  auto graph = std::make_shared<TaskGraph>(2);
  graph->compute({.label = "forward", .at = 1, .work = engine::Forward{}}, {}, {"a", 8});
  graph->compute({.label = "sum", .work = engine::Aggregate{}}, {}, {"sum", 8});
  roles->begin(1, {.graph = graph, .inputs = {input(0, 1), input(1, 1)}, .result = 1},
               Flow::no_role);
  roles->ended(1, 0);
  roles->ended(1, 1);
  EXPECT_THROW(outcome_of_roles(), base::UserError);
}

TEST_F(RolesTest, OfALostTaskNothingIsComputedAnyMore) {
  begin_roles(1);
  for (const int role : {1, 2}) forward_ends(role, 0);
  roles->give_up(1);
  forward_ends(3, 0);  // is not known any more
  pool.reset();
  EXPECT_LE(engine->forwards, 2);
}

TEST_F(RolesTest, TasksThatCannotBeComputedSoAreRefused) {
  open(1);
  roles = std::make_unique<Flow>(engine, *pool);
  const auto graph = three_and_a_sum();
  graph->size_late(1);
  const engine::TaskInput any = input(1, 1);
  EXPECT_THROW(roles->begin(1, {.graph = graph, .inputs = {any, any, any, any}}, Flow::no_role),
               std::logic_error);
}

}  // namespace
}  // namespace convoy::sim
