// Whole runs of heterofl and depthfl that learn, by the command line: where they are fedavg, and
// what is in their stores.

#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/files.hpp"

namespace convoy {
namespace {

using test::convoy;
using test::Output;

constexpr const char* scenario = R"(
name = "submodels"
seed = 5
[fleet]
[[fleet.nodes]]
device = "jetson-agx-orin-64gb"
count = 2
[[fleet.nodes]]
device = "jetson-xavier-nx-8gb"
[model]
architecture = "cnn-small"
[data]
source = "glyphs"
samples = 300
test_samples = 60
[training]
learn = true
optimizer = { kind = "sgd", learning_rate = 0.02, momentum = 0.9 }
batch = 16
[schedule]
kind = "heterofl"
[stop]
rounds = 3
)";

class SubmodelRun : public testing::Test {
 protected:
  SubmodelRun() : file(folder.write("s.toml", scenario)) {}

  std::string in(const std::string& name) const { return (folder.path() / name).string(); }
  void run(const std::string& name, const std::string& more = "") const {
    const Output output = convoy("run " + file + " --quiet -o " + in(name) + " " + more);
    ASSERT_EQ(output.status, 0) << output.err;
  }
  std::string model(const std::string& name) const {
    return test::read_file(in(name) + "/model.safetensors");
  }
  std::string result(const std::string& name) const {
    return test::dump_store(in(name)) + model(name);
  }
  double query(const std::string& name, const std::string& sql) const {
    SQLite::Database database(in(name) + "/run.sqlite", SQLite::OPEN_READONLY);
    return database.execAndGet(sql).getDouble();
  }

  test::TemporaryFolder folder;
  std::string file;
};

// Every node has every label here, so that masks and rows by label have nothing to do either: the
// classifier is the same as well.
TEST_F(SubmodelRun, HeteroFLOfWholeModelsIsUnweightedFedAvg) {
  run("fedavg", "--set schedule.kind=fedavg --set schedule.aggregation.rule=holders");
  run("plain", "--set schedule.rates=1.0 --set schedule.heterofl.masked_loss=false");
  run("theirs", "--set schedule.rates=1.0");
  EXPECT_TRUE(model("plain") == model("fedavg"));
  EXPECT_TRUE(model("theirs") == model("fedavg"));
  run("narrow");
  EXPECT_FALSE(model("narrow") == model("fedavg"));
}

// Two labels a node: then the labels tell.
TEST_F(SubmodelRun, LabelsTellWhereNodesHaveFew) {
  const std::string shards =
      "--set schedule.rates=1.0 --set 'data.partition={kind=\"shards\",shards=2}' ";
  run("theirs", shards);
  run("unmasked", shards + "--set schedule.heterofl.masked_loss=false");
  run("all-rows", shards + "--set schedule.aggregation.rule=holders");
  EXPECT_FALSE(model("theirs") == model("unmasked"));
  EXPECT_FALSE(model("theirs") == model("all-rows"));
  EXPECT_LT(query("theirs", "SELECT MIN(coverage_min) FROM aggregation"), 3)
      << "no label is everybody's";
  EXPECT_EQ(query("all-rows", "SELECT MIN(coverage_min) FROM aggregation"), 3);
}

TEST_F(SubmodelRun, DepthFLWithOneExitIsUnweightedFedAvg) {
  const std::string one = "--set 'model.exits=[1.0]' ";
  run("fedavg", one + "--set schedule.kind=fedavg --set schedule.aggregation.rule=holders");
  run("depthfl", one + "--set schedule.kind=depthfl --set schedule.rates=1.0");
  EXPECT_TRUE(model("depthfl") == model("fedavg"));
  const std::string evaluations =
      "SELECT GROUP_CONCAT(version || ' ' || exit || ' ' || judged || ' ' || top1 || ' ' || loss) "
      "FROM evaluation";
  SQLite::Database one_run(in("depthfl") + "/run.sqlite", SQLite::OPEN_READONLY);
  SQLite::Database other(in("fedavg") + "/run.sqlite", SQLite::OPEN_READONLY);
  EXPECT_EQ(one_run.execAndGet(evaluations).getString(), other.execAndGet(evaluations).getString());
  EXPECT_EQ(query("depthfl", "SELECT MAX(time_s) FROM evaluation"),
            query("fedavg", "SELECT MAX(time_s) FROM evaluation"))
      << "with nobody to teach nothing is charged";
}

TEST_F(SubmodelRun, DepthFLIsJudgedByItsExitsTogether) {
  const std::string depthfl = "--set schedule.kind=depthfl ";
  run("together", depthfl);
  const std::string first = "FROM evaluation WHERE version = 3";
  EXPECT_EQ(query("together", "SELECT COUNT(*) " + first), 5);
  EXPECT_EQ(query("together", "SELECT COUNT(*) " + first + " AND judged"), 1);
  EXPECT_EQ(query("together", "SELECT exit " + first + " AND judged"), -1);
  EXPECT_EQ(query("together", "SELECT blocks " + first + " AND judged"), 4);
  run("deepest", depthfl + "--set schedule.depthfl.prediction=deepest");
  EXPECT_EQ(query("deepest", "SELECT COUNT(*) " + first), 4);
  EXPECT_EQ(query("deepest", "SELECT exit " + first + " AND judged"), 3);
  EXPECT_TRUE(model("together") == model("deepest")) << "it changes no training";
  run("apart", depthfl + "--set schedule.transfer.weight=0");
  EXPECT_FALSE(model("together") == model("apart"));
  EXPECT_LT(query("apart", "SELECT MAX(time_s) FROM evaluation"),
            query("together", "SELECT MAX(time_s) FROM evaluation"));
}

TEST_F(SubmodelRun, StaticNormsAreAStepOfTheServerAndResumeToTheBit) {
  const std::string norms =
      "--set model.architecture=resnet18-cifar --set model.image_size=8 --set data.samples=60 "
      "--set data.test_samples=20 --set training.local_steps=1 --set output.checkpoint_s=0 ";
  run("whole", norms + "--set stop.rounds=2");
  EXPECT_EQ(query("whole",
                  "SELECT COUNT(*) FROM activity WHERE label = 'statistics' AND node = 0 AND "
                  "cause = '' AND end_s > start_s AND energy_j > 0"),
            2);
  run("part", norms + "--set stop.rounds=1");
  run("part", norms + "--set stop.rounds=2 --resume");
  EXPECT_TRUE(result("part") == result("whole"));
  run("running", norms + "--set stop.rounds=2 --set schedule.heterofl.batch_norm=running");
  EXPECT_EQ(query("running", "SELECT COUNT(*) FROM activity WHERE label = 'statistics'"), 0);
  EXPECT_LT(query("running", "SELECT MAX(end_s) FROM aggregation"),
            query("whole", "SELECT MAX(end_s) FROM aggregation"));
  EXPECT_FALSE(model("running") == model("whole"));
}

TEST_F(SubmodelRun, RatesAreDrawnAndLearnedWith) {
  run("dynamic",
      "--set schedule.heterofl.mode=dynamic --set schedule.heterofl.scaler=false --set "
      "stop.rounds=6");
  EXPECT_GT(query("dynamic", "SELECT COUNT(DISTINCT rate) FROM task WHERE node = 1"), 1);
  EXPECT_EQ(query("dynamic", "SELECT MAX(rate) FROM task WHERE node = 3"), 0.125);
  EXPECT_LT(query("dynamic", "SELECT MAX(ABS(kept - rate)) FROM task WHERE kept IS NOT NULL"), 0.05)
      << "a node trains another submodel than it is timed with";
}

}  // namespace
}  // namespace convoy
