// Tests the output of `convoy compare` for measured runs, and that it is unchanged for other runs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/files.hpp"
#include "tests/support/hand_made_store.hpp"

namespace convoy {
namespace {

using nlohmann::json;
using test::convoy;
using test::HandMadeStore;
using test::Output;
using test::TemporaryFolder;
using testing::HasSubstr;
using testing::Not;

// A run in which node a trains for this time, and b for half of it.
std::string make(const TemporaryFolder& folder, const std::string& name, bool real, double took_s) {
  HandMadeStore store(folder.path() / name);
  store.node(0, "server").node(1, "a", real ? "hil" : "sim").node(2, "b", real ? "hil" : "sim");
  for (const std::int64_t node : {1, 2}) {
    sim::ActivityRow& row = store.compute(node, "train", 0, took_s / static_cast<double>(node));
    row.real = real;
    if (real) row.predicted_s = 2;
  }
  store.version(1, took_s);
  store.end.virtual_time_s = took_s;
  return store.write().string();
}

TEST(Compare, ARunAloneIsTold) {
  const TemporaryFolder folder;
  const std::string one = make(folder, "one", false, 5);
  const Output text = convoy("compare " + one);
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_THAT(text.out, Not(HasSubstr("rrors of")));
  const json all = json::parse(convoy("compare --json " + one).out);
  EXPECT_EQ(all.at("runs").at(0).at("run"), one);
  EXPECT_EQ(all.at("comparison").at("groups").size(), 1);
  EXPECT_TRUE(all.at("fidelity").empty());
}

TEST(Compare, TheErrorsFollowTheUsualTable) {
  const TemporaryFolder folder;
  const std::string simulated = make(folder, "s", false, 5);
  const std::string measured = make(folder, "m", true, 4);
  const Output output = convoy("compare " + simulated + " " + measured);
  EXPECT_EQ(output.status, 0) << output.err;
  const std::size_t heading = output.out.find("Errors of " + simulated + " against " + measured);
  ASSERT_NE(heading, std::string::npos) << output.out;
  EXPECT_EQ(
      output.out.substr(output.out.find('\n', heading) + 1),
      "  node       activity  compared  simulated  measured   error     bias  unpaired  failed\n"
      "  a          train            1     5.00 s    4.00 s  25.0 %  +25.0 %     0 + 0   0 + 0\n"
      "  b          train            1     2.50 s    2.00 s  25.0 %  +25.0 %     0 + 0   0 + 0\n"
      "  all nodes  train            2     3.75 s    3.00 s  25.0 %  +25.0 %     0 + 0   0 + 0\n"
      "  error: mean of |simulated - measured| / measured\n"
      "  bias: (simulated - measured) / measured, of the two means beside it; above 0: simulated "
      "slower than measured\n"
      "  unpaired and failed: simulated + measured; neither is compared\n"
      "makespan: 5.00 s simulated, 4.00 s measured, error +25.0 %\n"
      "to version 1: 5.00 s simulated, 4.00 s measured, error +25.0 %\n");
}

TEST(Compare, AMeasuredRunAloneShowsItsPredictions) {
  const TemporaryFolder folder;
  const Output output = convoy("compare " + make(folder, "m", true, 4));
  EXPECT_EQ(output.status, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("Errors of the predictions in "));
  EXPECT_THAT(output.out, HasSubstr("  a          train            1     2.00 s    4.00 s  50.0 %  "
                                    "-50.0 %              0       0\n"));
  EXPECT_THAT(output.out, HasSubstr("above 0: predicted slower than measured"));
  EXPECT_THAT(output.out, Not(HasSubstr("makespan")));
}

// A run whose accuracy rises by 10 % every second.
std::string learn(const TemporaryFolder& folder, const std::string& name, const std::string& target,
                  int seconds) {
  HandMadeStore store(folder.path() / name);
  store.run.name = name;
  store.run.schedule = name;
  if (!target.empty()) store.run.scenario = "[evaluation]\ntarget = " + target + "\n";
  store.node(0, "server").node(1, "a");
  store.node_end(0).energy_j = 100.0 * seconds;
  store.node_end(1).energy_j = 10.0 * seconds;
  for (int i = 1; i <= seconds; ++i) {
    store.aggregation(i, i, i);
    sim::EvaluationRow& row = store.evaluation(i, i, 0.1 * i);
    row.bytes = 1000.0 * i;
    row.energy_j = 10.0 * i;
    row.energy_server_j = 100.0 * i;
  }
  store.end.virtual_time_s = seconds;
  return store.write().string();
}

TEST(Compare, TheLevelIsPrintedWithWhereItComesFrom) {
  const TemporaryFolder folder;
  const std::string both = learn(folder, "a", "0.3", 8) + " " + learn(folder, "b", "0.3", 5) + " ";
  Output output = convoy("compare " + both);
  EXPECT_EQ(output.status, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("time to 30 %"));
  EXPECT_THAT(output.out,
              HasSubstr("to 30 %: evaluation.target of the scenario; 2 of 2 runs reach it"));
  output = convoy("compare " + both + "--target 0.7");
  EXPECT_THAT(output.out, HasSubstr("energy (workers) to 70 %"));
  EXPECT_THAT(output.out, HasSubstr("to 70 %: --target; 1 of 2 runs reach it"));
  output = convoy("compare " + both + "--target 0.95");
  EXPECT_THAT(output.out, HasSubstr("to 95 %: --target; 0 of 2 runs reach it"));
  const std::string loose = learn(folder, "c", "", 8) + " " + learn(folder, "d", "", 5);
  output = convoy("compare " + loose);
  EXPECT_THAT(output.out, HasSubstr("to 50 %: the highest whole percent that all of them reached"));
  output = convoy("compare " + (folder.path() / "c").string() + " --target 0.2");
  EXPECT_THAT(output.out, HasSubstr("to 20 %: --target; 1 of 1 runs reach it"))
      << "of one run, too";
  EXPECT_EQ(convoy("compare " + both + "--target 80").status, 2);
  EXPECT_THAT(convoy("compare " + both + "--target 0.7 --csv").out, HasSubstr("70 %: --target"));
  EXPECT_THAT(convoy("compare " + both + "--target 0.7 --latex").out,
              HasSubstr("% to 70 %: --target"));
  const std::string latex =
      convoy("compare " + both + "--target 0.3 --latex --label '$a$' --label b_c").out;
  EXPECT_THAT(latex, HasSubstr("\\begin{tabular}{lrrr}\n")) << "accuracy, time and energy to 30 %";
  EXPECT_THAT(latex, HasSubstr("\n$a$ & 80.0 & 3.00 & 30.0 \\\\\n"));
  EXPECT_THAT(latex, HasSubstr("\nb_c & 50.0 & 3.00 & 30.0 \\\\\n")) << "labels are LaTeX";

  // The report uses the same target.
  const std::string page = (folder.path() / "page.html").string();
  ASSERT_EQ(convoy("report " + both + "--target 0.4 -o " + page).status, 0);
  const std::string html = test::read_file(page);
  EXPECT_THAT(html, HasSubstr("\"targets\":[{\"accuracy\":0.4,\"from\":\"--target\","));
  EXPECT_THAT(html, HasSubstr("\"level\":{\"accuracy\":0.4,\"from\":\"--target\"}"));
}

TEST(Compare, EnergyIsThatOfTheWorkersAndUpToATargetTheSame) {
  const TemporaryFolder folder;
  const std::string runs = learn(folder, "a", "", 8) + " " + learn(folder, "b", "", 5);
  const json all = json::parse(convoy("compare --json --target 0.5 " + runs).out);
  const auto values = [&all](const std::string& key) {
    for (const json& figure : all.at("comparison").at("figures")) {
      if (figure.at("key") == key) return figure.at("mean");
    }
    return json();
  };
  EXPECT_EQ(values("energy_j"), json({80.0, 50.0}));
  EXPECT_EQ(values("energy_server_j"), json({800.0, 500.0}));
  // b reaches the target at its end: the costs to the target are its totals.
  EXPECT_EQ(values("energy_to_accuracy_j"), json({50.0, 50.0}));
  EXPECT_EQ(values("bytes_to_accuracy"), json({5000.0, 5000.0}));
  EXPECT_THAT(convoy("compare " + runs).out, HasSubstr("energy (workers)"));
  EXPECT_THAT(convoy("compare " + runs).out, HasSubstr("energy (server)"));
}

TEST(Compare, JsonOfAMeasuredRunIsAnObject) {
  const TemporaryFolder folder;
  const std::string simulated = make(folder, "s", false, 5);
  const std::string measured = make(folder, "m", true, 4);
  const json all = json::parse(convoy("compare --json " + simulated + " " + measured).out);
  EXPECT_EQ(all.at("runs").size(), 2);
  EXPECT_EQ(all.at("runs").at(1).at("run"), measured);
  ASSERT_EQ(all.at("fidelity").size(), 1);
  const json& report = all.at("fidelity").at(0);
  EXPECT_EQ(report.at("simulated"), simulated);
  EXPECT_EQ(report.at("nodes").at(1), json({{"node", "b"},
                                            {"label", "train"},
                                            {"compared", 1},
                                            {"simulated_s", 2.5},
                                            {"measured_s", 2.0},
                                            {"error", 0.25},
                                            {"bias", 0.25},
                                            {"without_duration", 0},
                                            {"unpaired_simulated", 0},
                                            {"unpaired_measured", 0},
                                            {"failed_simulated", 0},
                                            {"failed_measured", 0}}));
  EXPECT_FALSE(report.at("totals").at(0).contains("node"));
  EXPECT_EQ(report.at("makespan").at("error"), 0.25);
  EXPECT_EQ(report.at("version"), 1);
  EXPECT_EQ(report.at("remarks"), json::array());
  const json alone = json::parse(convoy("compare --json " + measured).out);
  EXPECT_TRUE(alone.at("fidelity").at(0).at("simulated").is_null());
  EXPECT_TRUE(alone.at("fidelity").at(0).at("makespan").is_null());
}

}  // namespace
}  // namespace convoy
