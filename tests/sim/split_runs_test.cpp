// Whole runs of splitfed and splitlearning by the command line: that they learn what fedavg learns,
// the same on any number of workers, and that what is lost does not count.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/model/stage.hpp"
#include "engine/model/submodel.hpp"
#include "tests/support/scenario_folder.hpp"

namespace convoy {
namespace {

using test::convoy;
using test::Output;
using testing::HasSubstr;

constexpr const char* scenario = R"(
name = "split"
seed = 5
[fleet]
[[fleet.nodes]]
device = "jetson-orin-nano-8gb"
count = 2
[[fleet.nodes]]
device = "jetson-nano"
[model]
architecture = "cnn-small"
exits = [1.0]
[data]
source = "glyphs"
samples = 132
test_samples = 40
local_test_share = 0
[training]
learn = true
optimizer = { kind = "sgd", learning_rate = 0.05 }
batch = 16
[schedule]
kind = "splitfed"
[stop]
rounds = 2
)";

// The values of a file of tensors (safetensors), by name.
std::map<std::string, std::vector<float>> values_of(const std::string& file) {
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  const auto header = nlohmann::json::parse(file.substr(sizeof length, length));
  std::map<std::string, std::vector<float>> tensors;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__" || entry["dtype"] != "F32") continue;
    const auto from = entry["data_offsets"][0].get<std::size_t>();
    const auto to = entry["data_offsets"][1].get<std::size_t>();
    std::vector<float>& values = tensors[name];
    values.resize((to - from) / sizeof(float));
    std::memcpy(values.data(), file.data() + sizeof length + length + from, to - from);
  }
  return tensors;
}

double largest_difference(const std::string& a, const std::string& b) {
  const auto one = values_of(a);
  const auto other = values_of(b);
  EXPECT_FALSE(one.empty());
  EXPECT_EQ(one.size(), other.size());
  double most = 0;
  for (const auto& [name, values] : one) {
    const std::vector<float>& others = other.at(name);
    EXPECT_EQ(values.size(), others.size()) << name;
    for (std::size_t i = 0; i < values.size(); ++i) {
      most = std::max(most, std::abs(static_cast<double>(values[i]) - others[i]));
    }
  }
  return most;
}

// All places where the scenario's model can be cut.
std::vector<int> places() {
  engine::ModelOptions model;
  model.architecture = "cnn-small";
  model.exits = {1};
  const engine::Architecture a = engine::make_architecture(model);
  return engine::cuts(engine::trace(a, engine::full_submodel(a)));
}

class SplitRun : public test::ScenarioFolder {
 protected:
  SplitRun() : ScenarioFolder(scenario) {}
  void run_well(const std::string& name, const std::string& more = "") const {
    const Output output = run(name, more);
    ASSERT_EQ(output.status, 0) << output.err;
  }
};

TEST_F(SplitRun, AtEveryCutSplitFedLearnsWhatFedAvgLearns) {
  run_well("fedavg", "--set schedule.kind=fedavg");
  EXPECT_GT(query("fedavg", "SELECT MAX(top1) FROM evaluation"), 0);
  for (const int cut : places()) {
    SCOPED_TRACE(cut);
    run_well("cut", fmt::format("--overwrite --set schedule.splitfed.cut={}", cut));
    EXPECT_TRUE(model("cut") == model("fedavg"));
    const std::string loss = "SELECT AVG(loss) FROM task WHERE kind = 'update'";
    EXPECT_NEAR(query("cut", loss), query("fedavg", loss), 1e-4);
  }
  // Momentum and several epochs make no difference either, nor who has the labels.
  const std::string more = " --set training.optimizer.momentum=0.9 --set training.local_epochs=3 ";
  run_well("fedavg", "--overwrite --set schedule.kind=fedavg" + more);
  run_well("tail", "--set schedule.splitfed.labels=device" + more);
  EXPECT_TRUE(model("tail") == model("fedavg"));
  run_well("again", "--set schedule.splitfed.recompute=true" + more);
  EXPECT_TRUE(model("again") == model("fedavg"));
}

// SplitFed v1 with SGD: the mean of the nodes' gradients is that of their joined batch.
TEST_F(SplitRun, OneStepOfEqualBatchesIsAStepOnTheJoinedBatch) {
  const std::string one =
      " --set stop.rounds=1 --set training.local_steps=1 --set data.samples=96 ";
  run_well("split", one + "--set training.batch=32");
  run_well("joined", one +
                         "--set training.batch=96 --set schedule.kind=fedavg --set "
                         "'fleet={nodes=[{device=\"jetson-agx-orin-64gb\"}]}'");
  EXPECT_EQ(query("split", "SELECT SUM(updates) FROM aggregation"), 3);
  EXPECT_EQ(query("joined", "SELECT SUM(updates) FROM aggregation"), 1);
  EXPECT_LE(largest_difference(model("split"), model("joined")), 1e-6);
  run_well("none", one + "--set training.batch=32 --set training.optimizer.learning_rate=1e-9");
  EXPECT_GT(largest_difference(model("split"), model("none")), 1e-4) << "it was a step";
}

TEST_F(SplitRun, IsTheSameWithAnyNumberOfWorkersAndAfterAResumption) {
  for (const std::string kind : {"splitfed", "splitlearning"}) {
    SCOPED_TRACE(kind);
    const std::string set = "--set schedule.kind=" + kind + " --set model.dropout=0.1 --set " +
                            "stop.rounds=4 --overwrite ";
    run_well("one", set + "--workers 1");
    run_well("two", set + "--workers 2");
    EXPECT_EQ(stored("one"), stored("two"));
    EXPECT_TRUE(model("one") == model("two"));
    run_well("half", set + "--set stop.rounds=2");
    run_well("half", "--set schedule.kind=" + kind +
                         " --set model.dropout=0.1 --set stop.rounds=4 --resume");
    EXPECT_TRUE(model("half") == model("one"));
    EXPECT_EQ(stored("half"), stored("one"));
  }
}

// What one device has trained is what the next one starts from: with one device, fedavg.
TEST_F(SplitRun, SplitLearningIsTrainingByOneAfterAnother) {
  const std::string one = " --set 'fleet={nodes=[{device=\"jetson-nano\"}]}' --set stop.rounds=3 ";
  run_well("alone", one + "--set schedule.kind=splitlearning");
  run_well("fedavg", one + "--set schedule.kind=fedavg");
  EXPECT_LE(largest_difference(model("alone"), model("fedavg")), 1e-6);

  run_well("turns", "--set schedule.kind=splitlearning --set stop.rounds=6");
  EXPECT_EQ(text("turns", "SELECT group_concat(node) FROM (SELECT node FROM task ORDER BY id)"),
            "1,2,3,1,2,3");
  EXPECT_EQ(query("turns", "SELECT MAX(staleness) FROM task"), 0);
  // One at a time.
  EXPECT_EQ(query("turns",
                  "SELECT COUNT(*) FROM task a JOIN task b ON a.id < b.id AND b.assigned_s < "
                  "a.ended_s"),
            0);
}

// Nodes come and go in the middle of batches: an update counts if and only if its task ended, and
// once.
TEST_F(SplitRun, WhatIsLostInTheMiddleOfABatchCountsNothing) {
  for (const std::string kind : {"splitfed", "splitlearning"}) {
    SCOPED_TRACE(kind);
    run_well("calm", "--overwrite --set stop.rounds=4 --set schedule.kind=" + kind);
    const double round =
        query("calm", "SELECT AVG(ended_s - assigned_s) FROM task WHERE kind = 'update'");
    run_well("lost", fmt::format("--overwrite --set stop.rounds=12 --set schedule.kind={} --set "
                                 "'fleet.nodes.0.random_outages={{mean_up_s={},mean_down_s={}}}'",
                                 kind, round, round / 2));
    EXPECT_GT(query("lost", "SELECT COUNT(*) FROM task WHERE outcome = 'node_lost'"), 0);
    EXPECT_GT(query("lost",
                    "SELECT COUNT(*) FROM activity a JOIN task t ON a.task = t.id WHERE t.outcome "
                    "= 'node_lost' AND a.label = 'backward' AND a.cause = ''"),
              0)
        << "some were lost behind a batch";
    EXPECT_EQ(query("lost", "SELECT SUM(updates) FROM aggregation"),
              query("lost",
                    "SELECT COUNT(*) FROM task WHERE kind = 'update' AND outcome IN "
                    "('aggregated', 'published')"));
    const std::string learned = model("lost");
    run_well("again",
             fmt::format("--overwrite --workers 2 --set stop.rounds=12 --set schedule.kind={} "
                         "--set 'fleet.nodes.0.random_outages={{mean_up_s={},mean_down_s={}}}'",
                         kind, round, round / 2));
    EXPECT_TRUE(model("again") == learned);
  }
}

TEST_F(SplitRun, WhatIsLearnedAsAnotherModelIsCutThere) {
  run_well("small", "--set schedule.kind=fedavg");
  run_well("large",
           "--set model.architecture=resnet18-cifar --set model.classes=10 --set "
           "training.learn_as=cnn-small --set schedule.splitfed.cut=block3");
  const std::string curve = "SELECT group_concat(version || ' ' || top1) FROM evaluation";
  EXPECT_NE(text("large", curve), "");
  EXPECT_GT(query("large", "SELECT SUM(bytes) FROM activity"),
            query("small", "SELECT SUM(bytes) FROM activity"));
}

TEST_F(SplitRun, BadInputIsRefusedBeforeTheRun) {
  const auto refused = [&](const std::string& set) {
    const Output output = run("refused", set);
    EXPECT_EQ(output.status, 2) << set;
    return output.err;
  };
  EXPECT_THAT(refused("--set schedule.splitfed.cut=block9"),
              HasSubstr("schedule.splitfed.cut: \"block9\" is no part of the model"));
  EXPECT_THAT(refused("--set training.clip=1"), HasSubstr("training.clip: "));
  EXPECT_THAT(refused("--set training.optimizer_state=kept"),
              HasSubstr("training.optimizer_state = \"kept\": "));
  EXPECT_THAT(refused("--set evaluation.local=true"), HasSubstr("evaluation.local: "));
  EXPECT_THAT(refused("--set training.proximal=0.1"), HasSubstr("training.proximal: "));
  EXPECT_THAT(refused("--set schedule.rates=0.5"), HasSubstr("schedule.rates: "));
  EXPECT_THAT(refused("--set schedule.compression.keep=0.1"), HasSubstr("schedule.compression: "));
  const Output checked = convoy("check " + file);
  EXPECT_EQ(checked.status, 0) << checked.err;
  EXPECT_THAT(checked.out, HasSubstr("split"));
}

}  // namespace
}  // namespace convoy
