// Tests runs whose tasks are not federated rounds: hierarchies of aggregations, several
// aggregations at once, versions without aggregations, runs without versions; timing and learning,
// and forbidden orders of a schedule.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "sim/schedule/client_pool.hpp"
#include "tests/support/programs.hpp"
#include "tests/support/read_kind.hpp"
#include "tests/support/scenario_run.hpp"

namespace convoy::sim {
namespace {

using test::query_store;
using test::ScenarioRun;
using testing::HasSubstr;

// One compute on a node that takes results and replaces them by one.
std::shared_ptr<const TaskGraph> taking(int results, double seconds, engine::Work work,
                                        bool version) {
  auto graph = std::make_shared<TaskGraph>(1);
  std::vector<int> inputs;
  if (version) inputs.push_back(graph->artifact("model", 1e6, 0));
  for (int i = 0; i < results; ++i) inputs.push_back(graph->artifact("update", 1e6, 0));
  graph->compute({.label = "aggregate", .seconds = seconds, .work = work}, inputs, {"sum", 1e6});
  return graph;
}

// Nodes 1 and 2 are the servers of two halves of the other nodes: each combines its half's updates,
// and the server aggregates both results. A second kind of aggregation goes on meanwhile: with
// `alone` node 3 publishes by itself.
class Hierarchy : public Schedule {
 public:
  explicit Hierarchy(const std::shared_ptr<const Setting>& setting)
      : clients_(setting, ClientPoolOptions{}) {}

  Orders on(const Event& event) override {
    Orders orders;
    const auto half = [](NodeId node) { return static_cast<std::size_t>(node % 2); };
    if (event.kind == EventKind::run_started || event.kind == EventKind::published) {
      for (NodeId node = 3; node <= 6; ++node) orders.emplace_back(clients_.assign(node));
    } else if (event.kind == EventKind::task_done && event.task < 1'000) {
      clients_.done(event.task);
      std::vector<TaskId>& mine = updates_.at(half(event.node));
      mine.push_back(event.task);
      if (mine.size() == 2) {
        const NodeId edge = half(event.node) == 0 ? 2 : 1;
        orders.emplace_back(take(std::exchange(mine, {}), edge, engine::Combine{}, 0.25, false));
      }
    } else if (event.kind == EventKind::task_done && event.node != server_node) {
      combined_.push_back(event.task);
      if (combined_.size() == 2) {
        orders.emplace_back(
            take(std::exchange(combined_, {}), server_node, engine::Aggregate{}, 0.5, true));
      }
    }
    return orders;
  }
  [[nodiscard]] std::vector<PlannedTask> plan() const override { return {}; }

 private:
  Assign take(std::vector<TaskId> tasks, NodeId node, const engine::Work& work, double seconds,
              bool publishes) {
    const auto graph = taking(static_cast<int>(tasks.size()), seconds, work, publishes);
    return {.task = next_++,
            .graph = graph,
            .members = {node},
            .kind = TaskKind::aggregation,
            .consumes = std::move(tasks),
            .publishes = publishes ? graph->result() : -1,
            .label = "aggregate"};
  }

  mutable ClientPool clients_;
  std::array<std::vector<TaskId>, 2> updates_;
  std::vector<TaskId> combined_;
  TaskId next_ = 1'000;
};

ScheduleSpec hierarchy() {
  return {
      "hierarchy", [](const auto& setting) { return std::make_unique<Hierarchy>(setting); }, {}};
}

std::string six_nodes(const std::string& stop) {
  return test::simple_scenario({{"", "", "", "", "", ""}, "kind = \"fedavg\"", stop});
}

TEST(Tasks, AHierarchyHasAggregationsUnderWayAtOnce) {
  // 1 down, 10, 1 up = 12; both edges combine for 0.25 at once; 0.5 on the server: 12.75 a round.
  const ScenarioRun run(six_nodes("rounds = 2"), hierarchy());
  EXPECT_EQ(run.result().status, RunStatus::done) << run.result().cause;
  EXPECT_TIME(run.summary().virtual_time_s, 2 * 12.75);
  EXPECT_EQ(run.summary().tasks, 8);  // node updates only
  EXPECT_EQ(run.summary().tasks_aggregated, 8);
  EXPECT_EQ(run.summary().rounds, 2);
  EXPECT_THAT(
      query_store(run.folder(),
                  "SELECT kind, outcome, COUNT(*), COUNT(DISTINCT consumed_by), "
                  "MIN(aggregated_version), MAX(aggregated_version) FROM task GROUP BY 1, 2 "
                  "ORDER BY 1, 2"),
      testing::ElementsAre("aggregation|aggregated|4|2|1|2", "aggregation|published|2|0||",
                           "update|aggregated|8|4|1|2"));
  EXPECT_THAT(query_store(run.folder(), "SELECT updates, task >= 1000 FROM aggregation"),
              testing::ElementsAre("4|1", "4|1"));
}

// Another schedule that promises fresh updates.
class Boastful : public Schedule {
 public:
  explicit Boastful(std::unique_ptr<Schedule> other) : other_(std::move(other)) {}
  Orders on(const Event& event) override { return other_->on(event); }
  [[nodiscard]] std::vector<PlannedTask> plan() const override { return other_->plan(); }
  [[nodiscard]] std::optional<std::int64_t> max_staleness() const override { return 0; }

 private:
  std::unique_ptr<Schedule> other_;
};

// Each update is a version, and six are under way.
ScheduleSpec six_versions_apart() {
  return read_kind(schedules::fedbuff(), "[schedule.fedbuff]\nbuffer = 1\nmax_staleness = 5\n");
}

TEST(Tasks, AnUpdateAsOldAsItsScheduleAllowsIsInAVersion) {
  const ScenarioRun run(six_nodes("rounds = 6"), six_versions_apart());
  EXPECT_EQ(run.result().status, RunStatus::done) << run.result().cause;
  EXPECT_EQ(run.summary().staleness_max, 5);
}

TEST(Tasks, AnUpdateOlderThanItsSchedulePromisesFailsTheRun) {
  const ScheduleSpec other = six_versions_apart();
  const ScenarioRun run(
      six_nodes("rounds = 6"),
      {"boastful",
       [&](const auto& setting) { return std::make_unique<Boastful>(other.make(setting)); },
       other.learning});
  EXPECT_EQ(run.result().status, RunStatus::failed);
  EXPECT_THAT(run.result().cause, HasSubstr("which is 1 versions older than the one before it"));
}

TEST(Tasks, StopTasksCountsUpdatesThroughAHierarchy) {
  const ScenarioRun run(six_nodes("tasks = 5"), hierarchy());
  EXPECT_EQ(run.summary().rounds, 2);
}

// Each node in turn trains the previous node's result and publishes it: there is no aggregation.
class Cyclic : public Schedule {
 public:
  explicit Cyclic(const std::shared_ptr<const Setting>& setting, bool publishes = true)
      : clients_(setting, ClientPoolOptions{}), publishes_(publishes) {}
  Orders on(const Event& event) override {
    const bool next =
        publishes_ ? event.kind == EventKind::published : event.kind == EventKind::task_done;
    if (event.kind == EventKind::evaluated) ++evaluated;
    if (event.kind != EventKind::run_started && !next) return {};
    const std::vector<NodeId>& members = clients_.members();
    Assign assign = clients_.assign(members[static_cast<std::size_t>(turn_++) % members.size()]);
    if (publishes_) assign.publishes = assign.graph->result();
    Orders orders;
    orders.emplace_back(std::move(assign));
    orders.emplace_back(Evaluate{});
    return orders;
  }
  [[nodiscard]] std::vector<PlannedTask> plan() const override { return clients_.plan(); }
  int evaluated = 0;

 private:
  mutable ClientPool clients_;
  bool publishes_;
  int turn_ = 0;
};

ScheduleSpec cyclic(bool publishes = true) {
  return {"cyclic",
          [publishes](const auto& setting) { return std::make_unique<Cyclic>(setting, publishes); },
          {}};
}

constexpr const char* learning = R"(
seed = 3
[[fleet.nodes]]
device = "jetson-nano"
count = 3
[model]
architecture = "mlp"
[data]
samples = 300
test_samples = 100
[training]
learn = true
batch = 10
optimizer = { kind = "sgd", learning_rate = 0.05, momentum = 0.9 }
[evaluation]
every = 0
)";

TEST(Tasks, AScheduleWithoutAggregationIsTimedEvaluatedAndStopped) {
  const ScenarioRun timing(test::simple_scenario({{"", ""}, "kind = \"fedavg\"", "rounds = 3"}),
                           cyclic());
  EXPECT_TIME(timing.summary().virtual_time_s, 36);
  EXPECT_EQ(timing.summary().tasks, 3);
  EXPECT_EQ(timing.summary().tasks_aggregated, 3);
  EXPECT_EQ(timing.summary().staleness_max, 0);
  EXPECT_THAT(query_store(timing.folder(),
                          "SELECT version, start_s = end_s, updates, (SELECT node FROM task WHERE "
                          "id = aggregation.task) FROM aggregation"),
              testing::ElementsAre("1|1|1|1", "2|1|1|2", "3|1|1|1"));
}

TEST(Tasks, AScheduleWithoutAggregationLearns) {
  const ScenarioRun run(std::string(learning) + "[stop]\ntasks = 6\n", cyclic());
  EXPECT_EQ(run.result().status, RunStatus::done) << run.result().cause;
  EXPECT_EQ(run.summary().rounds, 6);
  // Evaluated: the versions that the schedule asked for, and the last one, however the run ends.
  EXPECT_THAT(query_store(run.folder(), "SELECT COUNT(DISTINCT version) FROM evaluation"),
              testing::ElementsAre("7"));
  EXPECT_GT(*run.summary().accuracy_best, 0.25);
}

TEST(Tasks, AScheduleThatNeverPublishesIsEvaluatedWheneverItAsks) {
  const ScenarioRun run(std::string(learning) + "[stop]\nvirtual_time_s = 2\n", cyclic(false));
  EXPECT_EQ(run.result().status, RunStatus::done) << run.result().cause;
  EXPECT_EQ(run.summary().rounds, 0);
  EXPECT_GT(run.summary().tasks, 3);
  const auto evaluated = run.times_of("evaluated");
  EXPECT_GE(static_cast<std::int64_t>(evaluated.size()), run.summary().tasks);
}

TEST(Tasks, AHierarchyLearns) {
  std::string scenario = learning;
  scenario.replace(scenario.find("count = 3"), 9, "count = 6");
  const ScenarioRun run(scenario + "[stop]\nrounds = 40\n", hierarchy());
  EXPECT_EQ(run.result().status, RunStatus::done) << run.result().cause;
  EXPECT_GT(*run.summary().accuracy_best, 0.25);
  // The shares in each result: four times two halves, and the two halves.
  EXPECT_THAT(query_store(run.folder(),
                          "SELECT consumed_by, ROUND(SUM(share), 9) FROM task WHERE consumed_by IN "
                          "(SELECT task FROM aggregation) GROUP BY 1"),
              testing::Each(testing::EndsWith("|1.0")));
}

// A schedule that gives the test's orders once.
class Once : public Schedule {
 public:
  explicit Once(std::function<Orders(ClientPool&, const Event&)> on,
                std::shared_ptr<const Setting> s)
      : clients_(std::move(s), ClientPoolOptions{}), on_(std::move(on)) {}
  Orders on(const Event& event) override { return on_(clients_, event); }
  [[nodiscard]] std::vector<PlannedTask> plan() const override { return {}; }

 private:
  ClientPool clients_;
  std::function<Orders(ClientPool&, const Event&)> on_;
};

std::string cause_of(std::function<Orders(ClientPool&, const Event&)> on) {
  const ScenarioRun run(
      test::simple_scenario({{"", ""}, "kind = \"fedavg\"", "rounds = 3"}),
      {"once", [on](const auto& setting) { return std::make_unique<Once>(on, setting); }, {}});
  EXPECT_EQ(run.result().status, RunStatus::failed);
  return run.result().cause;
}

TEST(Tasks, AResultThatIsNotThereCannotBeTaken) {
  EXPECT_THAT(cause_of([](ClientPool& clients, const Event& event) -> Orders {
                if (event.kind != EventKind::run_started) return {};
                return {clients.assign(1), clients.aggregate({0})};
              }),
              HasSubstr("gave the result of task 0"));
}

TEST(Tasks, AResultIsTakenOnce) {
  EXPECT_THAT(cause_of([](ClientPool& clients, const Event& event) -> Orders {
                if (event.kind == EventKind::run_started) return {clients.assign(1)};
                if (event.kind != EventKind::task_done) return {};
                Assign first = clients.aggregate({0});
                Assign second = first;
                ++second.task;
                return {first, second};
              }),
              HasSubstr("another took it"));
}

TEST(Tasks, WhatNobodyHasCannotBeCancelled) {
  EXPECT_THAT(cause_of([](ClientPool&, const Event& event) -> Orders {
                if (event.kind != EventKind::run_started) return {};
                return {Cancel{7}};
              }),
              HasSubstr("cancelled task 7"));
}

// The results taken by a cancelled aggregation are free again.
TEST(Tasks, ResultsOfACancelledAggregationAreFreeAgain) {
  int aggregations = 0;
  const auto on = [&](ClientPool& clients, const Event& event) -> Orders {
    if (event.kind == EventKind::run_started) return {clients.assign(1), clients.assign(2)};
    if (event.kind == EventKind::task_done && event.task == 1) {
      Assign first = clients.aggregate({0, 1});
      Assign again = first;
      ++again.task;
      ++aggregations;
      return {first, Cancel{first.task}, again};
    }
    return {};
  };
  const ScenarioRun run(
      test::simple_scenario({{"", ""}, "kind = \"fedavg\"", "rounds = 1"}),
      {"once", [&](const auto& setting) { return std::make_unique<Once>(on, setting); }, {}});
  EXPECT_EQ(run.result().status, RunStatus::done) << run.result().cause;
  EXPECT_EQ(run.summary().tasks_failed, 0);  // of nodes; aggregations are not counted
  EXPECT_EQ(run.summary().tasks_aggregated, 2);
  EXPECT_THAT(query_store(run.folder(), "SELECT outcome FROM task WHERE kind = 'aggregation'"),
              testing::ElementsAre("cancelled", "published"));
}

// --- rules that do not keep their word ----------------------------------------------------------

class Doubling : public engine::Rule {
 public:
  [[nodiscard]] std::string name() const override { return "doubling"; }
  [[nodiscard]] std::vector<double> shares(const engine::Updates& updates) const override {
    return std::vector<double>(updates.size(), 2.0 / static_cast<double>(updates.size()));
  }
};

class Exploding : public engine::Rule {
 public:
  [[nodiscard]] std::string name() const override { return "exploding"; }
  void combine(const engine::Elements& e, std::span<double> change) const override {
    std::fill_n(change.begin(), e.size, 1e300);
  }
};

RunResult learned_by(std::shared_ptr<const engine::Rule> rule) {
  Scenario scenario = test::read_or_fail(std::string(learning) +
                                         "[schedule]\nkind = \"fedavg\"\n[stop]\nrounds = 2\n");
  scenario.schedule.learning.aggregation.rule = std::move(rule);
  return run(scenario, {});
}

// Two tasks end at the same instant and both publish: each version is evaluated.
TEST(Tasks, VersionsOfOneInstantAreJudgedOneByOne) {
  std::string scenario = learning;
  scenario.replace(scenario.find("count = 3"), 9, "count = 2");
  scenario.replace(scenario.find("every = 0"), 9, "every = 1");
  const auto on = [](ClientPool& clients, const Event& event) -> Orders {
    if (event.kind != EventKind::run_started) return {};
    Orders orders;
    for (const NodeId node : {1, 2}) {
      Assign assign = clients.assign(node);
      assign.publishes = assign.graph->result();
      orders.emplace_back(std::move(assign));
    }
    return orders;
  };
  const ScenarioRun run(
      scenario + "[network]\nmodel = \"cm02\"\n[stop]\nrounds = 2\n",
      {"once", [&](const auto& setting) { return std::make_unique<Once>(on, setting); }, {}});
  EXPECT_EQ(run.result().status, RunStatus::done) << run.result().cause;
  EXPECT_THAT(query_store(run.folder(),
                          "SELECT version, COUNT(*) FROM evaluation WHERE judged "
                          "GROUP BY 1 ORDER BY 1"),
              testing::ElementsAre("0|1", "1|1", "2|1"));
  EXPECT_THAT(query_store(run.folder(), "SELECT COUNT(DISTINCT loss) FROM evaluation WHERE judged"),
              testing::ElementsAre("3"));
}

// Of tasks that end at the same instant, the first one's event cancels the others: the schedule
// still gets the end of the instant.
TEST(Tasks, TheLastEventOfAnInstantComesWhateverWasCancelled) {
  bool over = false;
  std::vector<TaskId> done;
  const auto on = [&](ClientPool& clients, const Event& event) -> Orders {
    if (event.kind == EventKind::run_started)
      return {clients.assign(1), clients.assign(2), clients.assign(3)};
    Orders orders;
    if (event.kind == EventKind::task_done && event.task < 3) {
      done.push_back(event.task);
      for (TaskId id = 1; id < 3; ++id) orders.emplace_back(Cancel{id});
    }
    if (!event.last || done.empty() || over) return orders;
    over = true;
    orders.emplace_back(clients.aggregate(done));
    return orders;
  };
  const ScenarioRun run(
      test::simple_scenario({{"", "", ""}, "kind = \"fedavg\"", "rounds = 1"}),
      {"once", [&](const auto& setting) { return std::make_unique<Once>(on, setting); }, {}});
  EXPECT_EQ(run.result().status, RunStatus::done) << run.result().cause;
  EXPECT_EQ(done, std::vector<TaskId>{0});
  EXPECT_EQ(run.summary().tasks_failed, 2);
}

TEST(RulesInARun, ARunWhoseSharesAreNotWhatItsRuleDeclaresFails) {
  const RunResult result = learned_by(std::make_shared<const Doubling>());
  EXPECT_EQ(result.status, RunStatus::failed);
  EXPECT_THAT(result.cause, HasSubstr("the shares of its rule sum to 2, the rule declares 1"));
}

TEST(RulesInARun, AVersionThatHoldsInfinityFailsTheRun) {
  const RunResult result = learned_by(std::make_shared<const Exploding>());
  EXPECT_EQ(result.status, RunStatus::failed);
  EXPECT_THAT(result.cause, HasSubstr("version 1 of the model would hold NaN or infinity"));
}

}  // namespace
}  // namespace convoy::sim
