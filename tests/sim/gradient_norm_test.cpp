// evaluation.gradient_norm in whole runs: what the store and the printed curve hold, that it
// resumes with the same bits, and what is refused.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "sim/run/open_engine.hpp"
#include "sim/run/participants.hpp"
#include "sim/scenario/scenario.hpp"
#include "tests/support/scenario_folder.hpp"

namespace convoy {
namespace {

using test::convoy;
using test::Output;
using testing::HasSubstr;
using testing::Not;

constexpr const char* scenario = R"(
name = "rate"
seed = 5
[fleet]
[[fleet.nodes]]
device = "jetson-orin-nano-8gb"
name = "nano"
count = 3
[model]
architecture = "linear"
[data]
source = "glyphs"
samples = 120
test_samples = 40
[training]
learn = true
optimizer = { kind = "sgd", learning_rate = 0.005, weight_decay = 0.01 }
batch = 8
[schedule]
kind = "fedavg"
[evaluation]
gradient_norm = true
[stop]
rounds = 6
)";

class GradientNorm : public test::ScenarioFolder {
 protected:
  GradientNorm() : ScenarioFolder(scenario) {}
};

TEST_F(GradientNorm, IsInTheStoreTheCurveAndTheExport) {
  ASSERT_EQ(run("r").status, 0);
  // A sweep's points have their curves in files.
  const Output swept = convoy("sweep " + file + " --quiet --set sweep.seed=[5] -o " + in("sweep"));
  ASSERT_EQ(swept.status, 0) << swept.err;
  std::string summary;
  for (const auto& point : std::filesystem::directory_iterator(in("sweep") + "/points")) {
    summary = test::read_file(point.path() / "summary.json");
  }
  const auto curve = nlohmann::json::parse(summary)["curve"];
  ASSERT_EQ(curve.size(), 7);
  for (const auto& point : curve) {
    const std::string of_version =
        " FROM evaluation WHERE version = " + std::to_string(point["version"].get<int>());
    EXPECT_EQ(point["gradient_norm"], query("r", "SELECT gradient_norm" + of_version));
    EXPECT_EQ(point["objective"], query("r", "SELECT objective" + of_version));
  }
  EXPECT_GT(curve[6]["gradient_norm"], 0);
  EXPECT_LT(curve[6]["gradient_norm"], curve[0]["gradient_norm"]);
  EXPECT_LT(curve[6]["objective"], curve[0]["objective"]);
  ASSERT_EQ(convoy("export " + in("r") + " --format csv -o " + in("csv")).status, 0);
  EXPECT_THAT(test::read_file(in("csv") + "/evaluation.csv"),
              HasSubstr("energy_server_j,gradient_norm,objective\n"));
}

TEST_F(GradientNorm, IsNullWhereNobodyAskedAndTheRestIsTheSame) {
  ASSERT_EQ(run("with").status, 0);
  ASSERT_EQ(run("without", "--set evaluation.gradient_norm=false").status, 0);
  EXPECT_EQ(query("without",
                  "SELECT COUNT(*) FROM evaluation WHERE gradient_norm IS NOT NULL OR objective IS "
                  "NOT NULL"),
            0);
  for (const char* figure : {"SUM(loss)", "SUM(top1)", "MAX(time_s)"}) {
    const std::string sql = fmt::format("SELECT {} FROM evaluation", figure);
    EXPECT_EQ(query("with", sql), query("without", sql)) << figure;
  }
  EXPECT_EQ(test::read_file(in("with") + "/model.safetensors"),
            test::read_file(in("without") + "/model.safetensors"));
}

// Every exit of a version has the figures of the whole model.
TEST_F(GradientNorm, IsTheSameInTheRowsOfAllExits) {
  const Output output =
      run("r", "--set model.architecture=mlp --set model.exits=[0.5,1.0] --set stop.rounds=2");
  ASSERT_EQ(output.status, 0) << output.err;
  EXPECT_EQ(query("r", "SELECT COUNT(*) FROM evaluation"), 6);
  EXPECT_EQ(query("r", "SELECT COUNT(*) FROM evaluation WHERE gradient_norm IS NULL"), 0);
  EXPECT_EQ(query("r", "SELECT COUNT(DISTINCT gradient_norm) FROM evaluation"), 3);
  EXPECT_EQ(query("r", "SELECT COUNT(DISTINCT objective) FROM evaluation"), 3);
}

TEST_F(GradientNorm, HasTheSameBitsWithAnyWorkersAndAfterResuming) {
  ASSERT_EQ(run("one", "--workers 1").status, 0);
  ASSERT_EQ(run("two", "--workers 2").status, 0);
  EXPECT_EQ(stored("one"), stored("two"));
  ASSERT_EQ(run("part", "--set stop.rounds=3 --set output.checkpoint_s=0").status, 0);
  const Output resumed = run("part", "--resume");
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_EQ(stored("part"), stored("one"));
  EXPECT_EQ(query("part", "SELECT COUNT(gradient_norm) FROM evaluation"), 7);
}

TEST_F(GradientNorm, IsRefusedWhereThereIsNoObjective) {
  const auto expect_refused = [&](const std::string& more, const std::string& why) {
    for (const std::string verb : {"check ", "run "}) {
      const Output output = convoy(verb + file + " " + more);
      EXPECT_EQ(output.status, 2) << verb << more;
      EXPECT_THAT(output.err, HasSubstr("s.toml:")) << verb << more;
      EXPECT_THAT(output.err, HasSubstr("evaluation.gradient_norm: " + why)) << verb << more;
    }
  };
  expect_refused("--set model.architecture=resnet18-cifar", "resnet18-cifar has batch norms");
  expect_refused("--set schedule.kind=fedpm --set model.architecture=mlp",
                 "fedpm trains the scores of masks");
  const Output timing = convoy("check " + file + " --set training.learn=false");
  EXPECT_EQ(timing.status, 0) << timing.err;
  EXPECT_THAT(timing.err, HasSubstr("has no effect in a run that does not learn"));
  EXPECT_THAT(convoy("check " + file).err, Not(HasSubstr("has no effect")));
}

// The node is named, and LibTorch is not needed to say so.
TEST_F(GradientNorm, IsRefusedWhereADeviceTrainsOnDataOfItsOwn) {
  base::Diagnostics problems;
  auto scenario = sim::read_scenario(file, {}, problems);
  ASSERT_TRUE(scenario) << problems.str();
  scenario->output.record = sim::RecordLevel::activity;
  sim::Participants participants = sim::participants_of(*scenario);
  participants[2] = {.is_real = true, .is_present = true, .samples = 30, .own_data = true};
  const sim::Scenario real = sim::with(*scenario, participants);
  const auto schedule = real.schedule.make(real.setting);
  try {
    static_cast<void>(sim::open_engine(real, *schedule, "cpu"));
    ADD_FAILURE() << "the engine was opened";
  } catch (const base::UserError& e) {
    EXPECT_THAT(e.what(), HasSubstr("nano-1, a real node, trains on data of its own"));
  }
}

}  // namespace
}  // namespace convoy
