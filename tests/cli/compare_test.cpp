// What `convoy compare` prints where a run is measured, and that it prints as before where none is.

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

// A run whose node a takes this long for its training, and b half of it.
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
  EXPECT_THAT(output.out, HasSubstr("Errors of what was predicted in "));
  EXPECT_THAT(output.out, HasSubstr("  a          train            1     2.00 s    4.00 s  50.0 %  "
                                    "-50.0 %              0       0\n"));
  EXPECT_THAT(output.out, Not(HasSubstr("makespan")));
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
