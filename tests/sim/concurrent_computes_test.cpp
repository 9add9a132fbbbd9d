// Tests the key concurrent_computes: a server that computes for several nodes at once.

#include <gmock/gmock.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "analysis/perfetto.hpp"
#include "sim/run/preflight.hpp"
#include "tests/support/scenario_run.hpp"

namespace convoy::sim {
namespace {

using test::ScenarioRun;
using test::Simple;
using testing::HasSubstr;

// A node computes for 1 s (2 s), sends 1 MB, and the server goes on for 2 s, at once for each; then
// the run ends.
class TwoParts : public Schedule {
 public:
  explicit TwoParts(double share) : share_(share) {}

  Orders on(const Event& event) override {
    Orders orders;
    if (event.kind == EventKind::run_started) {
      for (const NodeId node : {1, 2}) {
        orders.emplace_back(Assign{.task = node,
                                   .graph = graph(node),
                                   .members = {server_node, node},
                                   .worker = 1,
                                   .label = "split"});
      }
    }
    if (event.kind == EventKind::task_done && ++done_ == 2) orders.emplace_back(Finish{});
    return orders;
  }
  [[nodiscard]] std::vector<PlannedTask> plan() const override {
    std::vector<PlannedTask> plan;
    for (const NodeId node : {1, 2}) {
      plan.push_back({node, "split", graph(node), {server_node, node}});
    }
    return plan;
  }

 private:
  [[nodiscard]] std::shared_ptr<const TaskGraph> graph(NodeId node) const {
    auto made = std::make_shared<TaskGraph>(2);
    const int first = made->compute(
        {.label = "first", .at = 1, .seconds = static_cast<double>(node)}, {}, {"activation", 1e6});
    const int there = made->transfer("up", first, 0);
    made->compute({.label = "second", .at = 0, .seconds = 2, .share = share_}, {there},
                  {"result", 0});
    return made;
  }

  double share_;
  int done_ = 0;
};

ScheduleSpec two_parts(double share) {
  return {"two-parts", [share](const auto&) { return std::make_unique<TwoParts>(share); }, {}};
}

std::string scenario_text(const std::string& server_keys, const std::string& node_keys = "") {
  std::string text = test::simple_scenario(
      {.nodes = {node_keys, node_keys}, .schedule = "kind = \"fedavg\"", .stop = "rounds = 1"});
  const std::string server = "server = { ";
  return text.replace(text.find(server), server.size(), server + server_keys);
}

// The ends of the server's parts, by node.
std::vector<double> ends(const ScenarioRun& run) {
  std::vector<double> ends;
  for (const test::StoredActivity& a : run.activities("second")) ends.push_back(a.end_s);
  return ends;
}

void expect_ends(const ScenarioRun& run, double first, double second) {
  EXPECT_EQ(run.result().status, RunStatus::done);
  const std::vector<double> found = ends(run);
  ASSERT_EQ(found.size(), 2);
  EXPECT_TIME(found[0], first);
  EXPECT_TIME(found[1], second);
}

// The activations are there at 2 s and at 3 s. By then the first has 1 s of work left, for which it
// needs 2 s; the second then has 1 s left, alone.
TEST(ConcurrentComputes, TheServerComputesForTwoAtOnce) {
  const ScenarioRun run(scenario_text("concurrent_computes = 2, "), two_parts(0));
  expect_ends(run, 5, 6);
  EXPECT_TIME(run.summary().nodes[0].usage.busy_s, 4);
}

TEST(ConcurrentComputes, OneAfterAnotherUnlessTheScenarioSaysSo) {
  expect_ends(ScenarioRun(scenario_text(""), two_parts(0)), 4, 6);
}

TEST(ConcurrentComputes, SharesOfTheServerRunSideBySide) {
  expect_ends(ScenarioRun(scenario_text("concurrent_computes = 0, "), two_parts(0.5)), 6, 7);
}

// Slices of one track must not overlap.
TEST(ConcurrentComputes, PerfettoHasATrackForEach) {
  const ScenarioRun run(scenario_text("concurrent_computes = 2, "), two_parts(0));
  std::stringstream text;
  analysis::export_perfetto(run.folder(), text);
  std::map<int, double> starts;  // of the server's parts, by track
  std::map<int, std::string> names;
  const nlohmann::json trace = nlohmann::json::parse(text.str());
  for (const nlohmann::json& event : trace["traceEvents"]) {
    if (event["pid"] != 1) continue;
    if (event["name"] == "thread_name") names[event["tid"]] = event["args"]["name"];
    if (event["name"] == "second") starts[event["tid"]] = event["ts"].get<double>() / 1e6;
  }
  ASSERT_EQ(starts.size(), 2);
  EXPECT_TIME(starts.begin()->second, 2);
  EXPECT_TIME(starts.rbegin()->second, 3);
  EXPECT_EQ(names[starts.begin()->first], "compute");
  EXPECT_EQ(names[starts.rbegin()->first], "compute 2");
}

TEST(ConcurrentComputes, AreReadForServerAndNodes) {
  const Scenario scenario =
      test::read_or_fail(scenario_text("concurrent_computes = 0, ", "concurrent_computes = 3"));
  EXPECT_EQ(scenario.world.nodes[0].concurrent_computes, 0);
  EXPECT_EQ(scenario.world.nodes[1].concurrent_computes, 3);
  const Scenario usual = test::read_or_fail(scenario_text(""));
  for (const NodeConfig& node : usual.world.nodes) EXPECT_EQ(node.concurrent_computes, 1);
}

// As with --testbed, which makes nodes real that the scenario simulates.
TEST(ConcurrentComputes, ARealNodeComputesOneTaskAtATime) {
  Scenario scenario = test::read_or_fail(scenario_text("", "concurrent_computes = 2"));
  scenario.training.learn = true;
  require_runnable(scenario);
  scenario.world.nodes[2].real = RealNode{};
  try {
    require_runnable(scenario);
    FAIL() << "was accepted";
  } catch (const base::UserError& e) {
    EXPECT_THAT(e.what(), HasSubstr("node jetson-agx-orin-64gb-1: concurrent_computes = 2"));
  }
}

TEST(ConcurrentComputes, SharesThatWouldWaitAreSaidBefore) {
  const auto warnings = [](const std::string& server_keys, double share) {
    Scenario scenario = test::read_or_fail(scenario_text(server_keys));
    scenario.schedule = two_parts(share);
    std::string all;
    for (const std::string& warning : preflight(scenario).warnings) all += warning + "\n";
    return all;
  };
  const std::string said = "2 tasks have shares of server's compute, and it computes 1 at a time";
  EXPECT_THAT(warnings("", 0.5), HasSubstr(said));
  EXPECT_THAT(warnings("", 0), testing::Not(HasSubstr("shares")));
  EXPECT_THAT(warnings("concurrent_computes = 2, ", 0.5), testing::Not(HasSubstr("shares")));
  EXPECT_THAT(warnings("concurrent_computes = 0, ", 0.5), testing::Not(HasSubstr("shares")));
}

}  // namespace
}  // namespace convoy::sim
