// Tests whole runs of splitfed v3, whose devices keep their own layers: what is averaged, what the
// run hands over, and that neither workers nor kills change a bit.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/random.hpp"
#include "tests/support/programs.hpp"
#include "tests/support/scenario_run.hpp"
#include "tests/support/seed.hpp"

namespace convoy {
namespace {

using testing::HasSubstr;

// In restless ones nodes go in the midst of their batches and come back; some come too late.
std::string own_layers_scenario(int nodes, bool restless = false) {
  std::string text = "name = \"own\"\nseed = 5\n";
  text += "[[fleet.nodes]]\ndevice = \"jetson-nano\"\ncount = " + std::to_string(nodes) + "\n";
  if (restless)
    text += "slowdown = 100\njitter = 0.3\nrandom_outages = { mean_up_s = 2, mean_down_s = 0.2 }\n";
  return text + R"(
[model]
architecture = "cnn-small"
exits = [1.0]
[data]
samples = 90
test_samples = 40
local_test_share = 0
[training]
learn = true
batch = 8
optimizer = { kind = "sgd", learning_rate = 0.05, momentum = 0.9 }
[schedule]
kind = "splitfed"
[schedule.splitfed]
cut = 3
[stop]
rounds = 3
[output]
checkpoint_s = 0
)";
}

// The numbers of a file of FP32 tensors, by name.
using Values = std::map<std::string, std::vector<float>>;
Values read_tensors(const std::filesystem::path& file) {
  const std::string all = test::read_file(file);
  std::uint64_t length = 0;
  std::memcpy(&length, all.data(), sizeof length);
  const auto header = nlohmann::json::parse(all.substr(sizeof length, length));
  Values values;
  for (const auto& [name, tensor] : header.items()) {
    if (name == "__metadata__" || tensor["dtype"] != "F32") continue;
    const std::size_t from = tensor["data_offsets"][0];
    const std::size_t to = tensor["data_offsets"][1];
    std::vector<float>& of = values[name];
    of.resize((to - from) / sizeof(float));
    std::memcpy(of.data(), all.data() + sizeof length + length + from, to - from);
  }
  return values;
}

class OwnLayersRun : public testing::Test {
 protected:
  static constexpr const char* v3 = "--set schedule.splitfed.version=v3 ";

  // `toml`: the scenario's text.
  void run(const std::string& toml, const std::string& name, const std::string& more) {
    const test::Output output = start(toml, name, more);
    ASSERT_EQ(output.status, 0) << output.err;
  }
  test::Output start(const std::string& toml, const std::string& name, const std::string& more) {
    const std::string file = folder.write(name + ".toml", toml);
    return test::convoy("run " + file + " --quiet -o " + in(name) + " " + more);
  }
  [[nodiscard]] std::string in(const std::string& name) const {
    return (folder.path() / name).string();
  }
  [[nodiscard]] Values model(const std::string& name) const {
    return read_tensors(folder.path() / name / "model.safetensors");
  }
  [[nodiscard]] Values own(const std::string& name, int node) const {
    return read_tensors(folder.path() / name / "own_layers" /
                        ("node-" + std::to_string(node) + ".safetensors"));
  }
  // All that a run hands over.
  [[nodiscard]] std::string result(const std::string& name) const {
    std::string all = test::dump_store(in(name));
    all += test::read_file(folder.path() / name / "model.safetensors");
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(in(name) + "/own_layers")) {
      files[entry.path().filename().string()] = test::read_file(entry.path());
    }
    for (const auto& [file, content] : files) all += file + content;
    return all;
  }

  test::TemporaryFolder folder;
};

TEST_F(OwnLayersRun, TheServersPartIsThatOfV1InTheFirstRoundAndAnotherLater) {
  for (const std::string rounds : {"1", "3"}) {
    const std::string more = "--set stop.rounds=" + rounds;
    run(own_layers_scenario(3), "mean" + rounds, more);
    run(own_layers_scenario(3), "own" + rounds, v3 + more);
    const Values v1 = model("mean" + rounds);
    const Values version = model("own" + rounds);
    const Values of_node = own("own" + rounds, 1);
    EXPECT_GT(of_node.size(), 0);
    EXPECT_LT(of_node.size(), version.size());
    bool all_same = true;
    for (const auto& [name, values] : v1) {
      if (of_node.contains(name)) continue;
      all_same = all_same && values == version.at(name);
    }
    EXPECT_EQ(all_same, rounds == "1");
    // Each has its own, and the version's stay as they were.
    for (const auto& [name, values] : of_node) {
      EXPECT_NE(values, own("own" + rounds, 2).at(name)) << name;
      EXPECT_NE(values, version.at(name)) << name;
      EXPECT_EQ(version.at(name), model("own1").at(name)) << name;
    }
  }
}

// With one node the mean is over one, and nothing but rounding sets v3 apart from v1, which adds a
// change where v3 keeps the values.
TEST_F(OwnLayersRun, OfOneNodeItTrainsTheWholeModel) {
  for (const std::string labels : {"server", "device"}) {
    const std::string more = "--set schedule.splitfed.labels=" + labels;
    run(own_layers_scenario(1), "mean" + labels, more);
    run(own_layers_scenario(1), "own" + labels, v3 + more);
    Values v3s = model("own" + labels);
    const Values mine = own("own" + labels, 1);
    EXPECT_EQ(mine.size(), labels == "server" ? 2 : 4) << "weights and biases of its layers";
    for (const auto& [name, values] : mine) v3s[name] = values;
    for (const auto& [name, values] : model("mean" + labels)) {
      for (std::size_t i = 0; i < values.size(); ++i) {
        ASSERT_NEAR(v3s.at(name)[i], values[i], 1e-5) << name;
      }
    }
    const std::string best = "SELECT top1 FROM evaluation ORDER BY version";
    EXPECT_EQ(test::query_store(in("mean" + labels), best),
              test::query_store(in("own" + labels), best));
  }
}

TEST_F(OwnLayersRun, PartsComeToDevicesOnceAndNeverLeaveThem) {
  run(own_layers_scenario(3), "a", v3);
  const auto count = [&](const std::string& label) {
    return test::query_store(in("a"),
                             "SELECT COUNT(*) FROM activity WHERE label = '" + label + "'");
  };
  EXPECT_THAT(count("download"), testing::ElementsAre("3"));
  EXPECT_THAT(count("upload"), testing::ElementsAre("0"));
}

TEST_F(OwnLayersRun, IsTheSameToTheBitForOneAndTwoWorkers) {
  const std::string toml = own_layers_scenario(4, true);
  run(toml, "one", std::string(v3) + "--workers 1 --set stop.rounds=6");
  run(toml, "two", std::string(v3) + "--workers 2 --set stop.rounds=6");
  EXPECT_EQ(result("one"), result("two"));
  EXPECT_THAT(test::query_store(in("one"),
                                "SELECT COUNT(*) FROM task WHERE outcome = 'node_lost' AND "
                                "kind = 'update'"),
              testing::Not(testing::ElementsAre("0")));
}

TEST_F(OwnLayersRun, KilledAtAnyMomentAndResumedItEndsWithTheSameBits) {
  const std::string toml = own_layers_scenario(4, true);
  // Evaluated between versions, too.
  const std::string more =
      std::string(v3) +
      "--set stop.rounds=12 --set evaluation.every=3 --set evaluation.every_s=0.7";
  run(toml, "whole", more);
  base::Random random({test::drawn_seed()});
  for (int i = 0; i < 4; ++i) {
    const std::string name = "killed" + std::to_string(i);
    const std::string file = folder.write(name + ".toml", toml);
    std::vector<std::string> arguments = {"run", file, "--quiet", "-o", in(name)};
    std::istringstream words(more);
    for (std::string word; words >> word;) arguments.push_back(word);
    test::Program killed(CONVOY_BINARY, arguments, folder.path() / "log");
    ASSERT_TRUE(test::eventually(
        [&] { return std::filesystem::exists(folder.path() / name / "run.sqlite"); }));
    std::this_thread::sleep_for(std::chrono::milliseconds(100 + random.below(1500)));
    killed.signal(SIGKILL);  // at any moment; the run may even be finished
    killed.wait();
    run(toml, name, more + " --resume");
    EXPECT_EQ(result(name), result("whole"));
  }
}

TEST_F(OwnLayersRun, ALaterStopGoesOnWithThem) {
  const std::string toml = own_layers_scenario(4, true);
  run(toml, "whole", std::string(v3) + "--set stop.rounds=5");
  for (const char* tasks : {"2", "9", "14"}) {
    const std::string name = std::string("stopped") + tasks;
    run(toml, name, v3 + ("--set stop.rounds=5 --set stop.tasks=" + std::string(tasks)));
    run(toml, name, std::string(v3) + "--set stop.rounds=5 --resume");
    EXPECT_EQ(result(name), result("whole"));
  }
}

TEST_F(OwnLayersRun, ACheckpointOfAnOlderFormatIsRefused) {
  run(own_layers_scenario(2), "a", v3);
  const std::string index = in("a") + "/checkpoint/index.json";
  std::string text = test::read_file(index);
  const std::string now = "\"format\":9";
  ASSERT_NE(text.find(now), std::string::npos);
  text.replace(text.find(now), now.size(), "\"format\":8");
  std::ofstream(index) << text;
  const test::Output output = start(own_layers_scenario(2), "a", std::string(v3) + "--resume");
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, HasSubstr("index.json: is of another scenario or another Convoy"));
}

TEST_F(OwnLayersRun, TheGradientOfNoModelIsRefused) {
  const std::string toml = own_layers_scenario(2);
  const std::string more = "--set evaluation.gradient_norm=true --set stop.rounds=1";
  run(toml, "mean", more);
  const test::Output output = start(toml, "own", v3 + more);
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, HasSubstr("evaluation.gradient_norm: each node keeps layers of its own"));
}

TEST_F(OwnLayersRun, TimingDoesNotDependOnWhetherItLearns) {
  const std::string toml = own_layers_scenario(4, true);
  run(toml, "learns", std::string(v3) + "--set stop.rounds=4");
  run(toml, "times", std::string(v3) + "--set stop.rounds=4 --set training.learn=false");
  const char* tasks = "SELECT id, node, assigned_s, ended_s, outcome FROM task ORDER BY id";
  EXPECT_EQ(test::query_store(in("learns"), tasks), test::query_store(in("times"), tasks));
}

}  // namespace
}  // namespace convoy
