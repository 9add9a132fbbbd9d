// Tests convoy-node --self-test: the report, and that calibrate and validate read it.

#include "hil/agent/self_test.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>

#include "base/diagnostics.hpp"
#include "engine/api/engine.hpp"
#include "engine/api/profile.hpp"
#include "hil/agent/loopback.hpp"
#include "platforms/catalogue.hpp"
#include "platforms/self_test_report.hpp"
#include "platforms/validation.hpp"
#include "tests/sensors/machine.hpp"
#include "tests/support/programs.hpp"

namespace convoy::hil {
namespace {

using nlohmann::json;
using platforms::Measurement;
using testing::HasSubstr;

// The full way of a task over TLS changes no bit.
TEST(SelfTest, ATaskOverTheLoopbackHasTheBitsOfOneWithoutANetwork) {
  const LoopbackResult result = loopback_task({});
  ASSERT_EQ(result.failure, "");
  EXPECT_TRUE(result.same_bits) << result.largest_difference;
  EXPECT_EQ(result.largest_difference, 0);
  EXPECT_EQ(result.samples, 100);
  EXPECT_GT(result.sent_bytes, 10'000U);
  EXPECT_GT(result.received_bytes, 10'000U);
  EXPECT_GT(result.training_s, 0);
  EXPECT_GE(result.task_s, result.training_s);
}

TEST(SelfTest, OfADeviceThatIsNotThereSaysWhy) {
  EXPECT_THAT(loopback_task({.device = "cuda:7"}).failure, HasSubstr("cuda:7"));
}

TEST(SelfTest, AFailureDoesNotTellWhereTemporaryFilesLie) {
  const convoy::test::TemporaryFolder folder;
  const std::string place = folder.path() / "of-somebody";
  folder.write("of-somebody", "a file, where a folder is needed");
  const char* before = ::getenv("TMPDIR");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("TMPDIR", place.c_str(), 1);
  const LoopbackResult result = loopback_task({});
  kept.empty() ? ::unsetenv("TMPDIR") : ::setenv("TMPDIR", kept.c_str(), 1);
  EXPECT_NE(result.failure, "");
  EXPECT_EQ(result.failure.find("of-somebody"), std::string::npos) << result.failure;
}

TEST(SelfTest, SaysWhatTheMachineIsAndWhatItDrew) {
  const sensors::Machine machine;
  machine.write("proc/device-tree/model", "NVIDIA Jetson Orin Nano Developer Kit");
  machine.write("proc/device-tree/compatible", "nvidia,p3768-0000+p3767-0003");
  machine.write("var/lib/nvpmodel/status", "pmode:0000");
  machine.write("etc/nvpmodel.conf", "< POWER_MODEL ID=0 NAME=MODE_15W >");
  machine.write_hwmon("1-0040", 1, "VDD_IN", "5000", "900");  // 4.5 W
  machine.write_memory();
  machine.write_load(1, 1);
  SelfTestOptions options;
  options.quick = true;
  options.config.sensors = machine.path("");
  options.config.name = "bench";
  options.software = {{"convoy", "0.1.0"}};
  const SelfTest done = self_test(options);
  EXPECT_TRUE(done.good) << done.summary;
  const json report = json::parse(done.json);
  EXPECT_EQ(report["board"]["device"], "jetson-orin-nano-8gb");
  EXPECT_EQ(report["board"]["power_mode"], "MODE_15W");
  EXPECT_THAT(std::string(report["sensors"]["sources"]["power"]), HasSubstr("VDD_IN"));
  EXPECT_EQ(report["loopback"]["same_bits"], true);
  // Its CPU computed, so no row belongs to the catalogue's device.
  EXPECT_EQ(report["device"], "self-test-profile");
  EXPECT_THAT(std::string(report["not_in_the_catalogue"]), HasSubstr("the CPU computes"));

  platforms::Measurements read;
  platforms::read_report(done.json, "report.json", read);
  std::size_t times = 0;
  std::size_t draws = 0;
  for (const Measurement& row : read.rows) {
    times += row.metric == Measurement::Metric::step_time ? 1 : 0;
    draws += row.metric == Measurement::Metric::power ? 1 : 0;
    if (row.metric == Measurement::Metric::step_time) continue;
    EXPECT_NEAR(row.value, 4.5, 1e-9);
  }
  EXPECT_EQ(times, engine::profile_cases(true).size());
  EXPECT_EQ(draws, times);
  EXPECT_EQ(read.rows.size(), times + draws + 1);  // one row of the idle draw
  // Predictions by the report's own profile equal those in the report.
  base::Diagnostics problems;
  platforms::Catalogue catalogue(".", problems);
  const auto validation = platforms::validate(read, catalogue);
  ASSERT_FALSE(validation.groups.empty());
  EXPECT_EQ(validation.groups[0].device, "self-test-profile, by its own profile");
  ASSERT_EQ(validation.groups[0].rows.size(), times);
  for (std::size_t i = 0; i < times; ++i) {
    EXPECT_NEAR(validation.groups[0].rows[i].predicted / double(report["rows"][i]["by_profile"]), 1,
                2e-3);  // the file has four digits
  }
}

// A second task would change the figures of the first.
TEST(SelfTest, TheLoopbackEndsWithItsTask) {
  for (int i = 0; i < 3; ++i) {
    const LoopbackResult result = loopback_task({});
    ASSERT_EQ(result.failure, "");
    EXPECT_LT(result.loss, 3) << "of ten classes chance is 2.3: it must not diverge";
  }
  const std::atomic<bool> interrupted = true;
  EXPECT_THAT(loopback_task({.interrupted = &interrupted}).failure, HasSubstr("interrupted"));
}

TEST(SelfTest, ATypeThatNobodyKnowsIsRefusedFirst) {
  SelfTestOptions options;
  options.config.type = "jetson-orin-nano-8g";
  try {
    self_test(options);
    FAIL() << "it was taken";
  } catch (const base::UserError& e) {
    EXPECT_THAT(e.what(), HasSubstr("jetson-orin-nano-8gb"));
  }
}

TEST(SelfTest, WhatFailsLeavesTheRestOfTheReport) {
  const sensors::Machine machine;
  machine.write_memory();
  SelfTestOptions options;
  options.quick = true;
  options.config.sensors = machine.path("");
  options.config.device = "cuda:7";
  const SelfTest done = self_test(options);
  EXPECT_FALSE(done.good);
  const json report = json::parse(done.json);
  EXPECT_THAT(std::string(report["profile_failure"]), HasSubstr("cuda:7"));
  EXPECT_EQ(report["loopback"]["good"], false);
  EXPECT_TRUE(report["rows"].empty());
  EXPECT_TRUE(report["sensors"]["sources"].contains("memory"));
}

TEST(SelfTest, IsStoppedBetweenTwoMeasurements) {
  const std::atomic<bool> interrupted = true;
  SelfTestOptions options;
  options.quick = true;
  options.interrupted = &interrupted;
  EXPECT_THROW(self_test(options), engine::Stopped);
}

class SelfTestProgram : public testing::Test {
 protected:
  int node(const std::string& option, const std::string& file) {
    std::vector<std::string> arguments = {"--self-test", "--quick"};
    if (!option.empty()) arguments.push_back(option);
    if (!file.empty()) arguments.insert(arguments.end(), {"-o", in(file)});
    convoy::test::Program program(CONVOY_NODE_BINARY, arguments, in("log"));
    const int status = program.wait();
    said_ = program.output();
    return status;
  }
  [[nodiscard]] std::string in(const std::string& name) const { return folder_.path() / name; }

  convoy::test::TemporaryFolder folder_;
  std::string said_;
};

TEST_F(SelfTestProgram, WritesOneFileThatTheOtherCommandsRead) {
  ASSERT_EQ(node("", "report.json"), 0) << said_;
  EXPECT_THAT(said_, HasSubstr("with the same bits"));
  const std::string text = convoy::test::read_file(in("report.json"));
  char host[256] = {};
  ASSERT_EQ(::gethostname(host, sizeof host - 1), 0);
  EXPECT_EQ(text.find(std::string("\"") + host), std::string::npos);
  const auto valid = convoy::test::convoy("validate " + in("report.json") + " --json");
  ASSERT_EQ(valid.status, 0) << valid.err;
  EXPECT_EQ(json::parse(valid.out)["groups"][0]["rows"].size(), engine::profile_cases(true).size());
  // A quick report has too few models to fit a device.
  const auto few =
      convoy::test::convoy("calibrate " + in("report.json") + " --device self-test-profile");
  EXPECT_EQ(few.status, 2);
  EXPECT_THAT(few.err, HasSubstr("at least 5 are needed"));
}

TEST_F(SelfTestProgram, LooksAtThePlaceFirst) {
  EXPECT_EQ(node("", ""), 2);
  EXPECT_THAT(said_, HasSubstr("-o"));
  EXPECT_EQ(node("", "report.txt"), 2);
  EXPECT_THAT(said_, HasSubstr(".json"));
  folder_.write("there.json", "mine");
  EXPECT_EQ(node("", "there.json"), 2);
  EXPECT_EQ(convoy::test::read_file(in("there.json")), "mine");
  EXPECT_EQ(node("", "no/such/folder/report.json"), 2);
  EXPECT_THAT(said_, HasSubstr("folder"));
}

TEST_F(SelfTestProgram, EndsAtASignalAndLeavesNothing) {
  convoy::test::Program program(CONVOY_NODE_BINARY, {"--self-test", "-o", in("report.json")},
                                in("log"));
  ASSERT_TRUE(program.says("testing cpu"));
  program.signal(SIGINT);
  EXPECT_EQ(program.wait(), 3) << program.output();
  EXPECT_FALSE(std::filesystem::exists(in("report.json")));
}

}  // namespace
}  // namespace convoy::hil
