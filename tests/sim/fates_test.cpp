// What becomes of each update that a node is to make: one fate, in the counts and in its row, and
// a run that finds that they do not add up.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <memory>

#include "sim/run/recorder.hpp"
#include "tests/support/scenario_run.hpp"

namespace convoy::sim {
namespace {

using test::query_store;
using test::ScenarioRun;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

// --- the books ----------------------------------------------------------------------------------

class Books : public testing::Test {
 protected:
  static Assign update(TaskId id) {
    return {.task = id, .members = {server_node, 1}, .worker = 1, .label = "train", .samples = 10};
  }
  // The server's, of these results.
  static Assign taking(TaskId id, std::vector<TaskId> results, bool publishes) {
    return {.task = id,
            .members = {server_node},
            .kind = TaskKind::aggregation,
            .consumes = std::move(results),
            .publishes = publishes ? 0 : -1,
            .label = "aggregate"};
  }
  void done(TaskId id) {
    books.assigned(update(id), 0, 0);
    books.task_done(id, 1, nullptr);
  }
  Summary closed() {
    books.run_ended(9);
    Summary summary;
    ByGroup<NodeConfig> nodes(2);
    nodes[1].name = "the one with the data";
    books.count_into(summary, nodes);
    return summary;
  }

  Recorder books{nullptr, RecordLevel::task};
};

TEST_F(Books, EveryFateIsCountedOnce) {
  for (const TaskId id : {1, 2, 3, 4}) done(id);
  books.assigned(taking(100, {1}, true), 0, 1);
  books.task_done(100, 2, nullptr);
  books.published(100, 1, 2, nullptr);
  books.task_failed(2, Cause::stale, 3);
  for (const TaskId id : {5, 6, 7}) books.assigned(update(id), 1, 3);
  books.task_failed(5, Cause::cancelled, 4);
  books.task_failed(6, Cause::node_lost, 4);
  const Summary s = closed();  // 3 and 4 wait, 7 is under way
  EXPECT_EQ(books.miscounted(), "");
  EXPECT_EQ(s.tasks_assigned, 7);
  EXPECT_EQ(s.tasks, 4);
  EXPECT_EQ(s.tasks_aggregated, 1);
  EXPECT_EQ(s.tasks_dropped, 1);
  EXPECT_EQ(s.tasks_buffered, 2);
  EXPECT_EQ(s.tasks_failed, 2);
  EXPECT_EQ(s.tasks_run_ended, 1);
  EXPECT_THAT(s.dropped, ElementsAre(Pair("stale", 1)));
  EXPECT_THAT(s.failures, ElementsAre(Pair("cancelled", 1), Pair("node_lost", 1)));
}

// The result of a combination stands for the updates in it; an aggregation that comes to nothing
// leaves them where they were.
TEST_F(Books, WhatIsDroppedTakesAlongWhatIsInIt) {
  for (const TaskId id : {1, 2, 3}) done(id);
  books.assigned(taking(100, {1, 2}, false), 0, 1);
  books.task_done(100, 2, nullptr);
  books.task_failed(100, Cause::stale, 3);
  books.assigned(taking(101, {3}, true), 0, 3);
  books.task_done(101, 4, nullptr);
  books.task_failed(101, Cause::stale, 4);
  const Summary s = closed();
  EXPECT_EQ(books.miscounted(), "");
  EXPECT_EQ(s.tasks, 3);
  EXPECT_EQ(s.tasks_dropped, 2);
  EXPECT_EQ(s.tasks_buffered, 1);
  EXPECT_EQ(s.tasks_failed, 0);
}

TEST_F(Books, UpdatesThatAnAggregationLeavesOutAreDropped) {
  for (const TaskId id : {1, 2, 3}) done(id);
  books.assigned(taking(100, {1, 2, 3}, true), 0, 1);
  books.task_done(100, 2, nullptr);
  TaskLearned learned;
  learned.aggregation = {.shares = {0.5, 0, 0.5}, .left_out = {1}};
  books.published(100, 1, 2, &learned);
  const Summary s = closed();
  EXPECT_EQ(books.miscounted(), "");
  EXPECT_EQ(s.tasks_aggregated, 2);
  EXPECT_EQ(s.tasks_dropped, 1);
  EXPECT_THAT(s.dropped, ElementsAre(Pair("left_out", 1)));
  EXPECT_THAT(s.failures, IsEmpty());
  EXPECT_THAT(s.remarks, ElementsAre(testing::AllOf(HasSubstr("1 updates were left out"),
                                                    HasSubstr("the one with the data"))));
}

TEST_F(Books, AnEvaluationThatIsNotFiniteIsToldOf) {
  engine::Evaluation evaluation;
  evaluation.exits.push_back({.after = 1, .loss = 0.5});
  books.evaluated(evaluation, 1, 1);
  for (const double loss :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    evaluation.exits[0].loss = loss;
    books.evaluated(evaluation, loss > 0 ? 5 : 4, 2);
  }
  const Summary s = closed();
  EXPECT_THAT(s.remarks,
              ElementsAre(HasSubstr(
                  "the loss of 2 evaluations was NaN or infinite, first that of version 4")));
  EXPECT_TRUE(s.curve.at(0).loss);
  EXPECT_FALSE(s.curve.at(1).loss);
  EXPECT_FALSE(s.curve.at(2).loss);
}

TEST_F(Books, AnUpdateThatMakesAVersionItselfIsInIt) {
  Assign own = update(1);
  own.publishes = 0;
  books.assigned(own, 0, 0);
  books.task_done(1, 1, nullptr);
  books.published(1, 1, 1, nullptr);
  const Summary s = closed();
  EXPECT_EQ(books.miscounted(), "");
  EXPECT_EQ(s.tasks_aggregated, 1);
}

TEST_F(Books, ThatDoNotAddUpSayWhere) {
  done(1);
  books.task_done(1, 2, nullptr);  // twice
  closed();
  EXPECT_THAT(books.miscounted(), HasSubstr("given 1 updates to make, and 2 have a fate: 2 came"));
}

TEST_F(Books, OfAnUpdateWhoseEndIsUnknownSayWhere) {
  done(1);
  EXPECT_THAT(books.miscounted(), HasSubstr("1 updates came to their end, and of 0 it is known"))
      << "the run is not over";
  closed();
  EXPECT_EQ(books.miscounted(), "");
}

TEST_F(Books, ThatBreakARuleSayWhich) {
  const auto says = [](const std::function<void(Recorder&)>& what) {
    Recorder made(nullptr, RecordLevel::task);
    made.expect_staleness(2);
    what(made);
    made.run_ended(9);
    return made.miscounted();
  };
  // An update from version `base` in a version of its own.
  const auto version_of = [](Recorder& made, TaskId id, std::int64_t base, std::int64_t version) {
    made.assigned(update(id), base, 0);
    made.task_done(id, 1, nullptr);
    made.assigned(taking(100 + id, {id}, true), version - 1, 1);
    made.task_done(100 + id, 2, nullptr);
    made.published(100 + id, version, 2, nullptr);
  };
  EXPECT_EQ(says([&](Recorder& made) {
              for (const std::int64_t version : {1, 2, 3}) version_of(made, version, 0, version);
            }),
            "");
  EXPECT_THAT(says([&](Recorder& made) { version_of(made, 1, 0, 4); }),
              HasSubstr("version 4 contains the update of task 1, which is 3 versions older"));
  EXPECT_THAT(says([&](Recorder& made) { version_of(made, 1, 1, 1); }),
              HasSubstr("-1 versions older"));
  EXPECT_THAT(says([&](Recorder& made) {
                version_of(made, 1, 0, 2);
                version_of(made, 2, 0, 2);
              }),
              HasSubstr("version 2 came after 2"));
}

TEST_F(Books, MissNoTransferOfATaskThatIsDone) {
  auto graph = std::make_shared<TaskGraph>(2);
  graph->transfer("download", graph->artifact("model", 100, 0), 1);
  graph->repeat(2);
  Assign order = update(1);
  order.graph = graph;
  books.assigned(order, 0, 0);
  ActivityRecord record;
  record.task = 1;
  record.node = server_node;
  record.peer = 1;
  record.what = &graph->activities()[0];
  books.activity(record);
  record.cause = Cause::node_lost;
  books.activity(record);  // in part
  books.task_done(1, 1, nullptr);
  closed();
  EXPECT_THAT(books.miscounted(),
              HasSubstr("task 1 is done, and 1 of its transfers are not counted"));
}

// --- runs ---------------------------------------------------------------------------------------

// The counts of a run that is over, by its own word, are those of its rows.
void expect_one_fate_each(const ScenarioRun& run) {
  const Summary& s = run.summary();
  EXPECT_EQ(s.tasks_assigned, s.tasks + s.tasks_failed + s.tasks_run_ended);
  EXPECT_EQ(s.tasks, s.tasks_aggregated + s.tasks_dropped + s.tasks_buffered);
  const auto rows = [&](const std::string& where) {
    return std::stoll(
        query_store(run.folder(), "SELECT COUNT(*) FROM task WHERE kind = 'update'" + where)[0]);
  };
  EXPECT_EQ(s.tasks_assigned, rows(""));
  EXPECT_EQ(s.tasks_aggregated, rows(" AND outcome IN ('aggregated', 'published')"));
  EXPECT_EQ(s.tasks_dropped, rows(" AND outcome IN ('stale', 'left_out')"));
  EXPECT_EQ(s.tasks_buffered, rows(" AND outcome = 'buffered'"));
  EXPECT_EQ(s.tasks_run_ended, rows(" AND outcome = 'run_ended'"));
  std::int64_t done = 0;
  std::int64_t failed = 0;
  for (const NodeSummary& node : s.nodes) {
    if (&node == &s.nodes[server_node]) continue;
    done += node.usage.tasks;
    failed += node.usage.tasks_failed;
  }
  EXPECT_EQ(s.tasks, done);
  EXPECT_EQ(s.tasks_failed, failed);
}

// Versions at 12.5, 25, ... of the fast node; the slow one ends at 52, four versions behind.
TEST(Fates, AnUpdateThatIsTooOldWhenItComesIsStaleAndNotFailed) {
  const ScenarioRun run(test::simple_scenario(
      {{"", "slowdown = 5"},
       "kind = \"fedbuff\"\n[schedule.fedbuff]\nbuffer = 1\nmax_staleness = 1",
       "rounds = 6"}));
  ASSERT_EQ(run.result().status, RunStatus::done) << run.result().cause;
  expect_one_fate_each(run);
  const Summary& s = run.summary();
  EXPECT_EQ(s.tasks_dropped, 1);
  EXPECT_THAT(s.dropped, ElementsAre(Pair("stale", 1)));
  EXPECT_EQ(s.tasks_failed, 0);
  EXPECT_THAT(s.failures, IsEmpty());
  EXPECT_THAT(query_store(run.folder(),
                          "SELECT outcome, node, ROUND(ended_s) FROM task WHERE outcome NOT IN "
                          "('aggregated', 'published', 'run_ended', 'buffered')"),
              ElementsAre("stale|2|52.0"));
}

class FatesUnder : public testing::TestWithParam<const char*> {};

TEST_P(FatesUnder, AScheduleThatGivesUpAreOneEach) {
  const ScenarioRun run(test::simple_scenario(
      {{"", "slowdown = 3", "lost_at_s = 40", "slowdown = 7"}, GetParam(), "tasks = 14"}));
  ASSERT_EQ(run.result().status, RunStatus::done) << run.result().cause;
  expect_one_fate_each(run);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, FatesUnder,
    testing::Values("kind = \"fedavg\"\n[schedule.fedavg]\ndeadline_s = 20",
                    "kind = \"cos2p\"\n[schedule.cos2p]\nmax_staleness = 2\non_stale = \"drop\"",
                    "kind = \"fedbuff\"\n[schedule.fedbuff]\nbuffer = 2\nmax_staleness = 0"));

}  // namespace
}  // namespace convoy::sim
