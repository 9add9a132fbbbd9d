// Tests nodes driven by traces: times computed by hand, met within 1e-9. Unless said otherwise a
// transfer of 1 MB takes 1 s, a compute 10 s, an aggregation 0.5 s.

#include <fmt/format.h>

#include <cmath>

#include "tests/support/each_solver.hpp"
#include "tests/support/hand_device.hpp"
#include "tests/support/scenario_run.hpp"

namespace convoy {
namespace {

using test::ScenarioRun;

class TracedRun : public test::EachSolver {
 protected:
  // One round of fedavg; `uses`: the trace key of each node ("": none).
  ScenarioRun run(const std::string& csv, const std::string& use = "", const std::string& more = "",
                  const std::string& stop = "rounds = 1") {
    const std::string file = folder_.write("trace.csv", csv);
    return ScenarioRun(
        test::simple_scenario({{fmt::format("trace = {{ file = \"{}\"{}{} }}\n{}", file,
                                            use.empty() ? "" : ", ", use, more)},
                               "kind = \"fedavg\"",
                               stop}));
  }
  static double end_of(const ScenarioRun& run, const std::string& label) {
    return run.activities(label).at(0).end_s;
  }

  test::TemporaryFolder folder_;
};

CONVOY_INSTANTIATE_EACH_SOLVER(TracedRun);

TEST_P(TracedRun, ComputingFollowsAFallingSpeed) {
  // From 1 s on: 9 s at full speed; the last 1 s of work takes 2 s.
  EXPECT_TIME(end_of(run("time_s,speed\n0,1\n10,0.5\n"), "train"), 12);
}

TEST_P(TracedRun, ComputingFollowsARisingSpeed) {
  // From 1 to 11 s half of the work, the rest at twice the nominal speed.
  EXPECT_TIME(end_of(run("time_s,speed\n0,0.5\n11,2\n"), "train"), 13.5);
}

TEST_P(TracedRun, ComputingStandsStillAtSpeedZero) {
  EXPECT_TIME(end_of(run("time_s,speed\n0,1\n5,0\n8,1\n"), "train"), 14);
}

TEST_P(TracedRun, AComputeThatStoodStillMayStandStillAgain) {
  // Downloaded by 1 s: 4 s, 2 s and 4 s of the training.
  EXPECT_TIME(end_of(run("time_s,speed\n0,1\n5,0\n8,1\n10,0\n12,1\n"), "train"), 16);
}

TEST_P(TracedRun, ATransferThatStoodStillMayStandStillAgain) {
  // 0.5, 0.25 and 0.25 MB.
  EXPECT_TIME(end_of(run("time_s,down_bps\n0,8e6\n0.5,0\n2,8e6\n2.25,0\n3,8e6\n"), "download"),
              3.25);
}

TEST_P(TracedRun, ComputingMayBeginWhileItStandsStill) {
  EXPECT_TIME(end_of(run("time_s,speed\n0,0\n8,1\n"), "train"), 18);
}

TEST_P(TracedRun, TransfersFollowAFallingRate) {
  EXPECT_TIME(end_of(run("time_s,down_bps\n0,8e6\n0.5,4e6\n"), "download"), 1.5);
}

TEST_P(TracedRun, TransfersFollowARisingRate) {
  // The rate rises above the link's rate at the transfer's start.
  EXPECT_TIME(end_of(run("time_s,down_bps\n0,8e6\n0.5,16e6\n"), "download"), 0.75);
}

TEST_P(TracedRun, TransfersStandStillAtRateZero) {
  EXPECT_TIME(end_of(run("time_s,down_bps\n0,8e6\n0.5,0\n2,8e6\n"), "download"), 2.5);
}

TEST_P(TracedRun, ATransferMayBeginWhileItsLinkIsDead) {
  const ScenarioRun r = run("time_s,down_bps,up_bps\n0,0,8e6\n3,8e6,0\n20,8e6,4e6\n");
  EXPECT_TIME(end_of(r, "download"), 4);
  EXPECT_TIME(end_of(r, "train"), 14);
  EXPECT_TIME(end_of(r, "upload"), 22);
}

TEST_P(TracedRun, TenSecondsAtFullSpeedTenAtHalfRepeated) {
  // A pass of 20 s does 15 s of work. Three rounds: 1 + 10 + 1 + 0.5 s each at full speed.
  // Round 1: 1 to 12 (9 full, 1 s left at half), up to 13, aggregated 13.5.
  // Round 2: down to 14.5; at half until 20: 2.75 done; then full: 27.25; up 28.25; 28.75.
  const ScenarioRun r = run("time_s,speed\n0,1\n10,0.5\n20,1\n", "loop = true", "", "rounds = 2");
  const auto trainings = r.activities("train");
  EXPECT_TIME(trainings.at(0).end_s, 12);
  EXPECT_TIME(trainings.at(1).end_s, 27.25);
}

TEST_P(TracedRun, ATraceIsShiftedAndCut) {
  // The trace begins at 4 s with its second row; before that the node is nominal.
  const ScenarioRun r =
      run("time_s,speed\n0,0.1\n100,0.5\n200,0.25\n", "start_s = 4, from_s = 100, to_s = 110");
  EXPECT_TIME(end_of(r, "train"), 4 + 7 / 0.5);  // the speed 0.5 holds after the cut
}

TEST_P(TracedRun, APhaseSetsNodesApart) {
  const std::string file = folder_.write("trace.csv", "time_s,speed\n0,1\n10,0.5\n20,1\n");
  const ScenarioRun r(test::simple_scenario(
      {{fmt::format("count = 2\ntrace = {{ file = \"{}\", loop = true, phase_step_s = 10 }}",
                    file)},
       "kind = \"fedavg\"",
       "rounds = 1"}));
  const auto trainings = r.activities("train");
  EXPECT_TIME(trainings.at(0).end_s, 12);
  // The other node begins with the slow half: in 9 s it does 4.5 s of work, the rest at full speed.
  EXPECT_TIME(trainings.at(1).end_s, 10 + 5.5);
}

TEST_P(TracedRun, WhoStoodStillHasItsShareAgain) {
  // Two nodes with 0.25 s of latency behind one access point of 1 MB/s. The first stands still from
  // 0.5 to 1 s, after 0.125 MB; the other has 0.625 MB at 1 s. Then they share: the second has its
  // 1 MB at 1.75, the first 0.5 MB; the first does the rest alone until 2.25.
  const std::string file = folder_.write("trace.csv", "time_s,down_bps\n0,8e9\n0.5,0\n1,8e9\n");
  const std::string other =
      "via = \"ap\"\nlink = { duplex = \"full\", down_bps = 8e9, up_bps = 8e9, latency_s = 0.25 }";
  const ScenarioRun r(
      test::simple_scenario({.nodes = {other + "\ntrace = \"" + file + "\"", other},
                             .schedule = "kind = \"fedavg\"",
                             .stop = "rounds = 1",
                             .shared_link = "duplex = \"half\", down_bps = 8e6, up_bps = 8e6"}));
  const auto downloads = r.activities("download");
  EXPECT_TIME(downloads.at(0).end_s, 2.25);
  EXPECT_TIME(downloads.at(1).end_s, 1.75);
}

TEST_P(TracedRun, LatencyIsPaidWhileTheLinkIsDead) {
  // 0.5 s of latency pass while the rate is 0.
  const std::string file = folder_.write("trace.csv", "time_s,down_bps\n0,0\n0.25,8e6\n");
  const ScenarioRun r(test::simple_scenario(
      {{fmt::format("trace = \"{}\"\nlink = {{ duplex = \"full\", down_bps = 8e6, up_bps = 8e6, "
                    "latency_s = 0.5 }}",
                    file)},
       "kind = \"fedavg\"",
       "rounds = 1"}));
  EXPECT_TIME(end_of(r, "download"), 1.5);
}

TEST_P(TracedRun, LatencyHoldsForTransfersThatStartFromThenOn) {
  const ScenarioRun r = run("time_s,latency_s\n0,0.5\n5,0.25\n");
  EXPECT_TIME(end_of(r, "download"), 1.5);
  EXPECT_TIME(end_of(r, "upload"), 1.5 + 10 + 1.25);
}

TEST_P(TracedRun, AnOutageIsSeenWhileTheNodeIsIdle) {
  const std::string file =
      folder_.write("trace.csv", "time_s,available\n0,1\n20,0\n25,1\n40,0\n41,1\n");
  // The first node is idle from 12 s until the second ends at 32 s.
  const ScenarioRun r(test::simple_scenario(
      {{fmt::format("trace = \"{}\"", file), "slowdown = 3"}, "kind = \"fedavg\"", "rounds = 2"}));
  EXPECT_THAT(r.times_of("node_lost"),
              testing::ElementsAre(testing::DoubleNear(20, 1e-8), testing::DoubleNear(40, 1e-8)));
  EXPECT_THAT(r.times_of("node_joined"),
              testing::ElementsAre(testing::DoubleNear(25, 1e-8), testing::DoubleNear(41, 1e-8)));
  EXPECT_EQ(r.activities("train").back().cause.empty(), true);
}

TEST_P(TracedRun, ANodeThatIsAwayAtTheBeginningJoins) {
  const ScenarioRun r = run("time_s,available\n0,0\n7,1\n");
  EXPECT_THAT(r.times_of("node_joined"), testing::ElementsAre(testing::DoubleNear(7, 1e-8)));
  EXPECT_TIME(end_of(r, "train"), 18);
}

TEST_P(TracedRun, ColumnsMayBeLeftOut) {
  EXPECT_TIME(end_of(run("time_s,speed,down_bps\n0,0.5,4e6\n", "only = [\"speed\"]"), "train"), 21);
}

// --- energy -------------------------------------------------------------------------------------

class Energy : public test::EachSolver {
 protected:
  // One node of this device with these keys, and a server of the same device.
  ScenarioRun run(const std::string& more) {
    const std::string file = folder_.write("hand.toml", test::hand_device);
    return ScenarioRun(fmt::format(R"(
[fleet]
server = {{ device = "{0}", link = {{ duplex = "full", down_bps = 1e12, up_bps = 1e12 }} }}
[[fleet.nodes]]
device = "{0}"
{1}
[model]
architecture = "mlp"
[training]
fixed_cost = {{ compute_s = 10, download_bytes = 1e6, upload_bytes = 1e6, aggregate_s = 0.5 }}
[schedule]
kind = "fedavg"
[stop]
rounds = 1
)",
                                   file, more));
  }
  test::TemporaryFolder folder_;
};

constexpr const char* link = R"(link = { duplex = "full", down_bps = 8e6, up_bps = 8e6 })";

CONVOY_INSTANTIATE_EACH_SOLVER(Energy);

TEST_P(Energy, ByHand) {
  // The node: 1 s down, 10 s of training, 1 s up, 0.5 s idle.
  // The server: 2 s of transfers, 10 s idle, 0.5 s of aggregation.
  const ScenarioRun r = run(link);
  EXPECT_TIME(r.summary().nodes[1].usage.energy_j, 4 + 100 + 4 + 1);
  EXPECT_TIME(r.summary().nodes[0].usage.energy_j, 8 + 20 + 5);
  EXPECT_TIME(r.summary().energy_j, 109) << "the workers'";
  EXPECT_TIME(r.summary().energy_server_j, 33);
}

TEST_P(Energy, ActivitiesHaveTheirShare) {
  const ScenarioRun r = run(link);
  const auto energies = test::query_store(r.folder(), "SELECT label, energy_j FROM activity");
  EXPECT_THAT(energies, testing::UnorderedElementsAre("aggregate|5.0", "download|8.0",
                                                      "train|100.0", "upload|8.0"));
  EXPECT_THAT(test::query_store(r.folder(), "SELECT energy_j FROM node ORDER BY id"),
              testing::ElementsAre("33.0", "109.0"));
  EXPECT_THAT(test::query_store(r.folder(), "SELECT energy_j FROM task WHERE kind = 'update'"),
              testing::ElementsAre("116.0"));
}

TEST_P(Energy, MovingBytesCostsWhatTheLinkSays) {
  const ScenarioRun r =
      run(R"(link = { duplex = "full", down_bps = 8e6, up_bps = 8e6, joules_per_byte = 3e-6 })");
  EXPECT_TIME(r.summary().nodes[1].usage.energy_j, 109 + 6);
}

TEST_P(Energy, HalfTheSpeedDrawsHalfTheDynamicPower) {
  const std::string file = folder_.write("trace.csv", "time_s,speed\n0,1\n6,0.5\n");
  const ScenarioRun r = run(std::string(link) + "\ntrace = \"" + file + "\"");
  // 1 to 6 s at full speed, 10 s at half: 16; up 17; idle until 17.5.
  EXPECT_TIME(r.summary().nodes[1].usage.energy_j, 4 + 5 * 10 + 10 * (2 + 4) + 4 + 1);
}

TEST_P(Energy, MeasuredPowerTakesThePlaceOfTheModels) {
  const std::string file = folder_.write("trace.csv", "time_s,power_w\n0,7\n10,3\n");
  const ScenarioRun r = run(std::string(link) + "\ntrace = \"" + file + "\"");
  EXPECT_TIME(r.summary().nodes[1].usage.energy_j, 70 + 2.5 * 3);
}

TEST_P(Energy, BeforeATraceOfPowerBeginsTheModelHolds) {
  const std::string file = folder_.write("trace.csv", "time_s,power_w\n0,7\n");
  const ScenarioRun r =
      run(fmt::format("{}\ntrace = {{ file = \"{}\", start_s = 5 }}", link, file));
  EXPECT_TIME(r.summary().nodes[1].usage.energy_j, 4 + 4 * 10 + 7.5 * 7);
}

TEST_P(Energy, ANodeThatIsAwayDrawsNothing) {
  const ScenarioRun r = run(std::string(link) + "\njoins_at_s = 5");
  EXPECT_TIME(r.summary().nodes[1].usage.energy_j, 109);
}

TEST_P(Energy, OfActivitiesAndOfTheRestIsThatOfTheNodes) {
  // Random behaviour, with a server that sends to many nodes at once: the energies of the
  // activities and of the time without activities add up to the total.
  const std::string file = folder_.write("hand.toml", test::hand_device);
  std::string text = fmt::format(
      "seed = 4\n[fleet]\nserver = {{ device = \"{0}\" }}\n[[fleet.nodes]]\ncount = 6\ndevice = "
      "\"{0}\"\njitter = 0.5\nrandom_outages = {{ mean_up_s = 40, mean_down_s = 5 }}\nlink = {{ "
      "duplex = \"half\", down_bps = 8e6, up_bps = 8e6, joules_per_byte = 1e-6 }}\n",
      file);
  text +=
      "[model]\narchitecture = \"mlp\"\n[training]\nfixed_cost = { compute_s = 10, download_bytes "
      "= 3e6, upload_bytes = 2e6, aggregate_s = 0.5 }\n[schedule]\nkind = \"cos2p\"\ncos2p.quorum "
      "= "
      "0.3\n[stop]\ntasks = 60\n";
  const ScenarioRun r(text);
  const double of_activities =
      std::stod(test::query_store(r.folder(), "SELECT SUM(energy_j) FROM activity").at(0));
  double idle = 0;
  for (const auto& n : r.summary().nodes) {
    idle += 2 * (r.summary().virtual_time_s - n.usage.active_s - n.usage.away_s);
  }
  const double drawn = r.summary().energy_j + r.summary().energy_server_j;
  EXPECT_NEAR(of_activities + idle, drawn, 1e-6 * drawn);
}

}  // namespace
}  // namespace convoy
