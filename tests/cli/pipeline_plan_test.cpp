// Tests convoy plan, check and run for pipelines: plans and their simulated rounds, plans by hand,
// every planner's plan, what does not fit, losses in a run.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "sim/schedule/schedule.hpp"
#include "tests/support/plan_folder.hpp"

namespace convoy {
namespace {

using test::convoy;
using test::Output;
using testing::AllOf;
using testing::HasSubstr;

constexpr const char* pipeline_scenario = R"(
name = "pipe"
seed = 5
[fleet]
server = { link = "gigabit" }
[[fleet.nodes]]
name = "nano"
device = "jetson-nano"
count = 2
link = "gigabit"
[[fleet.nodes]]
name = "nx"
device = "jetson-xavier-nx-8gb"
link = "gigabit"
[[fleet.nodes]]
name = "orin"
device = "jetson-orin-nano-8gb"
link = "gigabit"
[model]
architecture = "resnet18"
classes = 10
exits = [1.0]
[data]
samples = 640
[training]
learn = false
[schedule]
kind = "asteroid"
[schedule.pipeline]
microbatch = 8
microbatches = 6
[stop]
rounds = 5
)";

class PipelinePlan : public test::PlanFolder {
 protected:
  PipelinePlan() : PlanFolder(pipeline_scenario) {}
  static std::vector<std::string> kinds() {
    std::vector<std::string> names;
    for (const sim::ScheduleKind& kind : sim::schedule_kinds()) {
      if (kind.together) names.push_back(kind.name);
    }
    return names;
  }
};

TEST_F(PipelinePlan, ShowsStagesMemoryAndTimes) {
  const Output output = plan("--wide");
  ASSERT_EQ(output.status, 0) << output.err;
  for (const char* said :
       {"pipe: asteroid with resnet18", "nano-1", "orin", "the bottleneck: stage",
        "6 micro-batches of 8 samples, 1F1B", "Closed form: ", "Simulated: "}) {
    EXPECT_THAT(output.out, HasSubstr(said));
  }
}

// An all-reduce is the bottleneck where it takes longer than all micro-batches of every step.
void expect_the_longest_part_is_the_bottleneck(const nlohmann::json& plan) {
  double all_reduce = 0;
  double step = 0;
  for (const nlohmann::json& stage : plan["stages"]) {
    all_reduce = std::max(all_reduce, stage["all_reduce_s"].get<double>());
    double forward = 0;
    double backward = 0;
    for (const nlohmann::json& member : stage["members"]) {
      forward = std::max(forward, member["forward_s"].get<double>());
      backward = std::max(backward, member["backward_s"].get<double>());
    }
    step = std::max({step, forward + backward, stage["transfer_s"].get<double>()});
  }
  const bool said = plan["bottleneck"].get<std::string>().starts_with("the all-reduce");
  EXPECT_EQ(said, all_reduce > plan["microbatches"].get<int>() * step) << plan.dump(2);
}

// Of every kind: the stages cover the model, each stage has all samples of a micro-batch, nothing
// is over a memory, and the simulated round is about that of the closed form.
TEST_F(PipelinePlan, OfEveryKindIsWhole) {
  for (const std::string& kind : kinds()) {
    SCOPED_TRACE(kind);
    const nlohmann::json said = json("--set schedule.kind=" + kind);
    const nlohmann::json& plan = said["plan"];
    int layers = 0;
    for (const nlohmann::json& stage : plan["stages"]) {
      EXPECT_EQ(stage["layers"][0], layers);
      layers = stage["layers"][1];
      int samples = 0;
      for (const nlohmann::json& member : stage["members"]) {
        samples += member["samples"].get<int>();
        EXPECT_LE(member["memory_bytes"], member["memory_available_bytes"]);
        double parts = 0;
        for (const char* part : {"runtime", "weights", "optimizer", "stashes"}) {
          parts += member[part + std::string("_bytes")].get<double>();
        }
        EXPECT_LE(parts, member["memory_bytes"]);  // the rest: gradients, and what a pass takes
        EXPECT_NEAR(member["optimizer_bytes"].get<double>(), 0, 1e-6) << "of plain SGD";
      }
      EXPECT_EQ(samples, 8);
    }
    EXPECT_EQ(layers, said["layers"]);
    const double simulated = plan["simulated_s"];
    EXPECT_LT(simulated / plan["closed_form_s"].get<double>(), 2);
    EXPECT_GT(simulated / plan["closed_form_s"].get<double>(), 0.7);
    EXPECT_GE(plan["simulated_bubble"].get<double>(), 0);
    EXPECT_LT(plan["simulated_bubble"].get<double>(), 1);
    EXPECT_TRUE(plan["failure"].is_null());
    if (kind == "gpipe") {
      for (const nlohmann::json& stage : plan["stages"]) EXPECT_EQ(stage["window"], 6);
    }
    if (kind != "pipedream") expect_the_longest_part_is_the_bottleneck(plan);  // that has no flush
  }
}

// A run's rounds take what the plan's simulated round takes: each begins when the one before ends.
TEST_F(PipelinePlan, ARunHasRoundsOfThatLength) {
  for (const std::string& kind : kinds()) {
    SCOPED_TRACE(kind);
    const double round = json("--set schedule.kind=" + kind)["plan"]["simulated_s"];
    ASSERT_EQ(run(kind, "--set schedule.kind=" + kind).status, 0);
    const std::string last = "SELECT MAX(end_s) FROM aggregation";
    EXPECT_NEAR(std::stod(text(kind, last)) / (5 * round), 1, 1e-9);
  }
}

TEST_F(PipelinePlan, ShowsTheOptimizersState) {
  const nlohmann::json adam =
      json("--set 'training.optimizer={kind=\"adamw\",learning_rate=1e-3}'");
  for (const nlohmann::json& stage : adam["plan"]["stages"]) {
    for (const nlohmann::json& member : stage["members"]) {
      const double weights = member["weights_bytes"];  // with batch norms' statistics
      EXPECT_GT(member["optimizer_bytes"].get<double>(), 1.9 * weights);
      EXPECT_LE(member["optimizer_bytes"].get<double>(), 2 * weights);
    }
  }
}

// A device that is slower than its profile says computes longer; it does not wait.
TEST_F(PipelinePlan, ASlowDeviceIsBusy) {
  const std::string alone = "--set 'schedule.pipeline.stages=[{nodes=[\"orin\"]}]' ";
  const nlohmann::json nominal = json(alone)["plan"];
  const nlohmann::json slow = json(alone + "--set fleet.nodes.2.slowdown=3")["plan"];
  EXPECT_NEAR(slow["simulated_s"].get<double>() / nominal["simulated_s"].get<double>(), 3, 1e-9);
  EXPECT_NEAR(nominal["simulated_bubble"].get<double>(), 0, 1e-9);
  EXPECT_NEAR(slow["simulated_bubble"].get<double>(), 0, 1e-9);
}

// A device's part of a micro-batch counts, and not its own data: all train on all of it.
TEST_F(PipelinePlan, ALearningRunNeedsTwoSamplesWhereABatchNormSeesOnePosition) {
  const std::string learns =
      "--set training.learn=true --set data.source=glyphs --set model.image_size=32 "
      "--set schedule.kind=dataparallel --set schedule.dataparallel.shares=equal ";
  const std::string one = learns + "--set schedule.pipeline.microbatch=4";
  for (const std::string& verb : {"check ", "run "}) {
    const Output output = convoy(verb + file + " " + one);
    EXPECT_EQ(output.status, 2) << verb << output.out;
    EXPECT_THAT(output.err,
                AllOf(HasSubstr("node nano-0: resnet18 normalizes over the batch there"),
                      HasSubstr("of each micro-batch of 4 samples"),
                      HasSubstr("raise schedule.pipeline.microbatch")));
  }
  const Output two =
      convoy("check " + file + " " + learns + "--set schedule.pipeline.microbatch=8");
  EXPECT_EQ(two.status, 0) << two.err;
}

// A plan without a flush stands beside the others with as many samples as they have.
TEST_F(PipelinePlan, ComparesPlansOverOneRound) {
  const nlohmann::json said = json("--compare --set schedule.pipeline.rounds=5");
  std::size_t possible = 0;
  for (const nlohmann::json& other : said["alternatives"]) {
    const nlohmann::json& plan = other["plan"];
    if (plan.is_null()) continue;
    ++possible;
    EXPECT_EQ(plan["microbatches"].get<int>() * plan["microbatch"].get<int>(), 6 * 8)
        << other["name"];
  }
  EXPECT_GT(possible, 5U);
}

TEST_F(PipelinePlan, DataParallelismHasOneStage) {
  const Output output = plan(
      "--set schedule.kind=dataparallel --set 'schedule.pipeline.stages=[{to=\"block3\",nodes="
      "[\"nano\"]},{nodes=[\"nx\",\"orin\"]}]'");
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, HasSubstr("schedule.pipeline.stages: with data parallelism"));
}

TEST_F(PipelinePlan, ByHandStandsBesideThePlanners) {
  const std::string hand =
      "--set 'schedule.pipeline.stages=[{to=\"block3\",nodes=[\"nano\"]},{nodes=[\"nx\",\"orin\"],"
      "samples=[3,5]}]'";
  const nlohmann::json said = json(hand);
  EXPECT_TRUE(said["plan"]["by_hand"].get<bool>());
  EXPECT_EQ(said["plan"]["stages"].size(), 2U);
  EXPECT_EQ(said["plan"]["stages"][0]["last"], "block3");
  EXPECT_EQ(said["plan"]["stages"][1]["members"][1]["samples"], 5);
  EXPECT_FALSE(said["planned"]["by_hand"].get<bool>());
  EXPECT_EQ(said["planned"]["closed_form_s"], json()["plan"]["closed_form_s"]);
  EXPECT_THAT(plan(hand).out, AllOf(HasSubstr("a plan made by hand"),
                                    HasSubstr("The planner's own plan"), HasSubstr("block3")));
}

TEST_F(PipelinePlan, ComparesEveryPlanner) {
  const nlohmann::json said = json("--compare");
  EXPECT_GE(said["alternatives"].size(), 6U);
  int possible = 0;
  for (const nlohmann::json& other : said["alternatives"]) {
    if (other["plan"].is_null()) continue;
    ++possible;
    EXPECT_GT(other["plan"]["simulated_s"].get<double>(), 0) << other;
  }
  EXPECT_GE(possible, 4);
  const double round_s = said["plan"]["simulated_s"].get<double>();
  EXPECT_NEAR(said["alternatives"][0]["plan"]["simulated_s"].get<double>(), round_s,
              1e-12 * round_s);
  EXPECT_THAT(plan("--compare --wide").out, HasSubstr("Every planner's plan"));
}

// What is searched is judged by lanes, which are near to the simulation: on slow links between
// equal devices the published planner is behind DAPPLE's, and the search is behind neither.
TEST_F(PipelinePlan, SearchedOrdersAreBehindNobodySimulated) {
  std::string settings = "--compare --set model.architecture=bert-small";
  for (int i = 0; i < 3; ++i) {
    settings += fmt::format(
        " --set fleet.nodes.{0}.link=ethernet-100m --set fleet.nodes.{0}.device=jetson-nano", i);
  }
  for (const std::string& more : {"", " --set fleet.nodes.2.device=jetson-xavier-nx-8gb"}) {
    const nlohmann::json said = json(settings + more + " --set fleet.nodes.1.count=2");
    std::map<std::string, double> simulated;
    for (const nlohmann::json& other : said["alternatives"]) {
      if (!other["plan"].is_null()) simulated[other["name"]] = other["plan"]["simulated_s"];
    }
    const double searched = simulated.at("asteroid, orders searched");
    for (const auto& [name, seconds] : simulated) {
      if (name.starts_with("pipedream")) continue;  // without a flush
      EXPECT_LE(searched, 1.05 * seconds) << name << more;
    }
  }
}

TEST_F(PipelinePlan, TheSearchIsNoWorseThanWhatIsGiven) {
  const nlohmann::json given = json();
  const nlohmann::json searched = json("--set schedule.pipeline.search=true");
  EXPECT_LE(searched["plan"]["simulated_s"].get<double>(),
            given["plan"]["simulated_s"].get<double>() * 1.05)
      << "judged by lanes, which are not exact";
  EXPECT_EQ(searched["plan"]["microbatch"].get<int>() * searched["plan"]["microbatches"].get<int>(),
            48);
}

TEST_F(PipelinePlan, CheckSaysWhatDoesNotFit) {
  const Output hand = convoy("check " + file +
                             " --set schedule.pipeline.microbatch=512 --set "
                             "'schedule.pipeline.stages=[{to=\"block3\",nodes=[\"nano-1\"],samples="
                             "[512]},{nodes=[\"orin\"]}]'");
  EXPECT_EQ(hand.status, 2);
  EXPECT_THAT(hand.err, AllOf(HasSubstr("stage 1 of 2"), HasSubstr("does not fit nano-1"),
                              HasSubstr("it needs"), HasSubstr("schedule.pipeline.microbatch")));
  for (const std::string& kind : kinds()) {
    const Output none = convoy("check " + file + " --set schedule.pipeline.microbatch=100000" +
                               " --set schedule.kind=" + kind);
    EXPECT_EQ(none.status, 2) << kind << none.out;
  }
  const Output fits = convoy("check " + file);
  EXPECT_EQ(fits.status, 0) << fits.err;
  EXPECT_THAT(fits.out, HasSubstr("stage 1"));
}

// A node is lost in the second round and comes back later: its round is done anew, and each
// version is there once.
TEST_F(PipelinePlan, ALossIsLivedThrough) {
  double interrupted = 0;
  for (const std::string& kind : kinds()) {
    SCOPED_TRACE(kind);
    const double round = json("--set schedule.kind=" + kind)["plan"]["simulated_s"];
    const std::string away = fmt::format(" --set 'fleet.nodes.1.outages=[{{at_s={},for_s={}}}]'",
                                         1.5 * round, 2 * round);
    const Output output = run(kind, "--set schedule.kind=" + kind + away);
    ASSERT_EQ(output.status, 0) << output.err;
    EXPECT_EQ(query(kind, "SELECT COUNT(*) FROM aggregation"), 5);
    // A kind may have left the node out.
    const double lost =
        query(kind, "SELECT COUNT(*) FROM task WHERE label = 'round' AND outcome = 'node_lost'");
    EXPECT_LE(lost, 1);
    interrupted += lost;
    EXPECT_EQ(
        query(kind, "SELECT COUNT(*) FROM task WHERE label = 'round' AND outcome = 'published'"),
        5);
    EXPECT_GE(query(kind, "SELECT COUNT(*) FROM journal WHERE kind = 'planned'"), 2);
  }
  EXPECT_GE(interrupted, 3);
}

// With heartbeats the next round begins when the loss was noticed, no earlier, and what they send
// is in the traffic.
TEST_F(PipelinePlan, ALossIsNoticedByHeartbeats) {
  const nlohmann::json plan = json()["plan"];
  const double round = plan["simulated_s"];
  int used = 0;  // of the two that are alone in their entry of fleet.nodes
  for (const nlohmann::json& stage : plan["stages"]) {
    for (const nlohmann::json& member : stage["members"]) {
      if (member["node"] == "nx") used = 1;
      if (member["node"] == "orin") used = 2;
    }
  }
  ASSERT_GT(used, 0);
  const double period = round / 4;
  const double lost = 1.5 * round;
  const std::string keys = fmt::format(
      "--set 'fleet.nodes.{}.outages=[{{at_s={},for_s=1e6}}]' --set stop.rounds=4 --set "
      "schedule.pipeline.heartbeat.period_s={} --set schedule.pipeline.heartbeat.missed=2 --set "
      "schedule.pipeline.heartbeat.bytes=100",
      used, lost, period);
  const Output output = run("beats", keys);
  ASSERT_EQ(output.status, 0) << output.err;
  const double at = query("beats", "SELECT ended_s FROM task WHERE outcome = 'node_lost'");
  EXPECT_NEAR(at, lost, 1e-9 * lost);
  const double noticed =
      query("beats", "SELECT MAX(time_s) FROM journal WHERE kind = 'timer_fired'");
  EXPECT_NEAR(noticed, (std::floor(lost / period) + 2) * period, 1e-9 * lost);
  EXPECT_GE(
      query("beats", fmt::format("SELECT MIN(assigned_s) FROM task WHERE assigned_s > {}", lost)),
      noticed * (1 - 1e-12));
  EXPECT_EQ(query("beats", "SELECT COUNT(*) FROM aggregation"), 4);
  // 100 bytes of each of the devices, 4 or 5 times a round of about 4 periods.
  const double bytes =
      query("beats", "SELECT SUM(bytes) FROM traffic WHERE label = 'heartbeat' AND peer = 0");
  EXPECT_GE(bytes, 100.0 * 3 * 2);
  EXPECT_LE(bytes, 100.0 * 8 * 4 * 5);
  ASSERT_EQ(run("none").status, 0);
  EXPECT_EQ(query("none", "SELECT COUNT(*) FROM traffic WHERE label = 'heartbeat'"), 0);
}

}  // namespace
}  // namespace convoy
