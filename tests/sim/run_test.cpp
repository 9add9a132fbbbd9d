// Tests whole runs: degenerate cases, a schedule that is not federated, stops, the store.

#include "sim/run/run.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <cmath>

#include "tests/support/scenario_run.hpp"

namespace convoy::sim {
namespace {

using test::ScenarioRun;
using test::simple_scenario;
using testing::HasSubstr;

constexpr const char* no_cost = "compute_s = 0, download_bytes = 0, upload_bytes = 0";

TEST(Degenerate, TasksThatTakeNoTimeEndAtTimeZero) {
  const ScenarioRun run(simple_scenario({{"", ""}, "kind = \"cos2p\"", "rounds = 50", no_cost}));
  EXPECT_EQ(run.result().status, RunStatus::done);
  EXPECT_EQ(run.summary().rounds, 50);
  EXPECT_EQ(run.summary().virtual_time_s, 0);
  EXPECT_EQ(run.summary().utilization, 0);
}

TEST(Degenerate, TasksThatTakeNoTimeCannotReachATime) {
  const ScenarioRun run(
      simple_scenario({{"", ""}, "kind = \"fedavg\"", "virtual_time_s = 1", no_cost}));
  EXPECT_EQ(run.result().status, RunStatus::failed);
  EXPECT_THAT(run.result().cause, HasSubstr("virtual time stands still"));
}

TEST(Degenerate, NobodyIsThereAndNobodyComes) {
  const ScenarioRun run(simple_scenario({{"lost_at_s = 1e-6"}, "kind = \"fedavg\"", "rounds = 1"}));
  EXPECT_EQ(run.result().status, RunStatus::failed);
  EXPECT_THAT(run.result().cause, HasSubstr("1 of 1 nodes are away and none of them returns"));
}

TEST(Degenerate, NobodyIsThereUntilLater) {
  const ScenarioRun run(simple_scenario(
      {{"joins_at_s = 100", "joins_at_s = 100"}, "kind = \"fedavg\"", "rounds = 1"}));
  EXPECT_TIME(run.summary().virtual_time_s, 112.5);
}

TEST(Degenerate, EverybodyIsLostUnderFedAvg) {
  const ScenarioRun run(
      simple_scenario({{"lost_at_s = 20", "lost_at_s = 30"}, "kind = \"fedavg\"", "rounds = 9"}));
  EXPECT_EQ(run.result().status, RunStatus::failed);
  EXPECT_EQ(run.summary().rounds, 2);
  EXPECT_THAT(run.result().cause, HasSubstr("task 4 on jetson-agx-orin-64gb-1: node_lost"));
}

TEST(Degenerate, EverybodyIsLostUnderCoS2P) {
  const ScenarioRun run(
      simple_scenario({{"lost_at_s = 20", "lost_at_s = 30"}, "kind = \"cos2p\"", "rounds = 9"}));
  EXPECT_EQ(run.result().status, RunStatus::failed);
  EXPECT_THAT(run.result().cause, HasSubstr("2 of 2 nodes are away"));
}

TEST(Degenerate, EverybodyIsAwayWhenTheTimeIsUp) {
  const ScenarioRun run(
      simple_scenario({{"lost_at_s = 5"}, "kind = \"cos2p\"", "virtual_time_s = 50"}));
  EXPECT_EQ(run.result().status, RunStatus::done);
  EXPECT_TIME(run.summary().virtual_time_s, 50);
}

// The task takes 12 s, but the nodes are present for a second at a time: there is never an update.
void expect_hopeless(const std::string& kind) {
  const std::string flaky = "random_outages = { mean_up_s = 0.5, mean_down_s = 1 }";
  const ScenarioRun run(simple_scenario({{flaky, flaky}, "kind = \"" + kind + "\"", "rounds = 1"}));
  EXPECT_EQ(run.result().status, RunStatus::failed);
  EXPECT_THAT(run.result().cause, HasSubstr("1020 tasks in a row brought no update"));
  EXPECT_THAT(run.result().cause, HasSubstr("node_lost"));
}

TEST(Degenerate, NodesThatComeAndGoDoNotKeepADeadFedAvgGoing) { expect_hopeless("fedavg"); }
TEST(Degenerate, NodesThatComeAndGoDoNotKeepADeadCoS2PGoing) { expect_hopeless("cos2p"); }

TEST(Degenerate, ADeadlineThatNobodyMeetsEndsTheRun) {
  const ScenarioRun run(
      simple_scenario({{"", ""}, "kind = \"fedavg\"\nfedavg.deadline_s = 5", "rounds = 1"}));
  EXPECT_EQ(run.result().status, RunStatus::failed);
  EXPECT_THAT(run.result().cause, HasSubstr("given up by the schedule"));
}

TEST(Degenerate, ASlowFleetWithAFastNodeMeetsItsDeadlineNowAndThen) {
  // One participant per round, and one of eleven nodes is fast enough: most rounds bring no update.
  // In all, more tasks fail than may fail in a row.
  std::vector<std::string> nodes(10, "slowdown = 10");
  nodes.emplace_back("");
  const ScenarioRun run(
      simple_scenario({nodes, "kind = \"fedavg\"\nfedavg.participants = 1\nfedavg.deadline_s = 20",
                       "rounds = 200"}));
  EXPECT_EQ(run.result().status, RunStatus::done) << run.result().cause;
  EXPECT_EQ(run.summary().tasks, 200);
  EXPECT_GT(run.summary().tasks_failed, 1000 + 10 * 11);
}

TEST(Degenerate, ANodeThatComesLateIsWaitedForHoweverOftenOthersComeAndGo) {
  std::string text = simple_scenario({{"joins_at_s = 1e4"}, "kind = \"fedavg\"", "rounds = 1"});
  text.insert(text.find("[model]"),
              "[[fleet.nodes]]\ndevice = \"jetson-nano\"\nsamples = 0\n"
              "random_outages = { mean_up_s = 10, mean_down_s = 10 }\n");
  const ScenarioRun run(text);
  EXPECT_EQ(run.result().status, RunStatus::done);
}

TEST(Degenerate, ALostFleetIsAtRestWhenItIsLostNotAtAStaleDeadline) {
  const ScenarioRun run(simple_scenario({{"lost_at_s = 5", "lost_at_s = 5"},
                                         "kind = \"fedavg\"\nfedavg.deadline_s = 1e6",
                                         "rounds = 1"}));
  EXPECT_EQ(run.result().status, RunStatus::failed);
  EXPECT_TIME(run.summary().virtual_time_s, 5);
}

TEST(Instants, EverybodyWhoJoinsAtOneTimeIsInTheRoundOfThatTime) {
  const std::vector<std::string> nodes(9, "joins_at_s = 5");
  const ScenarioRun run(simple_scenario({nodes, "kind = \"fedavg\"", "rounds = 1"}));
  EXPECT_EQ(run.summary().tasks, 9);
}

TEST(Instants, NobodyIsGivenWorkAtTheTimeOfTheirLoss) {
  const std::vector<std::string> nodes(9, "outages = [{ at_s = 5, for_s = 5 }]");
  const ScenarioRun run(
      simple_scenario({nodes, "kind = \"fedavg\"\nfedavg.participants = 2", "rounds = 2"}));
  EXPECT_EQ(run.summary().tasks_failed, 2);
}

TEST(Degenerate, ATaskLargerThanEveryMemoryIsRefusedBeforeTheRun) {
  const std::string text =
      simple_scenario({{""},
                       "kind = \"fedavg\"",
                       "rounds = 1",
                       "compute_s = 1, download_bytes = 1, upload_bytes = 1, memory_bytes = 1e12"});
  EXPECT_THROW(ScenarioRun{text}, base::UserError);
}

TEST(Degenerate, AnAggregationLargerThanTheServersMemoryFailsWithItsCause) {
  // bert-base with a vocabulary ten times as large: the model takes 2.5 GiB, and so do the sums and
  // one update, on a server with a Nano's 4 GiB.
  const ScenarioRun run(
      "[fleet]\nserver = { device = \"jetson-nano\" }\n[[fleet.nodes]]\ndevice = "
      "\"jetson-agx-orin-64gb\"\nsamples = 1\n[model]\narchitecture = \"bert-base\"\nvocabulary = "
      "500000\n[training]\nbatch = 1\n[stop]\nrounds = 1\n");
  EXPECT_EQ(run.result().status, RunStatus::failed);
  EXPECT_THAT(run.result().cause, HasSubstr("the aggregation of version 1 failed on server"));
  EXPECT_THAT(run.result().cause, HasSubstr("out_of_memory"));
}

TEST(Degenerate, AFleetOfOne) {
  const ScenarioRun run(
      simple_scenario({{""}, "kind = \"cos2p\"\ncos2p.quorum = 0.1", "rounds = 3"}));
  EXPECT_TIME(run.summary().virtual_time_s, 37.5);
  EXPECT_EQ(run.summary().staleness_max, 0);
}

// --- a schedule that is not federated ---------------------------------------------------------

// Two stages over three nodes, batch after batch as one task with repetitions; no server, no
// aggregation, no model version: neither world nor run requires federated learning.
class Pipeline : public Schedule {
 public:
  Orders on(const Event& event) override {
    if (event.kind == EventKind::run_started) {
      return {Assign{.task = 0,
                     .graph = graph(),
                     .members = {1, 2, 3},
                     .report_activities = true,
                     .label = "pipeline"}};
    }
    if (event.kind == EventKind::activity_done) ++reported;
    if (event.kind == EventKind::task_done) return {Finish{}};
    return {};
  }
  [[nodiscard]] std::vector<PlannedTask> plan() const override {
    return {{1, "pipeline", graph(), {1, 2, 3}}};
  }

  static std::shared_ptr<const TaskGraph> graph() {
    auto made = std::make_shared<TaskGraph>(3);
    TaskGraph& g = *made;
    // Stage 0 on roles 0 and 1 (data parallel), stage 1 on role 2.
    std::vector<int> gradients;
    for (const int stage0 : {0, 1}) {
      const int forward =
          g.compute({.label = "forward", .at = stage0, .seconds = 1}, {}, {"activation", 1e6});
      const int there = g.transfer("activation", forward, 2);
      const int trained =
          g.compute({.label = "train", .at = 2, .seconds = 2}, {there}, {"gradient", 1e6});
      const int back = g.transfer("gradient", trained, stage0);
      gradients.push_back(g.compute({.label = "backward", .at = stage0, .seconds = 2}, {back},
                                    {"weights' gradient", 2e6}));
    }
    // All-reduce: each node sends everything to the other and adds.
    for (const int stage0 : {0, 1}) {
      const int sent = g.transfer("all-reduce", gradients[stage0], 1 - stage0);
      g.order(g.producer(gradients[1 - stage0]), g.producer(sent));
      g.compute({.label = "update", .at = 1 - stage0, .seconds = 0.5}, {sent}, {"weights", 0});
    }
    g.repeat(4);
    return made;
  }

  int reported = 0;
};

TEST(NotFederated, APipelineWithAnAllReduceRunsThroughTheSameRunAndStore) {
  // Forward 0-1 on both; activations 1-2 and (one receive lane) 2-3; stage 1 trains 2-4, 4-6; the
  // gradients arrive at 5 and 7; backward until 7 and 9; all-reduce 9-11 both ways; update: 11.5.
  const ScenarioRun run(simple_scenario({{"", "", ""}, "kind = \"fedavg\"", "rounds = 1"}),
                        {"pipeline", [](const auto&) { return std::make_unique<Pipeline>(); }});
  EXPECT_EQ(run.result().status, RunStatus::done);
  EXPECT_TIME(run.summary().virtual_time_s, 4 * 11.5);
  EXPECT_EQ(run.summary().rounds, 0);
  EXPECT_TIME(run.summary().nodes[3].usage.busy_s, 4 * 4);
  EXPECT_EQ(run.activities("update").size(), 8);
  EXPECT_EQ(run.times_of("activity_done").size(), 4 * 14);
  EXPECT_EQ(run.summary().bytes_down, 0);
}

// --- stops, records ---------------------------------------------------------------------------

TEST(Stops, ATimeEndsTheRunInTheMiddle) {
  const ScenarioRun run(simple_scenario({{""}, "kind = \"fedavg\"", "virtual_time_s = 18"}));
  EXPECT_EQ(run.result().status, RunStatus::done);
  EXPECT_TIME(run.summary().virtual_time_s, 18);
  EXPECT_EQ(run.summary().rounds, 1);
  // The second task had begun at 12.5 and trained from 13.5.
  EXPECT_EQ(run.tasks()[1].outcome, "run_ended");
  EXPECT_TIME(run.summary().nodes[1].usage.busy_s, 10 + 4.5);
}

TEST(Stops, TasksCountWhatWasAggregated) {
  const ScenarioRun run(simple_scenario({{"", ""}, "kind = \"fedavg\"", "tasks = 3"}));
  EXPECT_EQ(run.summary().rounds, 2);
  EXPECT_EQ(run.summary().tasks_aggregated, 4);
}

TEST(Stops, AnInterruptionLeavesAStoreThatCanBeResumed) {
  const test::TemporaryFolder folder;
  const Scenario scenario =
      test::read_or_fail(simple_scenario({{""}, "kind = \"fedavg\"", "rounds = 1000"}));
  std::atomic<bool> interrupted = false;
  RunOptions options;
  options.folder = folder.path();
  options.interrupted = &interrupted;
  options.progress = [&](const Progress& progress) { interrupted = progress.rounds >= 3; };
  const RunResult result = run(scenario, options);
  EXPECT_EQ(result.status, RunStatus::stopped);
  EXPECT_EQ(read_run(folder.path()).status, RunStatus::stopped);
  EXPECT_GE(result.summary.rounds, 3);
  EXPECT_LT(result.summary.rounds, 10);
}

TEST(Records, ByTaskLeavesTheActivitiesOut) {
  std::string text = simple_scenario({{""}, "kind = \"fedavg\"", "rounds = 2"});
  const ScenarioRun run(text + "[output]\nrecord = \"task\"\n");
  EXPECT_TRUE(run.activities().empty());
  ASSERT_EQ(run.tasks().size(), 2);
  SQLite::Database database(run.folder() / "run.sqlite", SQLite::OPEN_READONLY);
  EXPECT_DOUBLE_EQ(database.execAndGet("SELECT busy_s FROM task WHERE id = 1").getDouble(), 10);
  EXPECT_DOUBLE_EQ(database.execAndGet("SELECT bytes_up FROM task WHERE id = 1").getDouble(), 1e6);
}

TEST(Records, TheStoresSumsAreTheSummarys) {
  const ScenarioRun run(
      simple_scenario({{"", "slowdown = 3", "lost_at_s = 40"}, "kind = \"cos2p\"", "rounds = 8"}));
  SQLite::Database database(run.folder() / "run.sqlite", SQLite::OPEN_READONLY);
  const auto number = [&](const std::string& query) {
    return database.execAndGet(query).getDouble();
  };
  const Summary& s = run.summary();
  EXPECT_EQ(number("PRAGMA user_version"), store_version);
  EXPECT_EQ(number("SELECT COUNT(*) FROM aggregation"), s.rounds);
  EXPECT_EQ(number("SELECT SUM(updates) FROM aggregation"), s.tasks_aggregated);
  EXPECT_EQ(number("SELECT COUNT(*) FROM task WHERE outcome = 'aggregated'"), s.tasks_aggregated);
  EXPECT_NEAR(number("SELECT SUM(end_s - start_s) FROM activity WHERE label = 'train'"),
              s.utilization * 3 * s.virtual_time_s, 1e-6);
  EXPECT_EQ(number("SELECT SUM(bytes) FROM activity WHERE label = 'upload' AND cause = ''"),
            s.bytes_up);
  EXPECT_EQ(number("SELECT AVG(staleness) FROM task WHERE outcome = 'aggregated'"),
            s.staleness_mean);
  // Every event and order is in the journal: an assign for each task.
  EXPECT_EQ(number("SELECT COUNT(*) FROM journal WHERE kind = 'assign'"),
            number("SELECT COUNT(*) FROM task"));
  // Every order names the event that caused it, an earlier one of its instant; events name none.
  EXPECT_EQ(number("SELECT COUNT(*) FROM journal WHERE (entry = 'order') != (because NOT NULL)"),
            0);
  EXPECT_EQ(number("SELECT COUNT(*) FROM journal o LEFT JOIN journal e ON e.sequence = o.because "
                   "WHERE o.entry = 'order' AND (e.entry IS NOT 'event' OR e.time_s != o.time_s OR "
                   "e.sequence > o.sequence)"),
            0);
}

TEST(Equivalence, CoS2PWithAQuorumOfAllIsFedAvgWithTheSameSubmodels) {
  const std::string fleet =
      "[fleet]\nuse = \"jetson16\"\n[model]\narchitecture = \"vit-micro\"\n"
      "[data]\nsamples = 1600\n[stop]\nrounds = 4\n";
  const std::string rates = "rates = { 64gb = 1.0, 32gb = 0.75, 16gb = 0.5, 8gb = 0.25 }\n";
  const Scenario sync = test::read_or_fail(fleet + "[schedule]\nkind = \"fedavg\"\n" + rates);
  const ScenarioRun run(fleet + "[schedule]\nkind = \"cos2p\"\ncos2p.quorum = 1.0\n" + rates);
  // A process can have one world: the other one runs in a child process, by the command line.
  const test::TemporaryFolder folder;
  const std::string file =
      folder.write("s.toml", fleet + "[schedule]\nkind = \"fedavg\"\n" + rates);
  const test::Output other =
      test::convoy("run " + file + " -o " + (folder.path() / "r").string() + " --quiet");
  ASSERT_EQ(other.status, 0) << other.err;
  SQLite::Database database(folder.path() / "r" / "run.sqlite", SQLite::OPEN_READONLY);
  const auto versions = run.versions();
  for (int v = 1; v <= 4; ++v) {
    const std::string query = "SELECT end_s FROM aggregation WHERE version = " + std::to_string(v);
    EXPECT_TIME(database.execAndGet(query).getDouble(), versions.at(v - 1));
  }
}

}  // namespace
}  // namespace convoy::sim
