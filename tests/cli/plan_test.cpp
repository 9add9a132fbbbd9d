// Tests convoy plan: its table and JSON, the simulated round beside the predicted one, cuts by
// hand, other ways to split, and what it refuses. And the plans of a run in its journal.

#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "tests/support/plan_folder.hpp"

namespace convoy {
namespace {

using test::convoy;
using test::Output;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* split_scenario = R"(
name = "three"
seed = 5
[fleet]
server = { link = { duplex = "full", down_bps = 4e7, up_bps = 4e7, latency_s = 0.001 }, concurrent_computes = 0 }
[[fleet.nodes]]
name = "nano"
device = "jetson-nano"
link = { duplex = "full", down_bps = 4e7, up_bps = 2e7, latency_s = 0.002 }
[[fleet.nodes]]
name = "nx"
device = "jetson-xavier-nx-8gb"
link = { duplex = "full", down_bps = 1e7, up_bps = 1e7 }
[[fleet.nodes]]
name = "orin"
device = "jetson-orin-nano-8gb"
link = "gigabit"
[model]
architecture = "resnet18-cifar"
classes = 10
[data]
samples = 192
[training]
learn = false
batch = 16
[schedule]
kind = "edgesplit"
[stop]
rounds = 4
)";

class Plan : public test::PlanFolder {
 protected:
  Plan() : PlanFolder(split_scenario) {}
};

TEST_F(Plan, ShowsCutsSharesAndTimes) {
  const Output output = plan("--wide");
  ASSERT_EQ(output.status, 0) << output.err;
  for (const char* said : {"three: edgesplit with resnet18-cifar", "nano", "nx", "orin", "[0, ",
                           "* the bottleneck", "Predicted round: ", "Simulated round: "}) {
    EXPECT_THAT(output.out, HasSubstr(said));
  }
  EXPECT_THAT(output.out, Not(HasSubstr("by hand")));
  EXPECT_THAT(output.out, Not(HasSubstr("Other ways")));
}

TEST_F(Plan, ASimulatedRoundTakesWhatIsPredicted) {
  for (const char* keys :
       {"", "--set schedule.edgesplit.labels=device", "--set schedule.edgesplit.share=equal",
        "--set schedule.edgesplit.recompute=true",
        // Unequal directions.
        "--set fleet.nodes.0.link=lte --set fleet.nodes.1.link=5g"}) {
    const nlohmann::json said = json(keys);
    ASSERT_EQ(said["plan"]["nodes"].size(), 3U);
    double bandwidth = 0;
    double shares = 0;
    for (const nlohmann::json& node : said["plan"]["nodes"]) {
      const double predicted = node["predicted_s"];
      EXPECT_NEAR(node["simulated_s"].get<double>() / predicted, 1, 1e-9) << keys << node;
      EXPECT_LE(node["memory_bytes"], node["memory_available_bytes"]);
      bandwidth += node["bandwidth_bytes_per_s"].get<double>();
      shares += node["server_share"].get<double>();
    }
    EXPECT_LE(bandwidth, said["bandwidth_bytes_per_s"].get<double>() * (1 + 1e-12));
    EXPECT_LE(shares, 1 + 1e-12);
    EXPECT_NEAR(said["simulated"]["round_s"].get<double>() / said["plan"]["round_s"].get<double>(),
                1, 1e-9);
    EXPECT_GT(said["simulated"]["version_s"], said["simulated"]["round_s"]);
    EXPECT_TRUE(said["simulated"]["failure"].is_null());
  }
}

// With the same cuts and shares as limits and as guarantees: nobody takes longer with guarantees.
TEST_F(Plan, WithGuaranteesNobodyTakesLongerThanGuaranteed) {
  for (const std::string links :
       {"", " --set fleet.nodes.0.link=lte --set fleet.nodes.1.link=5g"}) {
    const nlohmann::json most = json("--set schedule.edgesplit.hold=guarantee" + links);
    EXPECT_THAT(most["notes"].dump(), HasSubstr("guarantees"));
    std::string cuts = links;
    for (const nlohmann::json& node : most["plan"]["nodes"]) {
      cuts += " --set schedule.edgesplit.cuts." + node["node"].get<std::string>() + "=" +
              std::to_string(node["cut"].get<int>());
    }
    const nlohmann::json limits = json(cuts);
    for (std::size_t i = 0; i < 3; ++i) {
      const nlohmann::json& mine = most["plan"]["nodes"][i];
      const nlohmann::json& theirs = limits["plan"]["nodes"][i];
      EXPECT_EQ(mine["cut"], theirs["cut"]);
      EXPECT_NEAR(mine["up_bytes_per_s"].get<double>() / theirs["up_bytes_per_s"].get<double>(), 1,
                  1e-9);
      EXPECT_LE(mine["simulated_s"].get<double>(),
                theirs["simulated_s"].get<double>() * (1 + 1e-9));
    }
  }
}

TEST_F(Plan, ACutByHandStandsBesideThePlansOwn) {
  const nlohmann::json own = json();
  const nlohmann::json hand = json("--set schedule.edgesplit.cuts.nano=block5");
  const nlohmann::json& nano = hand["plan"]["nodes"][0];
  EXPECT_EQ(nano["cut_name"], "block5");
  EXPECT_TRUE(nano["by_hand"].get<bool>());
  EXPECT_FALSE(hand["plan"]["nodes"][1]["by_hand"].get<bool>());
  EXPECT_EQ(hand["planned"]["round_s"], own["plan"]["round_s"]);
  EXPECT_GT(hand["plan"]["round_s"], own["plan"]["round_s"]);
  EXPECT_TRUE(own["planned"].is_null());
  EXPECT_NEAR(nano["simulated_s"].get<double>() / nano["predicted_s"].get<double>(), 1, 1e-9);
  const std::string text = plan("--set schedule.edgesplit.cuts.nano=block5").out;
  EXPECT_THAT(text, AllOf(HasSubstr("(by hand)"), HasSubstr("Without the cuts given by hand: ")));
}

TEST_F(Plan, ComparesOtherWays) {
  const nlohmann::json said = json("--compare --set schedule.edgesplit.server=not");
  ASSERT_EQ(said["alternatives"].size(), 5U);
  for (const nlohmann::json& other : said["alternatives"]) {
    EXPECT_GE(other["round_s"].get<double>(), said["plan"]["round_s"].get<double>() * (1 - 1e-9));
    EXPECT_EQ(other["cuts"].size(), 3U);
    EXPECT_TRUE(other["why_not"].is_null());
  }
  EXPECT_THAT(plan("--compare").out,
              AllOf(HasSubstr("Other ways to split"), HasSubstr("SplitFed: the best common cut")));
}

// One device after another: nothing waits, so that each takes exactly what is predicted.
TEST_F(Plan, OfSequentialSplitLearningIsExact) {
  for (const char* keys :
       {"", "--set schedule.splitlearning.labels=device --set 'model.exits=[1.0]'",
        "--set schedule.splitlearning.recompute=true --set "
        "schedule.splitlearning.cut=block4 --set fleet.nodes.1.link=5g"}) {
    const nlohmann::json said = json(std::string("--set schedule.kind=splitlearning ") + keys);
    EXPECT_TRUE(said["in_turn"].get<bool>());
    ASSERT_EQ(said["plan"]["nodes"].size(), 3U);
    double sum = 0;
    for (const nlohmann::json& node : said["plan"]["nodes"]) {
      const double predicted = node["predicted_s"];
      EXPECT_NEAR(node["simulated_s"].get<double>() / predicted, 1, 1e-9) << keys << node;
      EXPECT_EQ(node["by_hand"], said["plan"]["nodes"][0]["cut_name"] == "block4");
      sum += predicted;
    }
    EXPECT_NEAR(said["plan"]["round_s"].get<double>() / sum, 1, 1e-12);
    EXPECT_NEAR(said["simulated"]["round_s"].get<double>() / sum, 1, 1e-9);
    EXPECT_NEAR(said["simulated"]["version_s"].get<double>() / sum, 1, 1e-9);
  }
}

// Alone a device has all of the network and of the server, in each version of SplitFed.
TEST_F(Plan, OfSplitFedWithOneDeviceIsExact) {
  for (const std::string version : {"v1", "v2", "v3"}) {
    const nlohmann::json said = json(
        "--set schedule.kind=splitfed --set "
        "'fleet.nodes=[{device=\"jetson-nano\",link=\"wifi5\"}]' "
        "--set fleet.server.concurrent_computes=1 --set schedule.splitfed.version=" +
        version);
    ASSERT_EQ(said["plan"]["nodes"].size(), 1U);
    const nlohmann::json& node = said["plan"]["nodes"][0];
    EXPECT_NEAR(node["simulated_s"].get<double>() / node["predicted_s"].get<double>(), 1, 1e-9)
        << version;
    EXPECT_GT(node["server_memory_bytes"], 0);
  }
}

TEST_F(Plan, ACommonCutStandsBesideTheBestOne) {
  for (const std::string kind : {"splitfed", "splitlearning"}) {
    const std::string by = "--set schedule.kind=" + kind;
    const nlohmann::json hand = json(by + " --set schedule." + kind + ".cut=block5");
    EXPECT_EQ(hand["plan"]["nodes"][0]["cut_name"], "block5");
    EXPECT_TRUE(hand["plan"]["nodes"][0]["by_hand"].get<bool>());
    EXPECT_FALSE(json(by)["plan"]["nodes"][0]["by_hand"].get<bool>());
    EXPECT_EQ(hand["planned_as"], "with the best common cut");
    const std::string cut = hand["planned"]["nodes"][0]["cut_name"];
    // The best one is the same for every cut, and as the plan it is what it was beside another.
    const nlohmann::json best = json(by + " --set schedule." + kind + ".cut=" + cut);
    EXPECT_TRUE(best["planned"].is_null());
    EXPECT_EQ(best["plan"]["round_s"], hand["planned"]["round_s"]);
    EXPECT_THAT(best["notes"].dump(), HasSubstr("no other common cut is predicted to be faster"));
    for (const char* other : {"stem", "block1", "block3", "block7"}) {
      EXPECT_GE(json(by + " --set schedule." + kind + ".cut=" + other)["plan"]["round_s"],
                best["plan"]["round_s"]);
    }
    EXPECT_THAT(plan(by + " --set schedule." + kind + ".cut=block5").out,
                AllOf(HasSubstr("(by hand)"), HasSubstr("With the best common cut: ")));
  }
}

TEST_F(Plan, OfSplitFedShowsThoseThatARoundDraws) {
  const nlohmann::json said =
      json("--set schedule.kind=splitfed --set schedule.splitfed.participants=2");
  EXPECT_EQ(said["plan"]["nodes"].size(), 2U);
  EXPECT_THAT(said["notes"].dump(), HasSubstr("draws 2 of 3 devices"));
}

TEST_F(Plan, SaysWhereTheServerDoesNotShareAsPlanned) {
  EXPECT_THAT(json("--set fleet.server.concurrent_computes=1")["notes"].dump(),
              HasSubstr("fleet.server.concurrent_computes = 0"));
  EXPECT_EQ(json()["notes"].size(), 0U);
}

TEST_F(Plan, RefusesWhatHasNoPlan) {
  for (const std::string kind : {"fedavg", "partitioned"}) {
    const Output none = plan("--set schedule.kind=" + kind);
    EXPECT_EQ(none.status, 2);
    EXPECT_THAT(none.err, AllOf(HasSubstr(kind + " makes no plan"), HasSubstr("edgesplit"),
                                HasSubstr("splitfed"), HasSubstr("splitlearning")));
  }
  const Output name = plan("--set schedule.edgesplit.cuts=blok5");
  EXPECT_EQ(name.status, 2);
  EXPECT_THAT(name.err, HasSubstr("did you mean \"block5\"?"));
  const Output shares = plan("--set 'schedule.edgesplit.share={nano=0.5,nx=0.5,orin=0.5}'");
  EXPECT_EQ(shares.status, 2);
  EXPECT_THAT(shares.err, HasSubstr("sum to 1.5"));
  EXPECT_EQ(convoy("plan no-such.toml").status, 2);
}

TEST_F(Plan, OfEachRoundIsInTheJournalOfARun) {
  ASSERT_EQ(run("steady").status, 0);
  const std::string plans = "SELECT COUNT(*) FROM journal WHERE kind = 'planned'";
  EXPECT_EQ(query("steady", plans), 1);
  EXPECT_THAT(text("steady", "SELECT detail FROM journal WHERE kind = 'planned'"),
              HasSubstr("{\"cause\":\"first\",\"adopted\":true,\"round_s\":"));
  // The nano is away for most of the run.
  ASSERT_EQ(run("away", "--set 'fleet.nodes.0.outages=[{at_s=0.01,for_s=1e6}]'").status, 0);
  EXPECT_EQ(query("away", plans), 2);
  EXPECT_THAT(text("away",
                   "SELECT detail FROM journal WHERE kind = 'planned' ORDER BY sequence "
                   "LIMIT 1 OFFSET 1"),
              AllOf(HasSubstr("\"cause\":\"devices\""), HasSubstr("\"node\":[2,3]")));
  EXPECT_EQ(query("away", "SELECT COUNT(*) FROM task WHERE node = 1 AND outcome = 'aggregated'"),
            0);
}

TEST(PlanOfAScenario, TheScenarioOfTheReadmeHasOne) {
  const Output output =
      convoy("plan " CONVOY_SOURCE "/scenarios/edgesplit/plan.toml --compare --json");
  ASSERT_EQ(output.status, 0) << output.err;
  const auto said = nlohmann::json::parse(output.out);
  EXPECT_EQ(said["plan"]["nodes"].size(), 8U);
  EXPECT_NEAR(said["simulated"]["round_s"].get<double>() / said["plan"]["round_s"].get<double>(), 1,
              1e-9);
}

}  // namespace
}  // namespace convoy
