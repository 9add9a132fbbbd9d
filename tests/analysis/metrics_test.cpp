// Tests the metrics of stores computed by hand, and of real runs against their printed figures.

#include "analysis/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "analysis/idle.hpp"
#include "analysis/rounds.hpp"
#include "tests/support/files.hpp"
#include "tests/support/hand_made_store.hpp"
#include "tests/support/scenario_run.hpp"

namespace convoy::analysis {
namespace {

using test::HandMadeStore;
using test::TemporaryFolder;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;

// The activities of one update from `begin` on: download, train, upload, without gaps.
void update(HandMadeStore& store, std::int64_t task, std::int64_t node, double begin, double down,
            double train, double up) {
  store.transfer(0, node, "download", begin, down).task = task;
  store.compute(node, "train", begin + down, train).task = task;
  store.transfer(node, 0, "upload", begin + down + train, up).task = task;
}

// Two synchronous rounds of a (fast) and b (slow), c is never chosen:
//
//   round 1, 0 to 11   a: 1 down, 2 train, 1 up, then waits 6 s for b, and 1 s of aggregation
//                      b: 1 down, 8 train, 1 up
//   round 2, 11 to 20  a: 1 down, 2 train, 1 up; b is slower to send: 1 down, 2 train, 5 up
std::filesystem::path two_rounds(const TemporaryFolder& folder) {
  HandMadeStore store(folder.path() / "run");
  store.node(0, "server").node(1, "a").node(2, "b").node(3, "c");
  update(store, 0, 1, 0, 1, 2, 1);
  update(store, 1, 2, 0, 1, 8, 1);
  store.compute(0, "aggregate", 10, 1).task = -2;
  update(store, 2, 1, 11, 1, 2, 1);
  update(store, 3, 2, 11, 1, 2, 5);
  store.compute(0, "aggregate", 19, 1).task = -3;
  store.task(0, 1, 0, 4, 1);
  store.task(1, 2, 0, 10, 1);
  store.task(2, 1, 11, 15, 2);
  store.task(3, 2, 11, 19, 2);
  store.aggregation(1, 10, 11);
  store.aggregation(2, 19, 20);
  store.event("task_done", 4, 1, 0).event("task_done", 10, 2, 1).order("aggregate", 10);
  store.event("aggregated", 11).event("task_done", 15, 1, 2).event("task_done", 19, 2, 3);
  store.order("aggregate", 19).event("aggregated", 20);
  store.end.virtual_time_s = 20;
  return store.write();
}

// Seconds of one node by cause of idleness.
std::map<std::string, double> sums_of(const RunTables& run, std::size_t node) {
  std::map<std::string, double> all;
  const IdleSums sums = idle_sums(run, idle_intervals(run, read_rounds(run))).at(node);
  for (const auto& [cause, word] : idle_words) {
    const double s = sums.at(static_cast<std::size_t>(cause));
    if (s > 0) all[std::string(word)] = s;
  }
  return all;
}

std::map<std::string, double> path_of(const Round& round) {
  const char* names[] = {"queue", "link", "compute", "outage", "aggregation", "other"};
  std::map<std::string, double> all;
  for (std::size_t i = 0; i < round.path_s.size(); ++i) {
    if (round.path_s[i] != 0) all[names[i]] = round.path_s[i];
  }
  return all;
}

TEST(Rounds, EveryoneWaitsForTheSlowestNode) {
  const TemporaryFolder folder;
  const auto rounds = read_rounds(read_tables(two_rounds(folder)));
  ASSERT_EQ(rounds.size(), 2);
  EXPECT_EQ(rounds[0].node, 2);
  EXPECT_EQ(rounds[0].closed_by, ClosedBy::all);
  EXPECT_EQ(rounds[0].label, "train");
  EXPECT_DOUBLE_EQ(rounds[0].label_s, 8);
  EXPECT_THAT(path_of(rounds[0]),
              UnorderedElementsAre(Pair("link", 2), Pair("compute", 8), Pair("aggregation", 1)));
  EXPECT_EQ(rounds[1].label, "upload");
  EXPECT_DOUBLE_EQ(rounds[1].begin_s, 11);
  EXPECT_THAT(path_of(rounds[1]),
              UnorderedElementsAre(Pair("link", 6), Pair("compute", 2), Pair("aggregation", 1)));
}

TEST(Idle, EachIntervalHasItsCause) {
  const TemporaryFolder folder;
  const RunTables run = read_tables(two_rounds(folder));
  EXPECT_THAT(sums_of(run, 1), UnorderedElementsAre(Pair("link", 4), Pair("slowest_node", 10),
                                                    Pair("aggregation", 2)));
  EXPECT_THAT(sums_of(run, 2), UnorderedElementsAre(Pair("link", 8), Pair("aggregation", 2)));
  EXPECT_THAT(sums_of(run, 3), UnorderedElementsAre(Pair("not_selected", 20)));
  EXPECT_TRUE(sums_of(run, 0).empty()) << "the server is no worker";
}

TEST(Idle, WithoutActivitiesTheTasksAreAllThatIsKnown) {
  const TemporaryFolder folder;
  HandMadeStore store(folder.path() / "run");
  store.node(0, "server").node(1, "a");
  sim::TaskRow& task = store.task(0, 1, 0, 10, 1);
  task.busy_s = 6;
  task.communicating_s = 3;
  store.aggregation(1, 10, 11);
  store.event("task_done", 10, 1, 0).order("aggregate", 10).event("aggregated", 11);
  store.end.virtual_time_s = 11;
  const RunTables run = read_tables(store.write());
  EXPECT_THAT(sums_of(run, 1),
              UnorderedElementsAre(Pair("link", 3), Pair("queue", 1), Pair("aggregation", 1)));
  const Round round = read_rounds(run).at(0);
  EXPECT_EQ(round.label, "train");
  EXPECT_THAT(path_of(round), UnorderedElementsAre(Pair("queue", 1), Pair("link", 3),
                                                   Pair("compute", 6), Pair("aggregation", 1)));
}

// Semi-asynchronous: a and b make version 1 while c still trains. c's update, begun at 0, arrives
// last for version 2. Node b is lost at 6 during its second task and returns at 8.
std::filesystem::path a_quorum(const TemporaryFolder& folder) {
  HandMadeStore store(folder.path() / "run");
  store.node(0, "server").node(1, "a").node(2, "b").node(3, "c");
  update(store, 0, 1, 0, 1, 1, 1);
  update(store, 1, 2, 0, 1, 2, 1);
  update(store, 2, 3, 0, 1, 7, 1);
  update(store, 3, 1, 5, 1, 1, 1);
  store.transfer(0, 2, "download", 5, 1).task = 4;
  sim::ActivityRow& lost = store.compute(2, "train", 6, 0.5);
  lost.task = 4;
  lost.cause = "node_lost";
  store.task(0, 1, 0, 3, 1);
  store.task(1, 2, 0, 4, 1);
  store.task(2, 3, 0, 9, 2).staleness = 1;
  store.task(3, 1, 5, 8, 2);
  sim::TaskRow& failed = store.task(4, 2, 5, 6.5, 0);
  failed.outcome = "node_lost";
  failed.busy_s = 0.5;
  failed.communicating_s = 1;
  store.task(5, 2, 8, 12, 0);  // still buffered when the run ended
  update(store, 5, 2, 8, 1, 2, 1);
  store.aggregation(1, 4, 5);
  store.aggregation(2, 9, 10);
  store.order("assign", 0, 1, 0).order("assign", 0, 2, 1).order("assign", 0, 3, 2);
  store.event("task_done", 3, 1, 0).event("task_done", 4, 2, 1).order("aggregate", 4);
  store.event("aggregated", 5).order("assign", 5, 1, 3).order("assign", 5, 2, 4);
  store.event("node_lost", 6.5, 2).event("task_failed", 6.5, 2, 4).event("node_joined", 8, 2);
  store.order("assign", 8, 2, 5).event("task_done", 8, 1, 3).event("task_done", 9, 3, 2);
  store.order("aggregate", 9).event("aggregated", 10).event("task_done", 12, 2, 5);
  store.end.virtual_time_s = 13;
  return store.write();
}

TEST(Rounds, AQuorumAndAStaleUpdate) {
  const TemporaryFolder folder;
  const auto rounds = read_rounds(read_tables(a_quorum(folder)));
  ASSERT_EQ(rounds.size(), 2);
  EXPECT_EQ(rounds[0].closed_by, ClosedBy::quorum);
  EXPECT_EQ(rounds[0].node, 2);
  EXPECT_EQ(rounds[1].closed_by, ClosedBy::quorum) << "b's third task is under way";
  EXPECT_EQ(rounds[1].node, 3);
  EXPECT_EQ(rounds[1].label, "train");
  EXPECT_DOUBLE_EQ(rounds[1].label_s, 3) << "of 7 s, those within the round";
  EXPECT_THAT(path_of(rounds[1]),
              UnorderedElementsAre(Pair("link", 1), Pair("compute", 3), Pair("aggregation", 1)));
}

// b is absent from 1 to 2 and from 4 to 13. Its task of the second round, which begins at 11,
// begins at 15.
TEST(Rounds, AnOutageCountsAsFarAsItIsWithinTheRound) {
  const TemporaryFolder folder;
  HandMadeStore store(folder.path() / "run");
  store.node(0, "server").node(1, "a").node(2, "b");
  update(store, 0, 1, 0, 1, 8, 1);
  update(store, 1, 2, 15, 1, 2, 1);
  store.task(0, 1, 0, 10, 1);
  store.task(1, 2, 15, 19, 2);
  store.aggregation(1, 10, 11);
  store.aggregation(2, 19, 20);
  store.order("assign", 0, 1, 0);
  store.event("node_lost", 1, 2).event("node_joined", 2, 2).event("node_lost", 4, 2);
  store.event("task_done", 10, 1, 0).order("aggregate", 10).event("aggregated", 11);
  store.event("node_joined", 13, 2).order("assign", 15, 2, 1).event("task_done", 19, 2, 1);
  store.order("aggregate", 19).event("aggregated", 20);
  store.end.virtual_time_s = 20;
  const auto rounds = read_rounds(read_tables(store.write()));
  ASSERT_EQ(rounds.size(), 2);
  EXPECT_EQ(rounds[1].node, 2);
  EXPECT_THAT(path_of(rounds[1]),
              UnorderedElementsAre(Pair("outage", 2), Pair("other", 2), Pair("link", 2),
                                   Pair("compute", 2), Pair("aggregation", 1)));
}

TEST(Idle, QuorumOutageAndTheEndOfTheRun) {
  const TemporaryFolder folder;
  const RunTables run = read_tables(a_quorum(folder));
  // a waits from 3 to 4 for the quorum and from 4 to 5 for the server; from 8 to 9 and from 9 to 10
  // again; afterwards it gets no work.
  EXPECT_THAT(sums_of(run, 1),
              UnorderedElementsAre(Pair("link", 4), Pair("quorum", 2), Pair("aggregation", 2),
                                   Pair("not_selected", 3)));
  // b is absent from 6.5 to 8.
  EXPECT_THAT(sums_of(run, 2), UnorderedElementsAre(Pair("link", 5), Pair("outage", 1.5),
                                                    Pair("aggregation", 1), Pair("run_end", 1)));
  const auto gone = absences(run);
  ASSERT_EQ(gone.size(), 1);
  EXPECT_EQ(gone[0].node, 2);
  EXPECT_DOUBLE_EQ(gone[0].end_s - gone[0].begin_s, 1.5);
  EXPECT_THAT(lost_time(run), ElementsAre(0, 0, 1.5, 0));
  EXPECT_THAT(staleness_distribution(run), ElementsAre(Pair(0, 3), Pair(1, 1)));
}

// A node that has lost its task by an outage and has returned, but gets no work for a while: the
// cause of its idleness is the outage until it has another task. If it lost its task otherwise,
// that is the cause.
TEST(Idle, ANodeThatIsBackAndHasNoTaskYetIsIdleForTheOutage) {
  for (const auto& [outcome, cause] : {std::pair{"node_lost", "outage"},
                                       {"timed_out", "failed"},
                                       {"cancelled", "failed"},
                                       {"refused", "failed"},
                                       {"stale", "failed"},
                                       {"out_of_memory", "memory"}}) {
    const TemporaryFolder folder;
    HandMadeStore store(folder.path() / "run");
    store.node(0, "server").node(1, "a");
    sim::ActivityRow& lost = store.compute(1, "train", 0, 2);
    lost.task = 0;
    lost.cause = outcome;
    store.task(0, 1, 0, 2, 0).outcome = outcome;
    update(store, 1, 1, 7, 1, 1, 1);
    store.task(1, 1, 7, 10, 1);
    store.aggregation(1, 10, 10);
    store.order("assign", 0, 1, 0);
    const bool away = std::string(outcome) == "node_lost";
    if (away) store.event("node_lost", 2, 1);
    store.event("task_failed", 2, 1, 0);
    if (away) store.event("node_joined", 3, 1);  // absent for 1 s, then idle for 4 s
    store.order("assign", 7, 1, 1).event("task_done", 10, 1, 1).order("aggregate", 10);
    store.end.virtual_time_s = 10;
    EXPECT_THAT(sums_of(read_tables(store.write()), 1),
                UnorderedElementsAre(Pair(cause, 5), Pair("link", 2)))
        << outcome;
  }
}

// The run with the quorum, killed at 12.5: the tables contain only what had been written.
TEST(Rounds, WhatIsUnderWayIsKnownFromTheJournalAlone) {
  const TemporaryFolder folder;
  HandMadeStore store(folder.path() / "run");
  store.node(0, "server").node(1, "a").node(2, "b").node(3, "c");
  update(store, 0, 1, 0, 1, 1, 1);
  store.task(0, 1, 0, 3, 1);
  store.aggregation(1, 3, 4);
  store.order("assign", 0, 1, 0).order("assign", 0, 2, 1).order("assign", 0, 3, 2);
  store.event("task_done", 3, 1, 0).order("aggregate", 3).event("aggregated", 4);
  store.event("task_done", 6, 2, 1);  // received and waiting for an aggregation that has no row yet
  store.order("assign", 8, 1, 3);
  store.event("evaluated", 10);
  RunTables run = read_tables(store.write());
  run.ended_s.reset();
  EXPECT_EQ(read_rounds(run).at(0).closed_by, ClosedBy::quorum);
  // Unknown: b and c, whose tasks have no rows, and a after 8.
  EXPECT_THAT(sums_of(run, 1), UnorderedElementsAre(Pair("link", 2), Pair("aggregation", 1),
                                                    Pair("not_selected", 4)));
  EXPECT_TRUE(sums_of(run, 2).empty());
  EXPECT_TRUE(sums_of(run, 3).empty());
}

// The task waits from 0 to 3 before it begins; its second compute has its lane at 5, and its memory
// at 9; then one at the server waits until 14. The rest of its time it waits for the server.
TEST(Idle, WaitsForMemoryAreKnownBeforeATaskBeginsAndWithinIt) {
  for (const bool recorded : {true, false}) {
    const TemporaryFolder folder;
    HandMadeStore store(folder.path() / "run");
    store.node(0, "server").node(1, "a");
    if (recorded) {
      store.compute(1, "forward", 3, 2).task = 0;
      sim::ActivityRow& waited = store.compute(1, "again", 9, 1);
      waited.task = 0;
      waited.ready_s = 4;
      waited.memory_asked_s = 5;
      sim::ActivityRow& elsewhere = store.compute(0, "server", 14, 2);
      elsewhere.task = 0;
      elsewhere.ready_s = elsewhere.memory_asked_s.emplace(10);
    }
    sim::TaskRow& task = store.task(0, 1, 0, 16, 1);
    task.busy_s = 3;
    task.memory_wait_s = 3 + 4 + 4;
    store.aggregation(1, 16, 16);
    store.order("assign", 0, 1, 0).event("task_done", 16, 1, 0).order("aggregate", 16);
    store.end.virtual_time_s = 16;
    EXPECT_THAT(sums_of(read_tables(store.write()), 1),
                UnorderedElementsAre(Pair("memory", 11), Pair("queue", 2)))
        << recorded;
  }
}

// A task that ends before it has begun.
TEST(Idle, WhoWaitsForMemoryInVainWaitsForMemory) {
  const TemporaryFolder folder;
  HandMadeStore store(folder.path() / "run");
  store.node(0, "server").node(1, "a").node(2, "b");
  store.compute(2, "train", 0, 4).task = 1;
  sim::TaskRow& given_up = store.task(0, 1, 0, 4, 0);
  given_up.outcome = "cancelled";
  given_up.memory_wait_s = 4;
  store.task(1, 2, 0, 4, 1);
  store.aggregation(1, 4, 4);
  store.order("assign", 0, 1, 0).order("assign", 0, 2, 1);
  store.event("task_failed", 4, 1, 0).event("task_done", 4, 2, 1).order("aggregate", 4);
  store.end.virtual_time_s = 5;
  EXPECT_THAT(sums_of(read_tables(store.write()), 1),
              UnorderedElementsAre(Pair("memory", 4), Pair("failed", 1)));
}

// A task over two nodes: a sends to b, which computes for it; b waits while a computes.
TEST(Idle, PartnersOfATaskWaitInItsQueue) {
  const TemporaryFolder folder;
  HandMadeStore store(folder.path() / "run");
  store.node(0, "server").node(1, "a").node(2, "b");
  store.compute(1, "forward", 0, 4).task = 0;
  store.transfer(1, 2, "activations", 4, 1).task = 0;
  store.compute(2, "rest", 5, 2).task = 0;
  store.task(0, 1, 0, 7, 1);
  store.aggregation(1, 7, 7);
  store.order("assign", 0, 1, 0).event("task_done", 7, 1, 0).order("aggregate", 7);
  store.end.virtual_time_s = 7;
  const RunTables run = read_tables(store.write());
  EXPECT_THAT(sums_of(run, 1), UnorderedElementsAre(Pair("link", 1), Pair("queue", 2)));
  EXPECT_THAT(sums_of(run, 2), UnorderedElementsAre(Pair("link", 1), Pair("queue", 4)));
  EXPECT_THAT(path_of(read_rounds(run).at(0)),
              UnorderedElementsAre(Pair("compute", 6), Pair("link", 1)));
}

TEST(Rounds, ADeadlineHasNoNodeToWaitFor) {
  const TemporaryFolder folder;
  HandMadeStore store(folder.path() / "run");
  store.node(0, "server").node(1, "a").node(2, "b");
  update(store, 0, 1, 0, 1, 1, 1);
  sim::ActivityRow& lost = store.compute(2, "train", 0, 5);
  lost.task = 1;
  lost.cause = "cancelled";
  store.task(0, 1, 0, 3, 1);
  store.task(1, 2, 0, 5, 0).outcome = "cancelled";
  store.aggregation(1, 5, 6);
  store.event("task_done", 3, 1, 0).event("timer_fired", 5).order("cancel", 5, 2, 1);
  store.order("aggregate", 5).event("aggregated", 6);
  store.end.virtual_time_s = 6;
  const RunTables run = read_tables(store.write());
  const Round round = read_rounds(run).at(0);
  EXPECT_EQ(round.closed_by, ClosedBy::deadline);
  EXPECT_EQ(round.node, -1);
  EXPECT_THAT(path_of(round), UnorderedElementsAre(Pair("other", 5), Pair("aggregation", 1)));
  EXPECT_THAT(sums_of(run, 1),
              UnorderedElementsAre(Pair("link", 2), Pair("deadline", 2), Pair("aggregation", 1)));
  EXPECT_THAT(sums_of(run, 2), UnorderedElementsAre(Pair("failed", 1)));
}

// Its first activity is ready when it begins, at 2 s.
TEST(Idle, ATaskThatWaitsForRoomInMemoryBeforeItBegins) {
  const TemporaryFolder folder;
  HandMadeStore store(folder.path() / "run");
  store.node(0, "server").node(1, "a");
  sim::ActivityRow& train = store.compute(1, "train", 3, 2);
  train.task = 0;
  train.ready_s = 2;
  store.task(0, 1, 0, 5, 1);
  store.aggregation(1, 5, 5);
  store.event("task_done", 5, 1, 0).order("aggregate", 5);
  store.end.virtual_time_s = 5;
  EXPECT_THAT(sums_of(read_tables(store.write()), 1),
              UnorderedElementsAre(Pair("memory", 2), Pair("queue", 1)));
}

TEST(Idle, ATaskThatDidNotFitAndOneThatWaitsForALane) {
  const TemporaryFolder folder;
  HandMadeStore store(folder.path() / "run");
  store.node(0, "server").node(1, "a").node(2, "b");
  sim::ActivityRow& train = store.compute(1, "train", 3, 2);
  train.task = 0;
  train.ready_s = 1;
  store.task(0, 1, 1, 5, 1);
  store.task(1, 2, 0, 2, 0).outcome = "out_of_memory";
  store.transfer(0, 2, "download", 0, 2).task = 1;
  store.aggregation(1, 5, 5);
  store.event("task_failed", 2, 2, 1).event("task_done", 5, 1, 0).order("aggregate", 5);
  store.end.virtual_time_s = 5;
  const RunTables run = read_tables(store.write());
  EXPECT_THAT(sums_of(run, 1), UnorderedElementsAre(Pair("not_selected", 1), Pair("queue", 2)));
  EXPECT_THAT(sums_of(run, 2), UnorderedElementsAre(Pair("link", 2), Pair("memory", 3)));
  EXPECT_THAT(path_of(read_rounds(run).at(0)),
              UnorderedElementsAre(Pair("queue", 2), Pair("compute", 2), Pair("other", 1)));
}

TEST(Metrics, AccuracyByTimeBytesAndEnergy) {
  const TemporaryFolder folder;
  HandMadeStore store(folder.path() / "run");
  store.run.scenario = "[evaluation]\ntarget = 0.5\n[stop]\naccuracy = 0.9\n";
  store.node(0, "server").node(1, "a");
  for (int i = 0; i < 4; ++i) {
    sim::TaskRow& task = store.task(i, 1, 10 * i, 10 * (i + 1), i + 1);
    task.bytes_down = 100;
    task.bytes_up = 50;
    task.samples = 32;
    store.aggregation(i + 1, 10 * (i + 1), 10 * (i + 1)).coverage_min = 4 - i;
  }
  // As recorded by the run: values of the meters, not sums of finished tasks.
  const auto judge = [&store](std::int64_t version, double time_s, double accuracy) {
    sim::EvaluationRow& row = store.evaluation(version, time_s, accuracy);
    row.bytes = 16 * time_s;
    row.energy_j = 3 * time_s;
    row.energy_server_j = 5 * time_s;
  };
  judge(0, 0, 0.1);
  judge(2, 20, 0.6);
  judge(3, 30, 0.4);
  judge(4, 40, 0.5);
  store.end.virtual_time_s = 50;
  const RunTables run = read_tables(store.write());
  const Curve curve = read_curve(run);
  ASSERT_EQ(curve.size(), 4);
  EXPECT_DOUBLE_EQ(curve[1].bytes.value(), 320);
  EXPECT_DOUBLE_EQ(curve[1].energy_j.value(), 60);
  EXPECT_DOUBLE_EQ(curve[1].energy_server_j.value(), 100);
  EXPECT_DOUBLE_EQ(curve[1].samples, 64);
  EXPECT_DOUBLE_EQ(curve[1].loss.value(), 0.4);
  EXPECT_EQ(target_of(run).value().accuracy, 0.5);
  EXPECT_EQ(target_of(run).value().from, "evaluation.target of the scenario");
  EXPECT_EQ(first_at(curve, 0.5)->time_s, 20);
  EXPECT_EQ(first_at(curve, 0.7), nullptr);
  // .1 for 20 s, .6 for 10, .4 for 10, .5 for 10
  EXPECT_NEAR(*accuracy_area(curve, 50), (2 + 6 + 4 + 5) / 50.0, 1e-12);
  EXPECT_NEAR(*accuracy_area(curve, 25), (2 + 3) / 25.0, 1e-12);
  EXPECT_EQ(accuracy_area({}, 25), std::nullopt);
  const RunFigures f = read_figures(run, curve);
  EXPECT_EQ(f.rounds, 4);
  EXPECT_EQ(f.coverage_min, 1);
  EXPECT_EQ(f.accuracy, 0.5);
  EXPECT_EQ(f.accuracy_best, 0.6);
  EXPECT_EQ(f.utilization, std::nullopt) << "nobody said what the nodes did";
}

// --- against the run itself ---------------------------------------------------------------------

constexpr const char* trying = R"(
name = "trying"
[[fleet.nodes]]
device = "jetson-orin-nx-16gb"
link = "wifi6"
count = 3
jitter = 0.3
[[fleet.nodes]]
device = "jetson-nano"
link = "lte"
count = 2
outages = [{ at_s = 40, for_s = 30 }]
[model]
architecture = "cnn-small"
[training]
learn = false
batch = 16
[schedule]
kind = "SCHEDULE"
[stop]
rounds = 12
)";

std::string with(const std::string& schedule) {
  std::string text = trying;
  return text.replace(text.find("SCHEDULE"), 8, schedule);
}

void expect_same_figures(const test::ScenarioRun& ran) {
  ASSERT_EQ(ran.result().status, sim::RunStatus::done) << ran.result().cause;
  const sim::Summary& s = ran.summary();
  const RunTables run = read_tables(ran.folder());
  const RunFigures f = read_figures(run, read_curve(run));
  EXPECT_EQ(f.rounds, s.rounds);
  EXPECT_EQ(f.tasks, s.tasks);
  EXPECT_EQ(f.tasks_aggregated, s.tasks_aggregated);
  EXPECT_EQ(f.tasks_dropped, s.tasks_dropped);
  EXPECT_EQ(f.tasks_failed, s.tasks_failed);
  EXPECT_DOUBLE_EQ(f.samples, s.samples);
  EXPECT_DOUBLE_EQ(f.virtual_time_s, s.virtual_time_s);
  EXPECT_NEAR(f.bytes_down, s.bytes_down, 1e-9 * s.bytes_down);
  EXPECT_NEAR(f.bytes_up, s.bytes_up, 1e-9 * s.bytes_up);
  EXPECT_NEAR(f.utilization.value(), s.utilization, 1e-12);
  EXPECT_NEAR(f.energy_j.value(), s.energy_j, 1e-9 * s.energy_j);
  EXPECT_NEAR(f.energy_server_j.value(), s.energy_server_j, 1e-9 * s.energy_server_j);
  EXPECT_NEAR(f.staleness_mean.value(), s.staleness_mean, 1e-12);
  EXPECT_EQ(f.staleness_max, s.staleness_max);
}

void expect_agreement(const test::ScenarioRun& ran) {
  expect_same_figures(ran);
  const sim::Summary& s = ran.summary();
  const RunTables run = read_tables(ran.folder());
  // Each node's time consists of computing and of idle time with causes.
  const std::vector<Round> rounds = read_rounds(run);
  const std::vector<IdleSums> sums = idle_sums(run, idle_intervals(run, rounds));
  ASSERT_EQ(rounds.size(), static_cast<std::size_t>(s.rounds));
  for (std::size_t i = 1; i < s.nodes.size(); ++i) {
    const auto of = [&](IdleCause cause) { return sums[i][static_cast<std::size_t>(cause)]; };
    double all = s.nodes[i].usage.busy_s;
    for (const double sum : sums[i]) all += sum;
    EXPECT_NEAR(all, s.virtual_time_s, 1e-6) << s.nodes[i].name.of(static_cast<sim::NodeId>(i));
    EXPECT_NEAR(of(IdleCause::link), s.nodes[i].usage.active_s - s.nodes[i].usage.busy_s, 1e-6);
    EXPECT_GE(of(IdleCause::outage) + 1e-6, s.nodes[i].usage.away_s)
        << s.nodes[i].name.of(static_cast<sim::NodeId>(i));
  }
  // The rounds follow one another, and their critical paths have no gap.
  double begin = 0;
  for (const Round& round : rounds) {
    EXPECT_DOUBLE_EQ(round.begin_s, begin);
    begin = round.end_s;
    double path = 0;
    for (const double part : round.path_s) path += part;
    EXPECT_NEAR(path, round.end_s - round.begin_s, 1e-6);
  }
}

TEST(MetricsOfARun, AgreeUnderFedAvg) { expect_agreement(test::ScenarioRun(with("fedavg"))); }
TEST(MetricsOfARun, AgreeUnderCoS2P) { expect_agreement(test::ScenarioRun(with("cos2p"))); }
TEST(MetricsOfARun, AgreeWhereUpdatesAreTooOldWhenTheyCome) {
  const test::ScenarioRun ran(with("fedasync\"\nfedasync.max_staleness = 1 #"));
  EXPECT_GT(ran.summary().tasks_dropped, 0);
  expect_same_figures(ran);
}
TEST(MetricsOfARun, AgreeWithFewParticipantsAndADeadline) {
  expect_agreement(
      test::ScenarioRun(with("fedavg\"\nfedavg.participants = 2\nfedavg.deadline_s = 20 #")));
}

}  // namespace
}  // namespace convoy::analysis
