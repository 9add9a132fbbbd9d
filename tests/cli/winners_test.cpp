// Tests `convoy compare --winners` on a real sweep without learning.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/files.hpp"

namespace convoy {
namespace {

using nlohmann::json;
using test::convoy;
using test::Output;
using testing::HasSubstr;

class WinnersOfASweep : public testing::Test {
 protected:
  // Two nodes, one of them slow: FedAvg waits for it, FedAsync does not.
  static std::string scenario() {
    return R"(
name = "who"
seed = 1
[[fleet.nodes]]
name = "fast"
device = "jetson-nano"
jitter = 0.05
[[fleet.nodes]]
name = "slow"
device = "jetson-nano"
slowdown = 6
jitter = 0.05
[model]
architecture = "mlp"
[training]
fixed_cost = { compute_s = 10, download_bytes = 1e6, upload_bytes = 1e6, memory_bytes = 1e6 }
[schedule]
kind = "fedavg"
[stop]
tasks = 12
[sweep]
"schedule.kind" = ["fedavg", "fedasync"]
"fleet.nodes.1.slowdown" = [6, 12]
seed = [1, 2, 3]
)";
  }
  void SetUp() override {
    sweep_ = (folder_.path() / "out").string();
    const Output made =
        convoy("sweep " + folder_.write("s.toml", scenario()) + " --quiet -o " + sweep_);
    ASSERT_EQ(made.status, 0) << made.err;
  }

  test::TemporaryFolder folder_;
  std::string sweep_;
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST_F(WinnersOfASweep, AreATableCsvAndJsonThatAgree) {
  const Output text = convoy("compare " + sweep_ + " --winners --metrics virtual_time_s");
  ASSERT_EQ(text.status, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("Winners by schedule.kind: fedavg and fedasync"));
  EXPECT_THAT(text.out, HasSubstr("excludes 0")) << text.out;

  const json map =
      json::parse(convoy("compare " + sweep_ + " --winners --metrics virtual_time_s --json").out);
  ASSERT_EQ(map["cells"].size(), 2);
  const std::vector<std::string> csv =
      lines_of(convoy("compare " + sweep_ + " --winners --metrics virtual_time_s --csv").out);
  ASSERT_EQ(csv.size(), 3);
  EXPECT_EQ(csv[0].substr(0, csv[0].find(",decision")),
            "fleet.nodes.1.slowdown,metric,unit,target");
  for (std::size_t i = 0; i < 2; ++i) {
    const json& cell = map["cells"][i];
    const json& verdict = cell["verdicts"][0];
    // FedAsync goes on with the fast node.
    EXPECT_EQ(map["contestants"][verdict["winner"].get<std::size_t>()]["label"], "fedasync");
    EXPECT_EQ(verdict["pairs"], 3);
    EXPECT_EQ(verdict["clear"], true) << verdict;
    EXPECT_GT(verdict["ratio"], 1);
    EXPECT_THAT(text.out, HasSubstr(verdict["lead"].get<std::string>()));
    const std::string start = cell["settings"][0].get<std::string>() +
                              ",virtual_time_s,s,,mean,fedasync,fedavg," +
                              verdict["means"][1].dump() + "," + verdict["means"][0].dump() + ",";
    EXPECT_TRUE(csv[i + 1].starts_with(start)) << csv[i + 1] << "\n" << start;
  }
}

TEST_F(WinnersOfASweep, AnotherContestAndTheUsualMetrics) {
  const Output text = convoy("compare " + sweep_ + " --winners slowdown");
  ASSERT_EQ(text.status, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("Winners by fleet.nodes.1.slowdown: 6 and 12"));
  EXPECT_THAT(text.out, HasSubstr("energy (workers)")) << "no run learns";
  EXPECT_THAT(text.out, HasSubstr("virtual time"));
  const json both =
      json::parse(convoy("compare --json " + sweep_ + " --winners=kind,slowdown").out);
  EXPECT_EQ(both["contestants"].size(), 4);
  EXPECT_EQ(both["cells"].size(), 1);
}

TEST_F(WinnersOfASweep, OfFailedPointsTheCauseIsNamed) {
  // One point of FedAsync failed.
  std::string failed;
  const json index = json::parse(test::read_file(sweep_ + "/sweep.json"));
  for (const json& point : index["points"]) {
    if (point["settings"] == json({"fedasync", "6", "2"})) failed = point["hash"];
  }
  ASSERT_NE(failed, "") << index;
  const std::filesystem::path point = std::filesystem::path(sweep_) / "points" / failed;
  std::filesystem::remove(point / "summary.json");
  std::ofstream(point / "failure.txt") << "node slow: caught fire\n";
  const Output text = convoy("compare " + sweep_ + " --winners --metrics virtual_time_s");
  ASSERT_EQ(text.status, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("slowdown=6: fedasync: 1 of 3 points failed: node slow: caught"));
  EXPECT_THAT(text.out, HasSubstr("3 of 3 seeds have it"));
  EXPECT_THAT(convoy("compare " + sweep_ + " --winners --metrics virtual_time_s --csv").out,
              HasSubstr(",reach,fedavg,fedasync,"));
}

TEST_F(WinnersOfASweep, ErrorsSayWhatToDo) {
  struct Case {
    std::string arguments;
    std::string said;
  };
  for (const Case& c :
       std::vector<Case>{{sweep_ + " --winners slowdwon", "did you mean \"slowdown\"?"},
                         {sweep_ + " --winners seed", "seeds are no contestants"},
                         {sweep_ + " --winners --latex", "--winners goes with"},
                         {sweep_ + " --winners --metrics tasks", "nobody wins by it"}}) {
    const Output output = convoy("compare " + c.arguments);
    EXPECT_EQ(output.status, 2) << c.arguments;
    EXPECT_THAT(output.err, HasSubstr(c.said)) << c.arguments;
    EXPECT_EQ(output.out, "") << c.arguments;
  }
  // Without the axes of the other.
  const std::string other = (folder_.path() / "other").string();
  std::string text = scenario();
  text.replace(text.find("\"fleet.nodes.1.slowdown\" = [6, 12]"), 34,
               "\"training.batch\" = [4, 8]");
  ASSERT_EQ(convoy("sweep " + folder_.write("t.toml", text) + " --quiet -o " + other).status, 0);
  Output output = convoy("compare " + sweep_ + " " + other + " --winners");
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, HasSubstr("have different axes"));
  output = convoy("compare --winners " + sweep_ + " " + other);
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, HasSubstr("folders come before --winners"));
  EXPECT_EQ(convoy("compare --winners " + sweep_).status, 0) << "no axis can be meant";
}

TEST_F(WinnersOfASweep, AreInTheReport) {
  const std::string page = (folder_.path() / "page.html").string();
  ASSERT_EQ(convoy("report " + sweep_ + " -o " + page).status, 0);
  const std::string html = test::read_file(page);
  EXPECT_THAT(html, HasSubstr("\"winners\":[{\"contest\":[\"schedule.kind\"]"));
  EXPECT_THAT(html, HasSubstr("{\"contest\":[\"fleet.nodes.1.slowdown\"]"));
}

}  // namespace
}  // namespace convoy
