// Small scenarios whose times are computed by hand and met within 1e-9. Unless said otherwise a
// transfer of 1 MB takes 1 s, a compute 10 s, an aggregation 0.5 s.

#include <fmt/format.h>

#include <cmath>
#include <iostream>
#include <map>
#include <random>

#include "tests/support/each_solver.hpp"
#include "tests/support/scenario_run.hpp"

namespace convoy {
namespace {

CONVOY_EACH_SOLVER(ExactTime);

using test::ScenarioRun;

// Runs a scenario with simple numbers.
ScenarioRun run_simple(const test::Simple& simple) {
  return ScenarioRun(test::simple_scenario(simple));
}

TEST_P(ExactTime, OneNode) {
  // Latency 0.5 + 2 MB at 1 MB/s = 2.5; 10 s of training: 12.5; 0.5 + 1 MB: 14; aggregation: 14.25.
  const ScenarioRun run =
      run_simple({{"link = { duplex = \"full\", down_bps = 8e6, up_bps = 8e6, latency_s = 0.5 }"},
                  "kind = \"fedavg\"",
                  "rounds = 2",
                  "compute_s = 10, download_bytes = 2e6, upload_bytes = 1e6, aggregate_s = 0.25"});
  const auto activities = run.activities();
  ASSERT_EQ(activities.size(), 8);  // the tasks of aggregations are last
  EXPECT_TIME(activities[0].start_s, 0);
  EXPECT_TIME(activities[0].end_s, 2.5);
  EXPECT_TIME(activities[1].end_s, 12.5);
  EXPECT_TIME(activities[2].end_s, 14.0);
  EXPECT_TIME(activities[6].end_s, 14.25);
  EXPECT_TIME(run.summary().virtual_time_s, 28.5);
  EXPECT_TIME(run.summary().utilization, 20 / 28.5);
  EXPECT_TIME(run.summary().nodes[1].usage.communicating_s, 2 * (2.5 + 1.5));
  EXPECT_TIME(run.summary().nodes[1].waiting_s, 0.5);
}

TEST_P(ExactTime, ALinkLeftOutOfTheRoutesKeepsItsLatency) {
  // 0.25 + 1, 10, 0.25 + 1, 0.5
  const ScenarioRun run = run_simple(
      {.nodes = {""},
       .schedule = "kind = \"fedavg\"",
       .stop = "rounds = 1",
       .server_link = "duplex = \"full\", down_bps = 1e12, up_bps = 1e12, latency_s = 0.25"});
  EXPECT_TIME(run.summary().virtual_time_s, 13.0);
}

TEST_P(ExactTime, LinksOfAFewBitsASecondToo) {
  // Rates and sizes are not rounded to bytes: 80 bits down and 56 up, with different rates per
  // node.
  const std::uint32_t seed = std::random_device()();
  std::cerr << "seed " << seed << "\n";
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> exponent(0, 3);
  std::vector<std::string> nodes = {
      "link = { duplex = \"full\", down_bps = 1, up_bps = 1 }",
      "link = { duplex = \"full\", down_bps = 4, up_bps = 4 }",
      "link = { duplex = \"half\", down_bps = 7.5, up_bps = 7.5, latency_s = 0.25 }"};
  std::vector<std::pair<double, double>> times = {
      {80, 56}, {20, 14}, {80 / 7.5 + 0.25, 56 / 7.5 + 0.25}};
  while (nodes.size() < 12) {
    const double down = std::pow(10, exponent(random));
    const double up = std::pow(10, exponent(random));
    nodes.push_back(
        fmt::format("link = {{ duplex = \"full\", down_bps = {}, up_bps = {} }}", down, up));
    times.emplace_back(80 / down, 56 / up);
  }
  const ScenarioRun run = run_simple(
      {.nodes = nodes,
       .schedule = "kind = \"fedavg\"",
       .stop = "rounds = 1",
       .cost = "compute_s = 10, download_bytes = 10, upload_bytes = 7, aggregate_s = 0"});
  std::map<std::int64_t, std::int64_t> node_of;
  for (const auto& task : run.tasks()) node_of[task.id] = task.node;
  int seen = 0;
  for (const auto& a : run.activities()) {
    if (!node_of.contains(a.task)) continue;
    const auto& [down, up] = times.at(static_cast<std::size_t>(node_of.at(a.task)) - 1);
    if (a.label == "download") {
      EXPECT_TIME(a.end_s, down);
      ++seen;
    } else if (a.label == "upload") {
      EXPECT_TIME(a.end_s, down + 10 + up);
      ++seen;
    }
  }
  EXPECT_EQ(seen, 2 * static_cast<int>(nodes.size()));
}

TEST_P(ExactTime, ATraceOfAFewBitsASecondToo) {
  // 80 bits at 2 bit/s until 10 s, nothing until 20, 1 bit/s until 50, then 3 bit/s: 20 + 0 + 30
  // bits, and the last 30 take 10 s.
  const test::TemporaryFolder folder;
  const std::string trace = folder.write("slow.csv", "time_s,down_bps\n0,2\n10,0\n20,1\n50,3\n");
  const ScenarioRun run = run_simple(
      {.nodes = {"link = { duplex = \"full\", down_bps = 8e6, up_bps = 8e6 }\ntrace = \"" + trace +
                 "\""},
       .schedule = "kind = \"fedavg\"",
       .stop = "rounds = 1",
       .cost = "compute_s = 10, download_bytes = 10, upload_bytes = 1e6, aggregate_s = 0"});
  EXPECT_TIME(run.activities("download").at(0).end_s, 60);
  EXPECT_TIME(run.activities("upload").at(0).end_s, 71);
}

TEST_P(ExactTime, TwoNodesShareALinkOfTwoBitsASecond) {
  // 1 bit/s for each: 80 s.
  const std::string fast = "via = \"ap\"";
  const ScenarioRun run =
      run_simple({.nodes = {fast, fast},
                  .schedule = "kind = \"fedavg\"",
                  .stop = "rounds = 1",
                  .cost = "compute_s = 10, download_bytes = 10, upload_bytes = 10, aggregate_s = 0",
                  .shared_link = "duplex = \"full\", down_bps = 2, up_bps = 2"});
  for (const auto& a : run.activities("download")) EXPECT_TIME(a.end_s, 80);
  for (const auto& a : run.activities("upload")) EXPECT_TIME(a.end_s, 170);
}

TEST_P(ExactTime, TwoNodesShareTheServersLink) {
  // The server has 1 MB/s each way for both: each download 2 s, each upload 2 s.
  const std::string fast = "link = { duplex = \"full\", down_bps = 8e8, up_bps = 8e8 }";
  const ScenarioRun run =
      run_simple({.nodes = {fast, fast},
                  .schedule = "kind = \"fedavg\"",
                  .stop = "rounds = 1",
                  .server_link = "duplex = \"full\", down_bps = 8e6, up_bps = 8e6"});
  for (const auto& a : run.activities("download")) EXPECT_TIME(a.end_s, 2);
  for (const auto& a : run.activities("upload")) {
    EXPECT_TIME(a.start_s, 12);
    EXPECT_TIME(a.end_s, 14);
  }
  EXPECT_TIME(run.summary().virtual_time_s, 14.5);
}

TEST_P(ExactTime, AFlowSpeedsUpWhenTheOtherEnds) {
  // Two nodes behind one access point of 1 MB/s. The first downloads alone until the second joins
  // at 0.5 s; they share until 1.5 s, when the first has its 1 MB; the second has 0.5 MB left: 2 s.
  const ScenarioRun run =
      run_simple({.nodes = {"via = \"ap\"", "via = \"ap\"\njoins_at_s = 0.5"},
                  .schedule = "kind = \"cos2p\"\ncos2p.quorum = 1.0",
                  .stop = "rounds = 1",
                  .shared_link = "duplex = \"half\", down_bps = 8e6, up_bps = 8e6"});
  const auto downloads = run.activities("download");
  ASSERT_EQ(downloads.size(), 2);
  EXPECT_TIME(downloads[0].end_s, 1.5);
  EXPECT_TIME(downloads[1].start_s, 0.5);
  EXPECT_TIME(downloads[1].end_s, 2.0);
}

TEST_P(ExactTime, AStragglerHoldsUpFedAvg) {
  // 1 + 10 + 1 = 12 against 1 + 30 + 1 = 32; a round ends at 32.5.
  const ScenarioRun run = run_simple({{"", "slowdown = 3"}, "kind = \"fedavg\"", "rounds = 2"});
  EXPECT_THAT(run.versions(),
              testing::ElementsAre(testing::DoubleNear(32.5, 1e-8), testing::DoubleNear(65, 1e-8)));
  EXPECT_TIME(run.summary().virtual_time_s, 65);
  EXPECT_TIME(run.summary().utilization, (20 + 60) / (2 * 65.0));
  EXPECT_TIME(run.summary().nodes[1].waiting_s, 65 - 2 * 12);
}

TEST_P(ExactTime, TheSameStragglerUnderCoS2P) {
  // Quorum 0.5 of two tasks is one update. The fast node ends at 12, 24.5 (assigned at 12.5), 37
  // (assigned at 25); the slow one at 32. Versions: 12.5, 25, 32.5 (the slow node's), 37.5.
  const ScenarioRun run =
      run_simple({{"", "slowdown = 3"}, "kind = \"cos2p\"\ncos2p.quorum = 0.5", "rounds = 4"});
  const std::vector<double> versions = run.versions();
  const std::vector<double> expected = {12.5, 25, 32.5, 37.5};
  ASSERT_EQ(versions.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_TIME(versions[i], expected[i]);
  const auto tasks = run.tasks();
  EXPECT_EQ(tasks[0].staleness, 0);
  EXPECT_EQ(tasks[1].staleness, 2);  // the slow node's: base 0, with versions 1 and 2 in between
  EXPECT_EQ(tasks[2].staleness, 0);
  EXPECT_EQ(tasks[3].staleness, 1);  // base 2, with version 3 in between
  EXPECT_TIME(run.summary().staleness_mean, 0.75);
  EXPECT_EQ(run.summary().staleness_max, 2);
}

TEST_P(ExactTime, TheStalenessBoundWaitsForTheStraggler) {
  // As above, but no update may be older than 1 version: after version 1 (12.5) the fast node's
  // next update (24.5) waits for the slow one (32); both are aggregated at 32.5.
  const ScenarioRun run =
      run_simple({{"", "slowdown = 3"},
                  "kind = \"cos2p\"\ncos2p.quorum = 0.5\ncos2p.max_staleness = 1",
                  "rounds = 2"});
  EXPECT_TIME(run.versions()[0], 12.5);
  EXPECT_TIME(run.versions()[1], 32.5);
  EXPECT_EQ(run.tasks()[1].staleness, 1);
}

TEST_P(ExactTime, TheStalenessBoundDropsTheStraggler) {
  // As above with "drop": at 12.5 the slow node's task is one version old; it is cancelled and
  // replaced. The fast node goes on alone: 12.5, 25.
  const ScenarioRun run = run_simple(
      {{"", "slowdown = 3"},
       "kind = \"cos2p\"\ncos2p.quorum = 0.5\ncos2p.max_staleness = 1\ncos2p.on_stale = \"drop\"",
       "rounds = 2"});
  EXPECT_TIME(run.versions()[1], 25);
  EXPECT_EQ(run.tasks()[1].outcome, "cancelled");
  EXPECT_TIME(run.tasks()[1].ended_s, 12.5);
}

TEST_P(ExactTime, ALostNode) {
  // Lost at 5, after 4 of its 10 s of training. The round ends with the other node: 12.5, 25.
  const ScenarioRun run = run_simple({{"", "lost_at_s = 5"}, "kind = \"fedavg\"", "rounds = 2"});
  EXPECT_TIME(run.versions()[0], 12.5);
  EXPECT_TIME(run.versions()[1], 25);
  const auto tasks = run.tasks();
  ASSERT_EQ(tasks.size(), 3);
  EXPECT_EQ(tasks[1].outcome, "node_lost");
  EXPECT_TIME(tasks[1].ended_s, 5);
  EXPECT_TIME(run.summary().nodes[2].usage.busy_s, 4);
  EXPECT_TIME(run.summary().nodes[2].usage.away_s, 20);
  EXPECT_EQ(run.summary().tasks_failed, 1);
  const auto trained = run.activities("train");
  EXPECT_EQ(trained[1].cause, "node_lost");
}

TEST_P(ExactTime, ANodeThatReturns) {
  // Absent from 5 to 15. Rounds end at 12.5 (without it), 25 (begun at 12.5 without it), 37.5 (with
  // it).
  const ScenarioRun run =
      run_simple({{"", "outages = [{ at_s = 5, for_s = 10 }]"}, "kind = \"fedavg\"", "rounds = 3"});
  EXPECT_TIME(run.versions()[2], 37.5);
  EXPECT_TIME(run.times_of("node_lost").at(0), 5);
  EXPECT_TIME(run.times_of("node_joined").at(0), 15);
  const auto tasks = run.tasks();
  ASSERT_EQ(tasks.size(), 5);
  EXPECT_EQ(tasks[4].node, 2);
  EXPECT_TIME(tasks[4].assigned_s, 25);
  EXPECT_TIME(run.summary().nodes[2].usage.away_s, 10);
}

TEST_P(ExactTime, ANodeThatReturnsGetsWorkAtOnceUnderCoS2P) {
  const ScenarioRun run = run_simple({{"", "outages = [{ at_s = 5, for_s = 10 }]"},
                                      "kind = \"cos2p\"\ncos2p.quorum = 0.5",
                                      "rounds = 3"});
  // Versions: 12.5 (one in flight), 25 (the first of two), 27.5 (the returned node: 15 + 12).
  EXPECT_TIME(run.versions()[0], 12.5);
  EXPECT_TIME(run.versions()[1], 25);
  EXPECT_TIME(run.versions()[2], 27.5);
}

TEST_P(ExactTime, PeriodicLoadSlowsAComputeUnderWay) {
  // Half the speed in [0, 5), [10, 15), ...: from 1 s on: 2 s of work until 5, 5 until 10, 2.5
  // until 15, the last 0.5 until 15.5; upload until 16.5.
  const ScenarioRun run = run_simple(
      {{"load = { share = 0.5, period_s = 10, busy_s = 5 }"}, "kind = \"fedavg\"", "rounds = 1"});
  EXPECT_TIME(run.activities("train")[0].end_s, 15.5);
  EXPECT_TIME(run.summary().virtual_time_s, 17);
  EXPECT_THAT(run.times_of("node_changed"),
              testing::ElementsAre(testing::DoubleNear(5, 1e-9), testing::DoubleNear(10, 1e-9),
                                   testing::DoubleNear(15, 1e-9)));
}

TEST_P(ExactTime, ConstantLoadAndTraffic) {
  // The load takes a quarter of the processor and half of the link: 2 + 10 / 0.75 + 2 + 0.5.
  const ScenarioRun run = run_simple(
      {{"load = { share = 0.25 }\ntraffic = { share = 0.5 }"}, "kind = \"fedavg\"", "rounds = 1"});
  EXPECT_TIME(run.summary().virtual_time_s, 2 + 10 / 0.75 + 2 + 0.5);
}

TEST_P(ExactTime, PeriodicTrafficSlowsAndFreesATransferUnderWay) {
  // Half the rate in [0, 2), [4, 6), ...: 1 MB until 2, 2 MB until 4, the fourth until 6. The
  // upload begins at 16, when the link is half: 1 MB in 2 s.
  const ScenarioRun run = run_simple({{"traffic = { share = 0.5, period_s = 4, busy_s = 2 }"},
                                      "kind = \"fedavg\"",
                                      "rounds = 1",
                                      "compute_s = 10, download_bytes = 4e6, upload_bytes = 1e6"});
  EXPECT_TIME(run.activities("download")[0].end_s, 6);
  EXPECT_TIME(run.activities("upload")[0].start_s, 16);
  EXPECT_TIME(run.activities("upload")[0].end_s, 18);
}

TEST_P(ExactTime, AReplyExactlyAtItsDeadlineCounts) {
  const ScenarioRun run =
      run_simple({{"", "slowdown = 3"}, "kind = \"fedavg\"\nfedavg.deadline_s = 32", "rounds = 1"});
  EXPECT_TIME(run.summary().virtual_time_s, 32.5);
  EXPECT_EQ(run.summary().tasks, 2);
  EXPECT_EQ(run.summary().tasks_failed, 0);
}

TEST_P(ExactTime, AReplyAfterItsDeadlineDoesNot) {
  const ScenarioRun run = run_simple(
      {{"", "slowdown = 3"}, "kind = \"fedavg\"\nfedavg.deadline_s = 31.999", "rounds = 1"});
  EXPECT_TIME(run.summary().virtual_time_s, 32.499);
  EXPECT_EQ(run.summary().tasks, 1);
  EXPECT_EQ(run.tasks()[1].outcome, "cancelled");
}

TEST_P(ExactTime, ATransferMovesEveryParameterOnce) {
  // The FedAvg paper's mlp: 784 x 200 + 200, 200 x 200 + 200, 200 x 10 + 10 values of 4 bytes.
  const ScenarioRun run(
      "[fleet]\nserver = { link = { duplex = \"full\", down_bps = 1e12, up_bps = 1e12 } }\n"
      "[[fleet.nodes]]\ndevice = \"jetson-xavier-nx-16gb\"\nsamples = 100\nlink = { duplex = "
      "\"full\", down_bps = 8e6, up_bps = 8e6 }\n[model]\narchitecture = \"mlp\"\nexits = [1.0]\n"
      "[training]\nbatch = 32\n[schedule]\nkind = \"fedavg\"\n[stop]\nrounds = 1\n");
  constexpr double parameters = 157'000 + 40'200 + 2'010;
  EXPECT_TIME(run.activities("download")[0].end_s, 4 * parameters / 1e6);
  EXPECT_EQ(run.summary().samples, 100);
}

}  // namespace
}  // namespace convoy
