// Tests the built program as a user runs it: exit statuses, messages, JSON, resume, equal results
// of equal runs.

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "sim/schedule/schedule.hpp"
#include "tests/support/scenario_run.hpp"

namespace convoy {
namespace {

using nlohmann::json;
using test::convoy;
using test::Output;
using test::TemporaryFolder;
using testing::HasSubstr;

const std::string root = CONVOY_SOURCE;
const std::string timing_only = root + "/scenarios/resnet18-16.toml";
const std::string cos2p_16 = root + "/scenarios/cos2p-16.toml";

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
  EXPECT_EQ(convoy("run " + timing_only + " --resume --overwrite").status, 2);
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

TEST(CommandLine, ADeviceIsNoFile) {
  for (const char* device : {"/dev/zero", "/dev/urandom"}) {
    for (const std::string& words :
         {std::string("run ") + device, std::string("trace show ") + device,
          std::string("calibrate --device jetson-nano ") + device,
          "run " + timing_only + " --testbed " + device}) {
      const Output output = convoy(words);
      EXPECT_EQ(output.status, 2) << words;
      EXPECT_THAT(output.err, HasSubstr("is a device, and no file")) << words;
    }
  }
}

// If the output cannot be written, the program reports it.
TEST(CommandLine, AFullDiskUnderWhatIsPrintedIsNoSuccess) {
  const TemporaryFolder folder;
  for (const std::string& words :
       {"run " + timing_only + " --no-store --quiet --json --set stop.rounds=1",
        "run " + timing_only + " --no-store --quiet --set stop.rounds=1", "check " + timing_only,
        std::string("predict --device jetson-nano --model resnet18"), std::string("--help"),
        std::string("keys")}) {
    const std::string err = in(folder, "err");
    const int status =
        std::system(fmt::format("{} {} > /dev/full 2> {}", CONVOY_BINARY, words, err).c_str());
    EXPECT_NE(status, 0) << words;
    EXPECT_THAT(test::read_file(err), HasSubstr("could not be written")) << words;
  }
}

TEST(CommandLine, ManyUnknownKeysAreSomeOfThem) {
  const TemporaryFolder folder;
  std::string text = "[stop]\nrounds = 1\n[fleet]\nuse = \"jetson16\"\n";
  for (int i = 0; i < 20'000; ++i) text += fmt::format("key{} = 1\n", i);
  const Output output = convoy("check " + folder.write("s.toml", text));
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, HasSubstr("and more unknown keys behind it"));
  EXPECT_LT(output.err.size(), 50'000);
}

TEST(CommandLine, AnOverrideWithoutAValueIsExplained) {
  const Output output = convoy("run " + timing_only + " --no-store --set seed");
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, HasSubstr("expected key=value"));
}

// Without the line breaks of long notes.
std::string unwrapped(std::string text) {
  for (std::size_t at = text.find("\n  "); at != std::string::npos; at = text.find("\n  ", at)) {
    text.replace(at, 3, " ");
  }
  return text;
}

// `convoy check` succeeds, and its output contains this text.
void expect_check_says(const std::string& scenario, const std::string& options,
                       const std::string& text) {
  const Output output = convoy("check " + scenario + " " + options);
  EXPECT_EQ(output.status, 0) << output.err;
  EXPECT_THAT(unwrapped(output.out), HasSubstr(text));
}

TEST(CommandLine, CheckShowsTheFleetThePreflightAndWhatIsAssumed) {
  expect_check_says(timing_only, "", "jetson-xavier-nx-8gb-2");
  expect_check_says(timing_only, "", "Pre-flight");
  expect_check_says(timing_only, "", "aggregate");
  expect_check_says(timing_only, "", "assumed, not measured");
}

// All that a scenario asks for is there: links with their rates, traces, jitter, outages, shared
// links, goals, the sweep.
TEST(CommandLine, CheckShowsWhatWasAskedFor) {
  const std::string replay = root + "/scenarios/replay.toml";
  expect_check_says(replay, "", "custom");
  expect_check_says(replay, "", "30 Mbit/s");
  expect_check_says(replay, "", "traces/throttling.csv, synthetic");
  expect_check_says(replay, "", "Ends after 200 aggregated updates.");
  expect_check_says(replay, "--set fleet.nodes.0.jitter=0.25", "log-normal factor with sigma 0.25");
  expect_check_says(replay, "--set 'fleet.nodes.1.outages=[{at_s=5,for_s=7}]'",
                    "away at 5.00 s for 7.00 s");
  expect_check_says(replay, "--set fleet.nodes.0.slowdown=3", "computes 3 times as long");
  expect_check_says(replay, "--set evaluation.target=0.7 --set stop.virtual_time_s=60",
                    "Ends at the first of: 200 aggregated updates, 60.00 s of virtual time. "
                    "Reports the time to an accuracy of 70 %.");
  expect_check_says(
      replay,
      "--set 'fleet.shared_links=[{name=\"ap\",link=\"wifi6\"}]' --set fleet.nodes.0.via=ap",
      "Shared links, each used by all nodes via it");
  const Output sweep = convoy("check " + root + "/scenarios/device-mixes.toml");
  EXPECT_THAT(sweep.out, HasSubstr("Sweep of 36 points"));
  EXPECT_THAT(sweep.out, testing::ContainsRegex("schedule.kind +fedavg, cos2p"));
}

// Of learning runs `check` and `run` say how long they take, by steps measured on this machine.
TEST(CommandLine, TheWallTimeIsEstimatedFromAMeasuredStep) {
  const TemporaryFolder folder;
  const std::string scenario = root +
                               "/scenarios/quickstart.toml --set stop.tasks=16 "
                               "--set data.samples=1600 ";
  expect_check_says(scenario, "", "on this machine (16 node updates, ");
  expect_check_says(scenario, "", " each by a measured step");
  const Output run = convoy("run " + scenario + "--no-store");
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("convoy: wall time: about "));
  // With an accuracy alone the number of updates is not known.
  const std::string open_end =
      "name = \"open\"\n[fleet]\nuse = \"jetson16\"\n[model]\narchitecture = "
      "\"cnn-small\"\n[data]\nsource = \"glyphs\"\nsamples = 1600\n[training]\n"
      "learn = true\n[stop]\naccuracy = 0.9\n";
  const std::string open = folder.write("open.toml", open_end);
  const Output unknown = convoy("check " + open);
  EXPECT_THAT(unknown.out, HasSubstr("on this machine node updates take ")) << unknown.err;
  EXPECT_THAT(unknown.out, testing::Not(HasSubstr("about")));
  for (const std::string kind : {"splitfed", "splitlearning", "edgesplit", "partitioned"}) {
    EXPECT_THAT(convoy("check " + open + " --set schedule.kind=" + kind).out,
                HasSubstr("on this machine node updates take "))
        << kind;
  }
  EXPECT_THAT(convoy("check " + timing_only).out, testing::Not(HasSubstr("Wall time")));
}

TEST(CommandLine, CheckWarnsOfParametersThatNobodyTrains) {
  expect_check_says(cos2p_16, "--set 'schedule.rates={64gb=0.75,8gb=0.25}'",
                    "no node trains blocks 10 to 12 of vit-b16");
  expect_check_says(cos2p_16, "--set schedule.kind=fedavg --set 'model.exits=[0.5]'",
                    "no node trains blocks 7 to 12 of vit-b16");
}

TEST(CommandLine, CheckSaysWhoDoesNotFit) {
  expect_check_says(cos2p_16, "--set schedule.kind=fedavg --set training.batch=32",
                    "3 of 16 nodes cannot hold their task and stay out: jetson-xavier-nx-8gb-0");
  expect_check_says(cos2p_16, "--set schedule.kind=fedavg --set training.batch=32",
                    "(train needs ");
  expect_check_says(timing_only,
                    "--set fleet.server.device=jetson-nano --set model.architecture=bert-base "
                    "--set model.vocabulary=500000",
                    "the server's memory does not hold an aggregation");
}

TEST(CommandLine, CheckWarnsOfAScalerThatNothingHolds) {
  const std::string scaled =
      "check " + root +
      "/scenarios/quickstart.toml --set schedule.kind=heterofl "
      "--set schedule.heterofl.scaler=true --set schedule.rates=0.5 --set training.clip=";
  EXPECT_THAT(unwrapped(convoy(scaled + "0").out), HasSubstr("set training.clip = 1"));
  EXPECT_THAT(unwrapped(convoy(scaled + "1").out),
              testing::Not(HasSubstr("set training.clip = 1")));
}

// Whatever a kind asks of a node, and where nobody fits: the plan needs no run to say so.
TEST(CommandLine, CheckSaysForEveryKindWhoDoesNotFitAndWhy) {
  for (const sim::ScheduleKind& kind : sim::schedule_kinds()) {
    SCOPED_TRACE(kind.name);
    if (kind.together) continue;  // no node has a task of its own
    // So many samples that a batch may be as large as it is said to be.
    const std::string of_kind =
        "--set data.samples=160000 --set model.architecture=resnet50 --set schedule.kind=" +
        kind.name;
    const Output some =
        convoy("check " + timing_only + " " + of_kind + " --set fleet.nodes.0.batch=10000");
    EXPECT_EQ(some.status, 0) << some.err;
    EXPECT_THAT(unwrapped(some.out), HasSubstr("nodes cannot hold their task and stay out: "));
    EXPECT_THAT(some.out, HasSubstr(" needs "));
    EXPECT_THAT(some.out, HasSubstr(" has "));
    const Output none =
        convoy("check " + timing_only + " " + of_kind + " --set training.batch=100000");
    EXPECT_NE(none.status, 0);
    EXPECT_THAT(none.err, HasSubstr("no node's memory holds its task: it needs "));
    EXPECT_THAT(none.err, HasSubstr(" of memory and jetson-"));
    const Output strict = convoy("check " + timing_only + " " + of_kind +
                                 " --set fleet.nodes.0.batch=10000 --set schedule.unfit=error");
    EXPECT_NE(strict.status, 0);
    EXPECT_THAT(strict.err, HasSubstr("its task needs "));
  }
}

TEST(CommandLine, WhatThisVersionDoesNotRunIsSaidBeforeItRuns) {
  EXPECT_EQ(convoy("run " + timing_only + " --no-store --set fleet.nodes.3.backend=hil").status, 2);
}

TEST(CommandLine, JsonHasEveryKey) {
  const TemporaryFolder folder;
  const Output output = convoy("run " + timing_only + " --json -o " + in(folder, "r"));
  ASSERT_EQ(output.status, 0) << output.err;
  const json figures = json::parse(output.out);
  for (const char* key : {"scenario",          "schedule",    "seed",          "rounds",
                          "virtual_time_s",    "wall_time_s", "tasks",         "tasks_failed",
                          "utilization",       "bytes_down",  "bytes_up",      "energy_j",
                          "energy_server_j",   "accuracy",    "accuracy_best", "time_to_accuracy_s",
                          "peak_memory_bytes", "staleness",   "coverage_min",  "real_nodes",
                          "max_lag_ms",        "store",       "tasks_dropped", "tasks_assigned",
                          "dropped",           "failures",    "traffic"}) {
    EXPECT_TRUE(figures.contains(key)) << key;
  }
  EXPECT_EQ(figures["rounds"], 20);
  EXPECT_TRUE(figures["accuracy"].is_null());
  EXPECT_TRUE(figures["compression_up"].is_null()) << "nothing was compressed";
  EXPECT_TRUE(figures["compression_down"].is_null());
  EXPECT_EQ(figures["peak_memory_bytes"].size(), 17);
}

// The same tasks with and without compression: what was sent as a share of what would have been.
TEST(CommandLine, SaysToWhatShareOfTheirBytesUpdatesAndModelsCame) {
  const std::string run = "run " + timing_only +
                          " --no-store --json --quiet --set schedule.kind=fedavg --set "
                          "stop.rounds=2 ";
  const json whole = json::parse(convoy(run).out);
  const Output output = convoy(run +
                               "--set schedule.compression.keep=0.1 --set "
                               "schedule.compression.download.bits=8");
  ASSERT_EQ(output.status, 0) << output.err;
  const json sent = json::parse(output.out);
  ASSERT_EQ(sent["tasks"], whole["tasks"]);
  for (const std::string way : {"up", "down"}) {
    const double ratio = sent["compression_" + way];
    EXPECT_NEAR(ratio, sent["bytes_" + way].get<double>() / whole["bytes_" + way].get<double>(),
                1e-6)
        << way;
    EXPECT_LT(ratio, 0.3) << way;
  }
}

TEST(CommandLine, AFolderThatHoldsARunIsNotOverwrittenUnasked) {
  const TemporaryFolder folder;
  const std::string run = "run " + timing_only + " --quiet -o " + in(folder, "r");
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
  const Output output = convoy("run " + timing_only + " --quiet -o " + file + "/r");
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
  ASSERT_EQ(convoy("run " + timing_only + " --quiet -o " + in(folder, "r")).status, 0);
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
  ASSERT_EQ(convoy("run " + timing_only + " --quiet -o " + in(folder, "r")).status, 0);
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
  // All random behaviour: jitter, load, outages.
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

TEST(Comparison, TheTriggerAloneRaisesUtilization) {
  // jetson16, vit-b16, 1,600 node updates each (scenarios/cos2p-16.toml).
  const std::string run = "run " + cos2p_16 + " --no-store --quiet --json";
  const std::string rates = " --set 'schedule.rates={64gb=1.0,32gb=0.75,16gb=0.5,8gb=0.25}'";
  const json cos2p = json::parse(convoy(run).out);
  const json trigger = json::parse(convoy(run + " --set schedule.kind=fedavg" + rates).out);
  // With batch 32 on all nodes the full model does not fit on the three nodes with 8 GB.
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
