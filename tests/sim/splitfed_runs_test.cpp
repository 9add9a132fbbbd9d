// Tests whole runs of splitfed v2, whose nodes share the server's part of the model: the order of
// its steps, and that neither workers nor kills change a bit.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <map>
#include <thread>

#include "base/random.hpp"
#include "engine/api/engine.hpp"
#include "engine/model/stage.hpp"
#include "sim/run/open_engine.hpp"
#include "tests/support/programs.hpp"
#include "tests/support/scenario_run.hpp"
#include "tests/support/seed.hpp"

namespace convoy {
namespace {

using test::Program;
using test::query_store;

// `slow`: the number of the node that is slow.
std::string scenario_of(int slow, const std::string& more_of_nodes = "") {
  std::string text = "name = \"splitfed\"\nseed = 5\n";
  for (int node = 1; node <= 2; ++node) {
    text += "[[fleet.nodes]]\ndevice = \"jetson-nano\"\n" + more_of_nodes;
    if (node == slow) text += "slowdown = 300\n";
  }
  return text + R"(
[model]
architecture = "cnn-small"
dropout = 0.2
[data]
samples = 90
test_samples = 40
local_test_share = 0
[training]
learn = true
batch = 8
optimizer = { kind = "sgd", learning_rate = 0.05, momentum = 0.9 }
[schedule]
kind = "fedavg"
[stop]
rounds = 1
[output]
checkpoint_s = 0
)";
}

constexpr const char* cut = "3";  // before the layer of this number

class SplitFedRun : public testing::Test {
 protected:
  std::unique_ptr<Program> start(const std::string& scenario, const std::string& name,
                                 std::vector<std::string> further = {}) {
    std::vector<std::string> arguments = {"run",
                                          scenario,
                                          "--quiet",
                                          "-o",
                                          in(name),
                                          "--set",
                                          "schedule.kind=splitfed",
                                          "--set",
                                          "schedule.splitfed.version=v2",
                                          "--set",
                                          std::string("schedule.splitfed.cut=\"") + cut + "\""};
    arguments.insert(arguments.end(), further.begin(), further.end());
    return std::make_unique<Program>(CONVOY_BINARY, arguments, folder.path() / "log");
  }
  void run(const std::string& scenario, const std::string& name,
           std::vector<std::string> further = {}) {
    const auto program = start(scenario, name, std::move(further));
    ASSERT_EQ(program->wait(), 0) << program->output();
  }
  [[nodiscard]] std::string in(const std::string& name) const {
    return (folder.path() / name).string();
  }
  [[nodiscard]] std::string model(const std::string& name) const {
    return test::read_file(folder.path() / name / "model.safetensors");
  }
  [[nodiscard]] std::string result(const std::string& name) const {
    return test::dump_store(in(name)) + model(name);
  }

  test::TemporaryFolder folder;
};

// The round by the engine alone, batch by batch: `order` has the tasks whose batches the server
// trains. Writes the model as the run does.
void by_hand(const std::string& toml, const std::vector<std::string>& order,
             const std::filesystem::path& file) {
  const sim::Scenario scenario = test::read_or_fail(toml);
  const auto schedule = scenario.schedule.make(scenario.setting);
  const auto engine = sim::open_engine(scenario, *schedule, "cpu");
  const auto version = engine->initial();
  const engine::Trace trace = engine::trace(scenario.setting->learned(),
                                            engine::full_submodel(scenario.setting->learned()));
  const int front = engine::read_cut(trace, cut, "cut");
  const int last = engine::whole(trace).last;
  const auto open = [&](int node, std::int64_t task, bool shared) {
    return engine->open(
        {.node = node, .task = task, .brief = {.batch = 8}, .received = version, .shared = shared},
        {});
  };
  const auto server = open(0, 0, true);
  std::map<std::string, std::unique_ptr<engine::Session>> devices;
  std::map<std::string, std::shared_ptr<const engine::Artifact>> updates;
  for (const std::string& task : order) {
    auto& device = devices[task];
    if (!device) device = open(std::stoi(task) + 1, std::stoi(task), false);
    auto at = device->run(engine::Forward{0, front}, {{version, nullptr}});
    at = server->run(engine::TrainStage{front, last}, {{at, nullptr}});
    device->run(engine::Backward{0, front}, {{at, nullptr}});
    updates[task] = device->run(engine::Step{0, front}, {});
  }
  std::vector<engine::Input> given = {{version, nullptr}};
  const engine::JoinStages join{.partial = true};
  for (const auto& [task, stage] : updates) {
    given.push_back({devices[task]->run(join, {{stage, nullptr}}), nullptr});
  }
  const auto rest = server->run(engine::TakeStage{front, last}, {});
  given.push_back({server->run(join, {{rest, nullptr}}), nullptr});
  const auto made = open(0, 1, false)->run(engine::Aggregate{}, given);
  engine->save(*std::dynamic_pointer_cast<const engine::Weights>(made), file,
               {{"scenario", scenario.name}, {"version", "1"}});
}

TEST_F(SplitFedRun, TheServersStepsFollowVirtualTime) {
  std::vector<std::vector<std::string>> orders;
  for (const int slow : {1, 2}) {
    const std::string toml = scenario_of(slow);
    const std::string name = "slow" + std::to_string(slow);
    run(folder.write(name + ".toml", toml), name);
    orders.push_back(query_store(
        in(name), "SELECT task FROM activity WHERE label = 'server' ORDER BY end_s, task"));
    const std::vector<std::string>& order = orders.back();
    ASSERT_GE(order.size(), 10);
    // The fast node has its turns first.
    EXPECT_EQ(order[0], slow == 1 ? "1" : "0");
    EXPECT_EQ(order[1], order[0]);
    by_hand(toml, order, folder.path() / "by hand");
    EXPECT_EQ(model(name), test::read_file(folder.path() / "by hand"));
    // It could be another one.
    by_hand(toml, {order.rbegin(), order.rend()}, folder.path() / "otherwise");
    EXPECT_NE(model(name), test::read_file(folder.path() / "otherwise"));
  }
  EXPECT_NE(orders[0], orders[1]);
}

// With nodes that go in the midst of their batches and come back, and a deadline.
constexpr const char* restless =
    "count = 3\njitter = 0.3\nrandom_outages = { mean_up_s = 2, mean_down_s = 0.2 }\n";

TEST_F(SplitFedRun, IsTheSameToTheBitForOneAndTwoWorkers) {
  const std::string file = folder.write("s.toml", scenario_of(2, restless));
  run(file, "one", {"--workers", "1", "--set", "stop.rounds=6"});
  run(file, "two", {"--workers", "2", "--set", "stop.rounds=6"});
  EXPECT_EQ(result("one"), result("two"));
  EXPECT_THAT(query_store(in("one"),
                          "SELECT COUNT(*) FROM task WHERE outcome = 'node_lost' AND "
                          "kind = 'update'"),
              testing::Not(testing::ElementsAre("0")));
}

TEST_F(SplitFedRun, KilledAtAnyMomentAndResumedItEndsWithTheSameBits) {
  const std::string file = folder.write("s.toml", scenario_of(2, restless));
  const std::vector<std::string> rounds = {"--set", "stop.rounds=12"};
  run(file, "whole", rounds);
  base::Random random({test::drawn_seed()});
  for (int i = 0; i < 4; ++i) {
    const std::string name = "killed" + std::to_string(i);
    const auto killed = start(file, name, rounds);
    ASSERT_TRUE(test::eventually(
        [&] { return std::filesystem::exists(folder.path() / name / "run.sqlite"); }));
    std::this_thread::sleep_for(std::chrono::milliseconds(100 + random.below(1500)));
    killed->signal(SIGKILL);  // at any moment; the run may even be finished
    killed->wait();
    run(file, name, {"--resume", "--set", "stop.rounds=12"});
    EXPECT_EQ(result(name), result("whole"));
  }
}

// A stop in the midst of a group: what the run had of it is computed again.
TEST_F(SplitFedRun, ALaterStopGoesOnInsideOfAGroup) {
  const std::string file = folder.write("s.toml", scenario_of(2, restless));
  run(file, "whole", {"--set", "stop.rounds=5"});
  for (const char* tasks : {"2", "9", "16"}) {
    const std::string name = std::string("stopped") + tasks;
    run(file, name, {"--set", "stop.rounds=5", "--set", std::string("stop.tasks=") + tasks});
    run(file, name, {"--resume", "--set", "stop.rounds=5"});
    EXPECT_EQ(result(name), result("whole"));
  }
}

TEST_F(SplitFedRun, TimingDoesNotDependOnWhetherItLearns) {
  const std::string file = folder.write("s.toml", scenario_of(1, restless));
  run(file, "learns", {"--set", "stop.rounds=4"});
  run(file, "times", {"--set", "stop.rounds=4", "--set", "training.learn=false"});
  const char* tasks = "SELECT id, node, assigned_s, ended_s, outcome FROM task ORDER BY id";
  EXPECT_EQ(query_store(in("learns"), tasks), query_store(in("times"), tasks));
}

// Only v2 has one part at the server that batches of all tasks step.
TEST_F(SplitFedRun, AServerThatComputesForManyStepsOnePartOfEachTask) {
  const std::string file = folder.write("s.toml", scenario_of(1));
  const auto status = [&](const std::string& version) {
    return test::convoy("run " + file + " --no-store --quiet --set training.learn=false --set " +
                        "schedule.kind=splitfed --set fleet.server.concurrent_computes=0 --set " +
                        "schedule.splitfed.version=" + version);
  };
  EXPECT_EQ(status("v1").status, 0);
  EXPECT_EQ(status("v3").status, 0) << status("v3").err;
  const test::Output refused = status("v2");
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err, testing::HasSubstr("choose another version"));
}

}  // namespace
}  // namespace convoy
