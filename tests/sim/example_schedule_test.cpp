// Tests the example schedules (sim/schedule/examples) in the program that contains them: timing and
// learning, killed and resumed, with a real agent.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "tests/hil/testbed_run.hpp"
#include "tests/support/scenario_run.hpp"

namespace convoy {
namespace {

using test::Program;
using test::query_store;

constexpr const char* small = R"(
[[fleet.nodes]]
device = "jetson-nano"
count = 5
jitter = 0.3
[model]
architecture = "mlp"
[data]
samples = 500
test_samples = 100
[training]
learn = true
batch = 10
optimizer = { kind = "sgd", learning_rate = 0.05, momentum = 0.9 }
[schedule]
kind = "trickle"
aggregation = { rule = "fedavgm", momentum = 0.5, learning_rate = 0.5 }
[stop]
tasks = 60
[output]
checkpoint_s = 0
)";

class ExampleSchedule : public testing::Test {
 protected:
  // Runs the scenario to its end; gives the exit status.
  int run(const std::string& scenario, const std::string& name,
          std::vector<std::string> further = {}) {
    return start(scenario, name, std::move(further))->wait();
  }
  std::unique_ptr<Program> start(const std::string& scenario, const std::string& name,
                                 std::vector<std::string> further = {}) {
    std::vector<std::string> arguments = {"run",
                                          scenario,
                                          "--quiet",
                                          "-o",
                                          in(name),
                                          "--set",
                                          "schedule.kind=trickle",
                                          "--set",
                                          "schedule.trickle.at_work=3"};
    arguments.insert(arguments.end(), further.begin(), further.end());
    return std::make_unique<Program>(CONVOY_EXAMPLES_BINARY, arguments,
                                     folder.path() / (name + ".log"));
  }
  [[nodiscard]] std::string in(const std::string& name) const {
    return (folder.path() / name).string();
  }
  [[nodiscard]] static std::string product(const std::string& name) {
    return std::string(CONVOY_SOURCE) + "/scenarios/" + name;
  }
  [[nodiscard]] std::string bytes(const std::string& name, const std::string& file) const {
    std::ifstream in(folder.path() / name / file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  test::TemporaryFolder folder;
};

TEST_F(ExampleSchedule, ItIsNotOneOfTheProducts) {
  Program convoy(CONVOY_BINARY,
                 {"check", product("resnet18-16.toml"), "--set", "schedule.kind=trickle"},
                 folder.path() / "log");
  EXPECT_EQ(convoy.wait(), 2);
  EXPECT_THAT(convoy.output(), testing::HasSubstr("schedule.kind: expected"));
}

TEST_F(ExampleSchedule, EveryUpdateIsAVersionAndNeverMoreAreAtWorkThanMay) {
  ASSERT_EQ(run(product("resnet18-16.toml"), "timing", {"--set", "stop.rounds=60"}), 0);
  EXPECT_THAT(
      query_store(in("timing"), "SELECT COUNT(*), SUM(updates), MAX(updates) FROM aggregation"),
      testing::ElementsAre("60|60|1"));
  // At each assignment fewer than three other tasks of nodes were under way.
  EXPECT_THAT(query_store(in("timing"),
                          "SELECT MAX((SELECT COUNT(*) FROM task o WHERE o.kind = 'update' AND "
                          "o.id <> t.id AND o.assigned_s <= t.assigned_s AND o.ended_s > "
                          "t.assigned_s)) FROM task t WHERE kind = 'update'"),
              testing::ElementsAre("2"));
  // Older than the previous version, since several nodes train during an aggregation.
  EXPECT_THAT(query_store(in("timing"), "SELECT MAX(staleness) >= 2 FROM task"),
              testing::ElementsAre("1"));
}

TEST_F(ExampleSchedule, ItLearnsAndAResumedRunEndsWithTheSameBits) {
  // With a rule that has a state.
  const std::string scenario = folder.write("small.toml", small);
  ASSERT_EQ(run(scenario, "whole"), 0);
  EXPECT_THAT(query_store(in("whole"), "SELECT MAX(top1) > 0.3 FROM evaluation"),
              testing::ElementsAre("1"));
  const auto killed = start(scenario, "killed");
  ASSERT_TRUE(test::eventually([&] {
    return std::filesystem::exists(folder.path() / "killed" / "checkpoint" / "index.json");
  }));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  killed->signal(SIGKILL);
  killed->wait();
  ASSERT_EQ(run(scenario, "killed", {"--resume"}), 0);
  EXPECT_EQ(bytes("whole", "model.safetensors"), bytes("killed", "model.safetensors"));
  const char* tasks =
      "SELECT id, node, assigned_s, ended_s, staleness, loss, share FROM task ORDER BY id";
  EXPECT_EQ(query_store(in("whole"), tasks), query_store(in("killed"), tasks));
}

// A repeated task trains as often on a real node as in the simulation: the same weights.
TEST_F(ExampleSchedule, RepeatedTasksLearnTheSameOnARealNode) {
  test::TestbedRun testbed;
  testbed.binary = CONVOY_EXAMPLES_BINARY;
  testbed.sets = {"schedule.kind=passes", "schedule.passes.passes=3", "stop.rounds=2"};
  ASSERT_EQ(testbed.coordinator("simulated").wait(), 0) << testbed.run->output();
  testbed.sets.emplace_back("fleet.nodes.0.backend=hil");
  testbed.sets.emplace_back("fleet.nodes.1.backend=hil");
  testbed.agent("a");
  testbed.agent("b");
  ASSERT_EQ(testbed.coordinator("real").wait(), 0) << testbed.run->output();
  // All passes were carried out on the real node, each with its own upload.
  EXPECT_THAT(testbed.query("real",
                            "SELECT label, COUNT(*), COUNT(DISTINCT iteration) FROM activity WHERE "
                            "real = 1 AND cause = '' GROUP BY 1 ORDER BY 1"),
              testing::ElementsAre("download|12|3", "train|12|3", "upload|12|3"));
  const auto weights = [&](const std::string& name) {
    std::ifstream in(testbed.folder.path() / name / "model.safetensors", std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(in), {}};
  };
  EXPECT_FALSE(weights("real").empty());
  EXPECT_EQ(weights("real"), weights("simulated"));
  const char* losses = "SELECT id, loss FROM task WHERE kind = 'update' ORDER BY id";
  EXPECT_EQ(testbed.query("real", losses), testbed.query("simulated", losses));
}

TEST_F(ExampleSchedule, ItRunsWithARealAgent) {
  test::TestbedRun testbed;
  testbed.binary = CONVOY_EXAMPLES_BINARY;
  // The simulated nodes are slower than any machine that may run this test.
  testbed.sets = {"fleet.nodes.0.backend=hil", "schedule.kind=trickle",
                  "schedule.trickle.at_work=2", "fleet.nodes.1.slowdown=10000",
                  "fleet.nodes.2.slowdown=10000"};
  testbed.agent("a");
  ASSERT_EQ(testbed.coordinator("real").wait(), 0) << testbed.run->output();
  EXPECT_GT(testbed.aggregated("real")["a"], 0);
  EXPECT_THAT(testbed.query("real", "SELECT COUNT(*) > 0 FROM activity WHERE real = 1"),
              testing::ElementsAre("1"));
}

}  // namespace
}  // namespace convoy
