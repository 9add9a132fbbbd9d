// Runs that are charged for one model and learn another (training.learn_as), by the command line.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/scenario_folder.hpp"

namespace convoy {
namespace {

using test::convoy;
using test::Output;
using testing::HasSubstr;
using testing::Not;

// The nodes differ in what they can hold of a vit-b16, and in how fast they train it.
constexpr const char* scenario = R"(
name = "learns-another"
seed = 5
[fleet]
[[fleet.nodes]]
device = "jetson-agx-orin-64gb"
count = 2
[[fleet.nodes]]
device = "jetson-xavier-nx-16gb"
count = 2
slowdown = 1.5
[[fleet.nodes]]
device = "jetson-xavier-nx-8gb"
[model]
architecture = "vit-b16"
[data]
source = "glyphs"
samples = 300
test_samples = 60
[training]
learn = true
learn_as = "cnn-small"
optimizer = { kind = "sgd", learning_rate = 0.02, momentum = 0.9 }
batch = 8
[schedule]
kind = "cos2p"
mask = { epochs = 1 }
[stop]
rounds = 4
)";

// Node, kind, times and costs of every activity.
constexpr const char* costs =
    "SELECT group_concat(label || ' ' || node || ' ' || start_s || ' ' || end_s || ' ' || bytes || "
    "' ' || flops || ' ' || energy_j, '\n') FROM activity WHERE cause = ''";

class LearnAs : public test::ScenarioFolder {
 protected:
  LearnAs() : ScenarioFolder(scenario) {}
};

// Every kind of schedule, with submodels of every selection: times, bytes, FLOPs, energy and memory
// are those of the model where nothing is learned.
TEST_F(LearnAs, CostsAreThoseOfTheModel) {
  for (const std::string choice :
       {"schedule.kind=fedbuff", "schedule.mask.selection=importance", "schedule.kind=fedrolex",
        "schedule.kind=fedpm", "schedule.kind=depthfl", "schedule.compression={keep=0.1,bits=8}",
        // Its sizes are drawn: those of the model's rate are charged.
        "schedule.mask.draw=sampled"}) {
    SCOPED_TRACE(choice);
    const std::string set = fmt::format("--overwrite --set stop.rounds=2 --set '{}'", choice);
    const Output learned = run("learned", set);
    ASSERT_EQ(learned.status, 0) << learned.err;
    const Output timed = run("timed", set + " --set training.learn=false");
    ASSERT_EQ(timed.status, 0) << timed.err;
    EXPECT_EQ(text("learned", costs), text("timed", costs));
    const std::string nodes =
        "SELECT group_concat(peak_memory_bytes || ' ' || energy_j || ' ' || busy_s) FROM node";
    EXPECT_EQ(text("learned", nodes), text("timed", nodes));
    EXPECT_NE(text("learned", "SELECT COUNT(*) FROM evaluation"), "0");
  }
}

// In rounds of all nodes time decides nothing of what is learned.
TEST_F(LearnAs, WhatIsLearnedIsTheOther) {
  const std::string rounds = "--set schedule.kind=fedavg --set schedule.mask={} ";
  ASSERT_EQ(run("another", rounds).status, 0);
  ASSERT_EQ(run("itself", rounds + "--set 'model={architecture=\"cnn-small\"}' --set "
                                   "'training={learn=true,optimizer={kind=\"sgd\",learning_rate="
                                   "0.02,momentum=0.9},batch=8}'")
                .status,
            0);
  EXPECT_TRUE(model("another") == model("itself"));
  const std::string curve = "SELECT group_concat(version || ' ' || top1) FROM evaluation";
  EXPECT_EQ(text("another", curve), text("itself", curve));
  EXPECT_NE(text("another", costs), text("itself", costs));
}

// So that a sweep over models can name it once.
TEST_F(LearnAs, ByItsOwnNameItIsTheModel) {
  const std::string small = "--set 'model={architecture=\"cnn-small\"}' ";
  ASSERT_EQ(run("named", small).status, 0);
  ASSERT_EQ(run("plain", small + "--set 'training={learn=true,optimizer={kind=\"sgd\",learning_"
                                 "rate=0.02,momentum=0.9},batch=8}'")
                .status,
            0);
  EXPECT_TRUE(model("named") == model("plain"));
  EXPECT_EQ(text("named", costs), text("plain", costs));
  EXPECT_THAT(convoy("check " + file + " " + small).out, Not(HasSubstr("Learned is")));
}

TEST_F(LearnAs, IsTheSameWithOneWorkerAndAfterAResumption) {
  ASSERT_EQ(run("one", "--workers 1").status, 0);
  ASSERT_EQ(run("two", "--workers 2 --set stop.rounds=2").status, 0);
  ASSERT_EQ(run("two", "--workers 2 --resume").status, 0);
  EXPECT_EQ(test::dump_store(in("one")), test::dump_store(in("two")));
  EXPECT_TRUE(model("one") == model("two"));
}

TEST_F(LearnAs, EveryOutputSaysSo) {
  const Output output = run("a");
  ASSERT_EQ(output.status, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("cnn-small; time, memory, bytes and energy are those of "
                                    "vit-b16"));
  ASSERT_EQ(run("b", "--set schedule.kind=fedavg").status, 0);
  const auto summary = nlohmann::json::parse(run("c", "--json").out);
  EXPECT_EQ(summary["learned_as"], "cnn-small");
  EXPECT_EQ(summary["model"], "vit-b16");
  EXPECT_THAT(convoy("check " + file).out, HasSubstr("Learned is cnn-small"));
  const std::string both = in("a") + " " + in("b");
  const std::string said = "what was learned is cnn-small";
  EXPECT_THAT(convoy("compare " + both).out, HasSubstr(said));
  EXPECT_THAT(convoy("compare --latex " + both).out,
              testing::ContainsRegex("multicolumn.*" + said));
  EXPECT_THAT(convoy("compare --csv " + both).out, HasSubstr("learned as cnn-small"));
  EXPECT_EQ(nlohmann::json::parse(convoy("compare --json " + both).out)["runs"][0]["learned_as"],
            "cnn-small");
  ASSERT_EQ(convoy("report " + both + " -o " + in("page.html")).status, 0);
  EXPECT_THAT(test::read_file(in("page.html")), HasSubstr("vit-b16, learned as cnn-small"));
}

TEST_F(LearnAs, ASweepSaysWhichOfItsRunsDid) {
  const std::string sweep = folder.write(
      "sweep.toml", std::string(scenario) +
                        "[sweep]\n\"model.architecture\" = [\"vit-b16\", \"vit-tiny\"]\n"
                        "\"training.learn\" = [true, false]\n");
  const Output output = convoy("sweep " + sweep + " --quiet -j 2 -o " + in("sweep"));
  ASSERT_EQ(output.status, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("what was learned is cnn-small"));
  EXPECT_THAT(output.out, HasSubstr("2 of 4 runs"));
  const std::string csv = test::read_file(in("sweep") + "/results.csv");
  EXPECT_THAT(csv, HasSubstr("result.learned_as"));
  EXPECT_THAT(csv, HasSubstr(",cnn-small"));
  EXPECT_THAT(convoy("compare " + in("sweep")).out, HasSubstr("2 of 4 runs"));
  const std::string winners = "compare " + in("sweep") + " --winners architecture";
  EXPECT_THAT(convoy(winners).out, HasSubstr("what was learned is cnn-small"));
  EXPECT_THAT(convoy(winners + " --csv").out, HasSubstr("what was learned is cnn-small"));
}

TEST_F(LearnAs, IsRefusedWhereItWouldMeanNothing) {
  const auto refused = [&](const std::string& set) {
    const Output output = run("refused", set);
    EXPECT_EQ(output.status, 2) << set;
    return output.err;
  };
  EXPECT_THAT(refused("--set schedule.kind=prunefl"), HasSubstr("training.learn_as: prunefl"));
  EXPECT_THAT(refused("--set schedule.kind=heterofl --set training.learn_as=resnet18-cifar"),
              HasSubstr("schedule.heterofl.batch_norm = \"running\""));
  EXPECT_THAT(refused("--set 'model={exits=[1.0]}'"), HasSubstr("name model.architecture"));
  EXPECT_THAT(refused("--set training.learn_as=mlp --set 'model.exits=[0.25,1.0]'"),
              HasSubstr("mlp keeps no exit"));
  EXPECT_THAT(refused("--set training.learn_as=bert-small"),
              HasSubstr("training.learn_as: bert-small reads texts"));
  EXPECT_THAT(refused("--set training.learn_as=fcn_resnet50"),
              HasSubstr("training.learn_as: fcn_resnet50 gives a class for every pixel"));
  EXPECT_THAT(refused("--set training.learn_as=cnn-smal"), HasSubstr("cnn-small"));
  EXPECT_THAT(refused("--set fleet.nodes.0.backend=hil"),
              HasSubstr("training.learn_as: a real node trains what its time is measured for"));
  EXPECT_THAT(convoy("check " + file + " --set training.learn=false").out,
              Not(HasSubstr("Learned is")));
}

}  // namespace
}  // namespace convoy
