// Tests runs that cannot succeed: they end and give the reason, if work stands still for good,
// nodes are away for good, or tasks do not fit.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/files.hpp"

namespace convoy {
namespace {

using nlohmann::json;
using test::convoy;
using test::Output;
using testing::HasSubstr;

class HopelessRun : public testing::Test {
 protected:
  // A node that follows `trace`. `keys`: of the node. `rest`: further text of the file.
  [[nodiscard]] std::string scenario(const std::string& trace, const std::string& keys = "",
                                     const std::string& rest = "") const {
    folder.write("t.csv", trace);
    return folder.write(
        "s.toml", "[[fleet.nodes]]\nname = \"n\"\ndevice = \"jetson-nano\"\n" +
                      (keys.empty() ? "trace = \"t.csv\"" : keys) +
                      "\n[model]\narchitecture = \"mlp\"\n[training]\nfixed_cost = { compute_s "
                      "= 10, download_bytes = 1e6, upload_bytes = 1e6, memory_bytes = 1e6 }\n" +
                      rest + "[stop]\nrounds = 5\n");
  }
  [[nodiscard]] Output run(const std::string& file) const {
    return convoy("run " + file + " --json --no-store");
  }
  test::TemporaryFolder folder;
};

TEST_F(HopelessRun, ASpeedThatIsAlways0IsRefused) {
  for (const char* keys : {"trace = \"t.csv\"", "trace = { file = \"t.csv\" }"}) {
    const Output output = run(scenario("time_s,speed\n0,0\n", keys));
    EXPECT_EQ(output.status, 2) << output.err;
    EXPECT_THAT(output.err, HasSubstr("speed is 0 in all of the part that is used"));
  }
}

// The process ends normally, although SimGrid still has an unfinished activity.
TEST_F(HopelessRun, WhatStandsStillForGoodEndsTheRunWithItsCause) {
  struct Case {
    const char* trace;
    const char* what;
  };
  for (const Case& c :
       {Case{"time_s,speed\n0,1\n5,0\n", "train"}, Case{"time_s,up_bps\n0,1e6\n5,0\n", "upload"},
        Case{"time_s,down_bps\n0,1e6\n5,0\n", "download"}}) {
    const Output output = run(scenario(c.trace));
    ASSERT_EQ(output.status, 1) << output.err;
    const json summary = json::parse(output.out);
    EXPECT_EQ(summary["status"], "failed");
    EXPECT_THAT(summary["cause"].get<std::string>(),
                HasSubstr(std::string(c.what) + " of task 0 stands still on "))
        << c.trace;
  }
}

TEST_F(HopelessRun, ATraceInWhichANodeNeverComesEndsAtOnceRepeatedOrNot) {
  for (const char* keys : {"trace = \"t.csv\"", "trace = { file = \"t.csv\", loop = true }",
                           "trace = { file = \"t.csv\", loop = true, start_s = 3 }"}) {
    const Output output = run(scenario("time_s,available\n0,0\n86400,0\n", keys));
    ASSERT_EQ(output.status, 1) << output.err;
    EXPECT_THAT(json::parse(output.out)["cause"].get<std::string>(),
                HasSubstr("1 of 1 nodes are away and none of them returns"))
        << keys;
  }
}

// Nodes lost while they are absent: no event follows, but their outages and traces go on.
TEST_F(HopelessRun, NodesThatAreLostWhileAwayDoNotKeepTheClockRunning) {
  for (const char* keys : {"lost_at_s = 5\ntrace = { file = \"t.csv\", loop = true }",
                           "lost_at_s = 5\nrandom_outages = { mean_up_s = 0.5, mean_down_s = 30 }",
                           "trace = { file = \"t.csv\", to_s = 9 }\nrandom_outages = { mean_up_s = "
                           "2, mean_down_s = 3 }"}) {
    const Output output = run(scenario("time_s,available\n0,1\n3,0\n9,1\n10,1\n", keys));
    ASSERT_EQ(output.status, 1) << output.err;
    EXPECT_THAT(json::parse(output.out)["cause"].get<std::string>(),
                HasSubstr("1 of 1 nodes are away and none of them returns"))
        << keys;
  }
}

// Three nodes whose tasks never fit, and one that does a few: the run and compare say so first.
TEST_F(HopelessRun, OneInWhichMostTasksFailSaysThatItCameToNothing) {
  const std::string file =
      scenario("time_s,memory_free_bytes\n0,1000\n", "trace = \"t.csv\"\ncount = 3",
               "[[fleet.nodes]]\nname = \"m\"\ndevice = \"jetson-nano\"\nslowdown = 25\n");
  const std::string store = (folder.path() / "r").string();
  const Output output = convoy("run " + file + " --overwrite --json -o " + store);
  ASSERT_EQ(output.status, 0) << output.err;
  const json summary = json::parse(output.out);
  ASSERT_GT(summary["tasks_failed"], summary["tasks"]) << "most fail";
  EXPECT_THAT(output.err, HasSubstr("most of the work came to nothing: "));
  EXPECT_THAT(convoy("compare " + store).err, HasSubstr("most of the work was lost"));
}

TEST_F(HopelessRun, OneWhoseWorkMostlyFailsSaysSoAndWhy) {
  // The first node's tasks never fit into its memory. Those of the second fit, but take 25 times as
  // long.
  const std::string file =
      scenario("time_s,memory_free_bytes\n0,1000\n", "trace = \"t.csv\"",
               "[[fleet.nodes]]\nname = \"m\"\ndevice = \"jetson-nano\"\nslowdown = 25\n");
  const Output output = run(file);
  ASSERT_EQ(output.status, 0) << output.err;
  const json summary = json::parse(output.out);
  EXPECT_GE(summary["failures"]["out_of_memory"], 5) << summary;
  ASSERT_FALSE(summary["remarks"].empty());
  EXPECT_THAT(output.err, HasSubstr("because out of memory: n ("));
  EXPECT_THAT(output.err, HasSubstr("up to 977 KiB was needed"));
  EXPECT_EQ(convoy("run " + file + " --json --no-store --quiet").err, "");
}

}  // namespace
}  // namespace convoy
