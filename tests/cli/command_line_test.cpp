// The built program as a user runs it: exit statuses, messages, JSON, resume, the same twice.

#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/random.hpp"
#include "tests/support/scenario_run.hpp"

namespace convoy {
namespace {

using nlohmann::json;
using test::convoy;
using test::Output;
using test::TemporaryFolder;
using testing::HasSubstr;

const std::string root = CONVOY_SOURCE;
const std::string quickstart = root + "/scenarios/quickstart.toml";

std::string in(const TemporaryFolder& folder, const std::string& name) {
  return (folder.path() / name).string();
}

TEST(CommandLine, HelpAndVersionAreDone) {
  EXPECT_EQ(convoy("--help").status, 0);
  EXPECT_THAT(convoy("--help").out, HasSubstr("check"));
  EXPECT_THAT(convoy("--version").out, HasSubstr("convoy "));
  EXPECT_EQ(convoy("run --help").status, 0);
}

TEST(CommandLine, BadUsageIsStatus2) {
  EXPECT_EQ(convoy("").status, 2);
  EXPECT_EQ(convoy("rnu x.toml").status, 2);
  EXPECT_EQ(convoy("run").status, 2);
  EXPECT_EQ(convoy("run " + quickstart + " --resume --overwrite").status, 2);
}

TEST(CommandLine, AMissingFileIsNamed) {
  const Output output = convoy("run no/such/scenario.toml");
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, HasSubstr("no/such/scenario.toml: error: cannot be read"));
  EXPECT_EQ(output.out, "");
}

TEST(CommandLine, AFolderIsNoScenario) {
  const Output output = convoy("run " + root);
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, HasSubstr("is a folder; a file is needed"));
}

TEST(CommandLine, AnOverrideWithoutAValueIsExplained) {
  const Output output = convoy("run " + quickstart + " --no-store --set seed");
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, HasSubstr("expected key=value"));
}

TEST(CommandLine, CheckShowsTheFleetAndThePreflight) {
  const Output output = convoy("check " + quickstart);
  EXPECT_EQ(output.status, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("jetson-xavier-nx-8gb-2"));
  EXPECT_THAT(output.out, HasSubstr("Pre-flight"));
  EXPECT_THAT(output.out, HasSubstr("assumed, not measured"));
}

TEST(CommandLine, CheckWarnsOfParametersThatNobodyTrains) {
  const Output output = convoy("check " + root +
                               "/scenarios/cos2p-16.toml --set "
                               "'schedule.rates={64gb=0.75,8gb=0.25}'");
  EXPECT_EQ(output.status, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("no node trains blocks 10 to 12 of vit-b16"));
}

TEST(CommandLine, CheckWarnsOfBlocksBehindTheLastExit) {
  const Output output = convoy("check " + root +
                               "/scenarios/cos2p-16.toml --set "
                               "schedule.kind=fedavg --set 'model.exits=[0.5]'");
  EXPECT_EQ(output.status, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("no node trains blocks 7 to 12 of vit-b16"));
}

TEST(CommandLine, CheckShowsTheAggregationAndWarnsWhenTheServerCannotHoldIt) {
  EXPECT_THAT(convoy("check " + quickstart).out, HasSubstr("aggregate"));
  const Output output = convoy("check " + quickstart +
                               " --set fleet.server.device=jetson-nano --set "
                               "model.architecture=bert-base --set model.vocabulary=500000");
  EXPECT_THAT(output.out, HasSubstr("the server's memory does not hold an aggregation"));
}

TEST(CommandLine, CheckSaysWhoDoesNotFit) {
  const Output output = convoy("check " + root +
                               "/scenarios/cos2p-16.toml --set schedule.kind=fedavg --set "
                               "training.batch=32");
  EXPECT_EQ(output.status, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("3 of 16 nodes cannot hold their task and stay out: "
                                    "jetson-xavier-nx-8gb-0"));
}

TEST(CommandLine, WhatThisVersionDoesNotRunIsSaidBeforeItRuns) {
  const Output output = convoy("run " + quickstart + " --no-store --set training.learn=true");
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, HasSubstr("--set training.learn=false"));
  EXPECT_EQ(convoy("run " + quickstart + " --no-store --set fleet.nodes.3.backend=hil").status, 2);
}

TEST(CommandLine, JsonHasEveryKey) {
  const TemporaryFolder folder;
  const Output output = convoy("run " + quickstart + " --json -o " + in(folder, "r"));
  ASSERT_EQ(output.status, 0) << output.err;
  const json figures = json::parse(output.out);
  for (const char* key : {"scenario",
                          "schedule",
                          "seed",
                          "rounds",
                          "virtual_time_s",
                          "wall_time_s",
                          "tasks",
                          "tasks_failed",
                          "utilization",
                          "bytes_down",
                          "bytes_up",
                          "energy_j",
                          "accuracy",
                          "accuracy_best",
                          "time_to_accuracy_s",
                          "peak_memory_bytes",
                          "staleness",
                          "coverage_min",
                          "real_nodes",
                          "max_lag_ms",
                          "store"}) {
    EXPECT_TRUE(figures.contains(key)) << key;
  }
  EXPECT_EQ(figures["rounds"], 20);
  EXPECT_TRUE(figures["accuracy"].is_null());
  EXPECT_EQ(figures["peak_memory_bytes"].size(), 17);
}

TEST(CommandLine, AFolderThatHoldsARunIsNotOverwrittenUnasked) {
  const TemporaryFolder folder;
  const std::string run = "run " + quickstart + " --quiet -o " + in(folder, "r");
  ASSERT_EQ(convoy(run).status, 0);
  const Output again = convoy(run);
  EXPECT_EQ(again.status, 2);
  EXPECT_THAT(again.err, HasSubstr("there is a run already; --resume"));
  EXPECT_EQ(convoy(run + " --overwrite").status, 0);
  EXPECT_EQ(convoy(run + " --resume").status, 0);
  const Output other = convoy(run + " --resume --set seed=8");
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.err, HasSubstr("holds the run of another scenario"));
}

TEST(CommandLine, AFolderThatCannotBeWrittenIsNamed) {
  const TemporaryFolder folder;
  const std::string file = folder.write("file", "");
  const Output output = convoy("run " + quickstart + " --quiet -o " + file + "/r");
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, HasSubstr("choose another folder with -o"));
}

TEST(CommandLine, ForeignAndNewerStoresAreRefused) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.path() / "foreign");
  folder.write("foreign/run.sqlite", "this is not a database, but long enough to look at it");
  const std::string export_to = " --format perfetto -o " + in(folder, "out.json");
  Output output = convoy("export " + in(folder, "foreign") + export_to);
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, HasSubstr("is no run store"));
  EXPECT_THAT(convoy("export " + in(folder, "nothing") + export_to).err,
              HasSubstr("there is no run here"));
  ASSERT_EQ(convoy("run " + quickstart + " --quiet -o " + in(folder, "r")).status, 0);
  {
    SQLite::Database database(folder.path() / "r" / "run.sqlite", SQLite::OPEN_READWRITE);
    database.exec("PRAGMA user_version = 99");
  }
  output = convoy("export " + in(folder, "r") + export_to);
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, HasSubstr("newer Convoy"));
}

TEST(CommandLine, PerfettoHasEveryActivityAndNoOverlapsOnATrack) {
  const TemporaryFolder folder;
  ASSERT_EQ(convoy("run " + quickstart + " --quiet -o " + in(folder, "r")).status, 0);
  const Output output = convoy("export " + in(folder, "r") + " --format perfetto");
  ASSERT_EQ(output.status, 0) << output.err;
  const json trace = json::parse(test::read_file(folder.path() / "r" / "perfetto.json"));
  std::map<std::pair<int, int>, double> free_from;
  int slices = 0;
  for (const json& event : trace["traceEvents"]) {
    if (event["ph"] != "X") continue;
    ++slices;
    double& free = free_from[{event["pid"].get<int>(), event["tid"].get<int>()}];
    EXPECT_GE(event["ts"].get<double>(), free - 1e-3);
    free = event["ts"].get<double>() + event["dur"].get<double>();
  }
  SQLite::Database database(folder.path() / "r" / "run.sqlite", SQLite::OPEN_READONLY);
  EXPECT_EQ(
      slices,
      database.execAndGet("SELECT COUNT(*) FROM activity WHERE start_s IS NOT NULL").getInt());
}

TEST(Determinism, TheSameStoreTenTimesAndWithAnotherOutputOption) {
  const TemporaryFolder folder;
  // Jitter, load, outages: everything that draws numbers.
  const std::string file = folder.write("s.toml", R"(
name = "all"
seed = 11
[fleet]
[[fleet.nodes]]
device = "jetson-xavier-nx-8gb"
count = 6
link = "wifi5"
jitter = 0.4
random_outages = { mean_up_s = 20, mean_down_s = 3 }
traffic = { share = 0.3, period_s = 7, busy_s = 2 }
[[fleet.nodes]]
device = "jetson-orin-nano-8gb"
count = 6
link = "lte"
load = { share = 0.5, period_s = 60, busy_s = 20 }
[model]
architecture = "cnn-small"
[data]
samples = 4000
partition = { kind = "dirichlet", alpha = 0.5 }
[schedule]
kind = "cos2p"
[stop]
rounds = 40
)");
  std::string first;
  for (int i = 0; i < 10; ++i) {
    const std::string name = "r" + std::to_string(i);
    const std::string extra = i == 9 ? " --set output.progress_s=1" : "";
    const Output output = convoy("run " + file + " --quiet -o " + in(folder, name) + extra);
    ASSERT_EQ(output.status, 0) << output.err;
    const std::string dump = test::dump_store(folder.path() / name);
    if (first.empty()) first = dump;
    ASSERT_EQ(dump, first) << "run " << i;
  }
  EXPECT_THAT(first, HasSubstr("node_lost"));
}

// Starts the program without waiting for it.
pid_t start(const std::vector<std::string>& arguments) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  std::vector<char*> raw = {const_cast<char*>(CONVOY_BINARY)};
  for (const std::string& a : arguments) raw.push_back(const_cast<char*>(a.c_str()));
  raw.push_back(nullptr);
  const int nothing = ::open("/dev/null", O_WRONLY);
  ::dup2(nothing, 1);
  ::dup2(nothing, 2);
  ::execv(CONVOY_BINARY, raw.data());
  ::_exit(127);
}

class Interrupted : public testing::Test {
 protected:
  // A run that takes half a second on the host, so that signals meet it under way.
  std::vector<std::string> arguments(const std::string& name) const {
    return {"run", quickstart, "--set", "stop.rounds=8000", "--quiet", "-o", in(folder, name)};
  }
  std::string line(const std::string& name) const {
    std::string text;
    for (const std::string& a : arguments(name)) text += a + " ";
    return text;
  }
  TemporaryFolder folder;
};

TEST_F(Interrupted, KilledAtAnyMomentAndResumedItEndsWithTheSameStore) {
  ASSERT_EQ(convoy(line("whole")).status, 0);
  const std::string whole = test::dump_store(folder.path() / "whole");
  base::Random random({static_cast<std::uint64_t>(::getpid())});
  for (int i = 0; i < 3; ++i) {
    const std::string name = "killed" + std::to_string(i);
    const pid_t child = start(arguments(name));
    ::usleep(static_cast<useconds_t>(random.below(400'000)));
    ::kill(child, SIGKILL);  // wherever it is; it may even be through
    int status = 0;
    ::waitpid(child, &status, 0);
    const Output resumed = convoy(line(name) + "--resume");
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_EQ(test::dump_store(folder.path() / name), whole);
  }
}

TEST_F(Interrupted, AnInterruptStopsItWithStatus3AndItCanBeResumed) {
  const pid_t child = start(arguments("stopped"));
  // Wait until the store is there, so that the handler is, too.
  for (int i = 0; i < 200; ++i) {
    std::error_code ignored;
    if (std::filesystem::file_size(folder.path() / "stopped" / "run.sqlite", ignored) > 0 &&
        !ignored) {
      break;
    }
    ::usleep(10'000);
  }
  ::kill(child, SIGINT);
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_TRUE(WEXITSTATUS(status) == 3 || WEXITSTATUS(status) == 0);  // 0: it was through
  if (WEXITSTATUS(status) == 3) {
    EXPECT_EQ(sim::read_run(folder.path() / "stopped").status, sim::RunStatus::stopped);
  }
  ASSERT_EQ(convoy(line("stopped") + "--resume").status, 0);
  EXPECT_EQ(sim::read_run(folder.path() / "stopped").status, sim::RunStatus::done);
}

TEST_F(Interrupted, ABlankStoreIsARunThatNeverBegan) {
  std::filesystem::create_directory(folder.path() / "blank");
  folder.write("blank/run.sqlite", "");
  const Output output = convoy("run " + quickstart + " --quiet --resume -o " + in(folder, "blank"));
  EXPECT_EQ(output.status, 0) << output.err;
}

TEST_F(Interrupted, ARunKilledBeforeItsFirstEntryIsBegunAnew) {
  const std::string run = "run " + quickstart + " --quiet -o " + in(folder, "r");
  ASSERT_EQ(convoy(run).status, 0);
  const std::string whole = test::dump_store(folder.path() / "r");
  {
    SQLite::Database database(folder.path() / "r" / "run.sqlite", SQLite::OPEN_READWRITE);
    for (const char* table : {"task", "activity", "aggregation", "journal"}) {
      database.exec(std::string("DELETE FROM ") + table);
    }
  }
  ASSERT_EQ(convoy(run + " --resume").status, 0);
  EXPECT_EQ(test::dump_store(folder.path() / "r"), whole);
}

TEST_F(Interrupted, AResumptionThatGoesAnotherWayFailsAndLeavesTheOldStore) {
  const std::string run = "run " + quickstart + " --quiet -o " + in(folder, "r");
  ASSERT_EQ(convoy(run).status, 0);
  {
    SQLite::Database database(folder.path() / "r" / "run.sqlite", SQLite::OPEN_READWRITE);
    database.exec("UPDATE journal SET time_s = 99 WHERE sequence = 20");
  }
  const std::string before = test::dump_store(folder.path() / "r");
  for (int i = 0; i < 2; ++i) {
    const Output output = convoy(run + " --resume");
    EXPECT_EQ(output.status, 1);
    EXPECT_THAT(output.err, HasSubstr("went another way; entry 20 of its journal"));
    EXPECT_EQ(test::dump_store(folder.path() / "r"), before);
  }
}

TEST_F(Interrupted, AFinishedRunOutlivesAnInterruptedResumption) {
  ASSERT_EQ(convoy(line("done")).status, 0);
  const std::string before = test::dump_store(folder.path() / "done");
  std::vector<std::string> resume = arguments("done");
  resume.emplace_back("--resume");
  for (const int signal : {SIGINT, SIGKILL}) {
    const pid_t child = start(resume);
    ::usleep(150'000);
    ::kill(child, signal);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(test::dump_store(folder.path() / "done"), before);
  }
  EXPECT_EQ(convoy(line("done") + "--resume").status, 0);
  EXPECT_EQ(test::dump_store(folder.path() / "done"), before);
}

TEST_F(Interrupted, TwoCannotWriteToOneFolder) {
  const std::string folder_name = in(folder, "shared");
  std::filesystem::create_directory(folder_name);
  const int lock = ::open((folder_name + "/run.lock").c_str(), O_CREAT | O_RDWR, 0644);
  ASSERT_EQ(::flock(lock, LOCK_EX), 0);
  const Output output = convoy("run " + quickstart + " --quiet -o " + folder_name);
  ::close(lock);
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, HasSubstr("another convoy is writing there"));
}

TEST(Comparison, TheTriggerAloneRaisesUtilization) {
  // jetson16, vit-b16, 1,600 node updates each (scenarios/cos2p-16.toml).
  const std::string run = "run " + root + "/scenarios/cos2p-16.toml --no-store --quiet --json";
  const std::string rates = " --set 'schedule.rates={64gb=1.0,32gb=0.75,16gb=0.5,8gb=0.25}'";
  const json cos2p = json::parse(convoy(run).out);
  const json trigger = json::parse(convoy(run + " --set schedule.kind=fedavg" + rates).out);
  // With a batch of 32 everywhere the full model does not fit the three nodes of 8 GB.
  const json full =
      json::parse(convoy(run + " --set schedule.kind=fedavg --set training.batch=32").out);
  EXPECT_EQ(full["peak_memory_bytes"]["jetson-xavier-nx-8gb-0"], 0);
  for (const json& figures : {cos2p, trigger, full}) {
    EXPECT_GE(figures["tasks_aggregated"], 1600);
    EXPECT_GT(figures["samples"], 0);
  }
  EXPECT_GE(cos2p["utilization"].get<double>(), 1.2 * trigger["utilization"].get<double>());
  EXPECT_LT(cos2p["virtual_time_s"].get<double>(), trigger["virtual_time_s"].get<double>());
  EXPECT_LT(cos2p["bytes_up"].get<double>(), full["bytes_up"].get<double>());
}

}  // namespace
}  // namespace convoy
