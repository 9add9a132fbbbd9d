// Tests the errors of a simulation against a measured run, with values computed by hand.

#include "analysis/fidelity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/random.hpp"
#include "tests/support/files.hpp"
#include "tests/support/hand_made_store.hpp"

namespace convoy::analysis {
namespace {

using test::HandMadeStore;
using test::TemporaryFolder;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A folder with a simulated and a measured run, to be filled by the test.
struct TwoRuns {
  TemporaryFolder folder;
  HandMadeStore simulated{folder.path() / "simulated"};
  HandMadeStore measured{folder.path() / "measured"};

  void measure(std::int64_t node, const std::string& label, double start_s, double took_s) {
    measured.compute(node, label, start_s, took_s).real = true;
  }
  Fidelity compare() {
    const auto first = simulated.write();
    return compare_with_measured(first, measured.write());
  }
};

// Names of the compared rows, in the order of the report.
std::vector<std::string> names(const std::vector<NodeErrors>& rows) {
  std::vector<std::string> all;
  for (const NodeErrors& row : rows) all.push_back(row.node + "/" + row.label);
  return all;
}

DurationErrors errors_of(const std::vector<NodeErrors>& rows, const std::string& name) {
  for (const NodeErrors& row : rows) {
    if (row.node + "/" + row.label == name) return row.errors;
  }
  ADD_FAILURE() << name << " is not there";
  return {};
}

void expect_counts(const DurationErrors& e, std::int64_t compared, std::int64_t unpaired_simulated,
                   std::int64_t unpaired_measured, std::int64_t failed_simulated = 0,
                   std::int64_t failed_measured = 0) {
  EXPECT_EQ(e.compared, compared);
  EXPECT_EQ(e.unpaired_simulated, unpaired_simulated);
  EXPECT_EQ(e.unpaired_measured, unpaired_measured);
  EXPECT_EQ(e.failed_simulated, failed_simulated);
  EXPECT_EQ(e.failed_measured, failed_measured);
}

// Exact comparison: the figures of these tests are sums of halves and quarters.
void expect_figures(const DurationErrors& e, double simulated_s, double measured_s, double error,
                    double bias) {
  EXPECT_EQ(e.simulated_s, simulated_s);
  EXPECT_EQ(e.measured_s, measured_s);
  EXPECT_EQ(e.error, error);
  EXPECT_EQ(e.bias, bias);
}

TEST(Fidelity, ErrorsAreWhatTheHandWorksOut) {
  TwoRuns runs;
  runs.simulated.node(0, "server").node(1, "nano");
  runs.measured.node(0, "server").node(1, "nano", "hil");
  runs.simulated.compute(1, "train", 0, 10);  // against 8: + 25 %
  runs.simulated.compute(1, "train", 20, 6);  // against 8: - 25 %
  runs.simulated.compute(1, "train", 40, 2);  // against 4: - 50 %
  runs.measure(1, "train", 0, 8);
  runs.measure(1, "train", 30, 8);
  runs.measure(1, "train", 60, 4);
  const Fidelity fidelity = runs.compare();
  EXPECT_THAT(names(fidelity.nodes), ElementsAre("nano/train"));
  expect_counts(fidelity.nodes[0].errors, 3, 0, 0);
  expect_figures(fidelity.nodes[0].errors, 6, 20.0 / 3, 1.0 / 3, (6 - 20.0 / 3) / (20.0 / 3));
  EXPECT_THAT(fidelity.remarks, IsEmpty());
}

// A case that occurred: downloads predicted as 2.4 ms on average and measured as 4.4 ms were
// reported as 210 % too slow, because each error was divided by its own, short duration.
TEST(Fidelity, TheBiasSaysWhatTheMeansSay) {
  TwoRuns runs;
  runs.simulated.node(1, "a");
  runs.measured.node(1, "a", "hil");
  for (const double start : {0.0, 1.0}) runs.simulated.compute(1, "download", start, 0.0024);
  runs.measure(1, "download", 0, 0.0005);
  runs.measure(1, "download", 1, 0.0083);
  const DurationErrors errors = runs.compare().nodes.at(0).errors;
  EXPECT_NEAR(*errors.simulated_s, 0.0024, 1e-12);
  EXPECT_NEAR(*errors.measured_s, 0.0044, 1e-12);
  EXPECT_NEAR(*errors.bias, -2.0 / 4.4, 1e-9);
}

// For any durations; for every row and for the totals.
TEST(Fidelity, TheBiasHasTheSignOfTheDifferenceOfTheMeans) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  base::Random random({seed});
  for (int i = 0; i < 20; ++i) {
    TwoRuns runs;
    const auto nodes = static_cast<std::int64_t>(1 + random.below(3));
    for (std::int64_t node = 1; node <= nodes; ++node) {
      const std::string name = "n" + std::to_string(node);
      runs.simulated.node(node, name);
      runs.measured.node(node, name, "hil");
      for (std::size_t k = 0; k < 1 + random.below(5); ++k) {
        // Durations over six orders of magnitude, sometimes equal, sometimes 0.
        const double simulated_s = std::pow(10, random.uniform() * 6 - 4);
        double measured_s = std::pow(10, random.uniform() * 6 - 4);
        if (random.below(8) == 0) measured_s = simulated_s;
        if (random.below(8) == 0) measured_s = 0;
        const auto start = static_cast<double>(1000 * k);
        runs.simulated.compute(node, "train", start, simulated_s);
        runs.measure(node, "train", start, measured_s);
      }
    }
    const Fidelity fidelity = runs.compare();
    ASSERT_EQ(fidelity.totals.size(), 1U);
    for (const auto* rows : {&fidelity.nodes, &fidelity.totals}) {
      for (const NodeErrors& row : *rows) {
        const DurationErrors& e = row.errors;
        const auto sign = [](double x) { return (x > 0) - (x < 0); };
        if (*e.measured_s > 0) {
          ASSERT_TRUE(e.bias);
          EXPECT_EQ(sign(*e.bias), sign(*e.simulated_s - *e.measured_s));
        } else {
          EXPECT_FALSE(e.bias);
        }
      }
    }
  }
}

TEST(Fidelity, PairsByTheOrderOfTheStartWhateverTheOrderOfTheRows) {
  TwoRuns runs;
  runs.simulated.node(1, "nano");
  runs.measured.node(1, "nano", "hil");
  runs.simulated.compute(1, "train", 20, 2);
  runs.simulated.compute(1, "train", 0, 4);
  runs.measure(1, "train", 0, 4);
  runs.measure(1, "train", 20, 2);
  expect_figures(runs.compare().nodes.at(0).errors, 3, 3, 0, 0);
}

TEST(Fidelity, NodesArePairedByNameAndSortedByNameAndLabel) {
  TwoRuns runs;
  runs.simulated.node(0, "server").node(1, "alpha").node(2, "beta");
  runs.measured.node(0, "server").node(1, "beta", "hil").node(2, "alpha", "hil");
  runs.simulated.compute(1, "train", 0, 5);         // alpha: + 25 %
  runs.simulated.compute(2, "train", 0, 3);         // beta: - 25 %
  runs.simulated.transfer(0, 1, "download", 0, 2);  // to alpha: + 100 %
  runs.simulated.transfer(2, 0, "upload", 9, 1);    // from beta: - 50 %
  runs.measure(2, "train", 0, 4);
  runs.measure(1, "train", 0, 4);
  runs.measured.transfer(0, 2, "download", 0, 1).real = true;
  runs.measured.transfer(1, 0, "upload", 9, 2).real = true;
  const Fidelity fidelity = runs.compare();
  EXPECT_THAT(names(fidelity.nodes),
              ElementsAre("alpha/download", "alpha/train", "beta/train", "beta/upload"));
  expect_figures(errors_of(fidelity.nodes, "alpha/train"), 5, 4, 0.25, 0.25);
  expect_figures(errors_of(fidelity.nodes, "beta/train"), 3, 4, 0.25, -0.25);
  expect_figures(errors_of(fidelity.nodes, "alpha/download"), 2, 1, 1, 1);
  expect_figures(errors_of(fidelity.nodes, "beta/upload"), 1, 2, 0.5, -0.5);
  EXPECT_THAT(names(fidelity.totals), ElementsAre("/download", "/train", "/upload"));
  expect_counts(errors_of(fidelity.totals, "/train"), 2, 0, 0);
  expect_figures(errors_of(fidelity.totals, "/train"), 4, 4, 0.25, 0);
}

TEST(Fidelity, TotalsAreOfAllPairsNotOfNodes) {
  TwoRuns runs;
  runs.simulated.node(1, "a").node(2, "b");
  runs.measured.node(1, "a", "hil").node(2, "b", "hil");
  for (const double start : {0.0, 10.0, 20.0}) {
    runs.simulated.compute(1, "train", start, 4);
    runs.measure(1, "train", start, 4);
  }
  runs.simulated.compute(2, "train", 0, 8);
  runs.measure(2, "train", 0, 4);
  expect_figures(runs.compare().totals.at(0).errors, 5, 4, 0.25, 0.25);
}

TEST(Fidelity, IterationsAreHeldAgainstTheirLike) {
  TwoRuns runs;
  runs.simulated.node(1, "a");
  runs.measured.node(1, "a", "hil");
  runs.simulated.compute(1, "train", 0, 1).iteration = 0;
  runs.simulated.compute(1, "train", 1, 2).iteration = 1;
  runs.simulated.compute(1, "train", 3, 4).iteration = 0;
  runs.measure(1, "train", 0, 1);
  runs.measure(1, "train", 9, 4);  // a second iteration is missing
  const DurationErrors errors = runs.compare().nodes.at(0).errors;
  expect_counts(errors, 2, 1, 0);
  expect_figures(errors, 2.5, 2.5, 0, 0);
}

TEST(Fidelity, TheUnpairedRestIsCounted) {
  TwoRuns runs;
  runs.simulated.node(1, "a").node(2, "b").node(3, "only-simulated");
  runs.measured.node(1, "a", "hil").node(2, "b", "hil").node(4, "only-measured", "hil");
  for (const double start : {0.0, 10.0, 20.0}) runs.simulated.compute(1, "train", start, 2);
  runs.measure(1, "train", 0, 2);
  runs.simulated.compute(2, "train", 0, 2);
  runs.measure(2, "train", 0, 2);
  runs.measure(2, "train", 10, 4);
  runs.simulated.compute(2, "mask", 5, 1);  // never measured, although the node is real
  runs.simulated.compute(3, "train", 0, 2);
  runs.measure(4, "train", 0, 2);
  const Fidelity fidelity = runs.compare();
  expect_counts(errors_of(fidelity.nodes, "a/train"), 1, 2, 0);
  expect_counts(errors_of(fidelity.nodes, "b/train"), 1, 0, 1);
  expect_figures(errors_of(fidelity.nodes, "b/train"), 2, 2, 0, 0);
  expect_counts(errors_of(fidelity.nodes, "b/mask"), 0, 1, 0);
  expect_counts(errors_of(fidelity.nodes, "only-simulated/train"), 0, 1, 0);
  expect_counts(errors_of(fidelity.nodes, "only-measured/train"), 0, 0, 1);
  EXPECT_EQ(errors_of(fidelity.nodes, "only-measured/train").simulated_s, std::nullopt);
  EXPECT_EQ(errors_of(fidelity.nodes, "only-measured/train").error, std::nullopt);
  expect_counts(errors_of(fidelity.totals, "/train"), 2, 3, 2);
}

TEST(Fidelity, WhatTheMeasuredRunSimulatesIsLeftOut) {
  TwoRuns runs;
  runs.simulated.node(0, "server").node(1, "real").node(2, "other");
  runs.measured.node(0, "server").node(1, "real", "hil").node(2, "other");
  for (HandMadeStore* run : {&runs.simulated, &runs.measured}) {
    run->transfer(0, 1, "download", 0, 1);  // a modelled transfer to the real node
    run->compute(2, "train", 1, 5);
    run->compute(0, "aggregate", 9, 1);
  }
  runs.simulated.compute(2, "mask", 0, 1);  // of a node that is simulated in both runs
  runs.simulated.compute(1, "train", 1, 5);
  runs.measure(1, "train", 1, 4);
  EXPECT_THAT(names(runs.compare().nodes), ElementsAre("real/train"));
}

TEST(Fidelity, ARealAggregationIsCompared) {
  TwoRuns runs;
  runs.simulated.node(0, "server").node(1, "a");
  runs.measured.node(0, "server").node(1, "a", "hil");
  runs.simulated.compute(0, "aggregate", 9, 1).task = -2;
  sim::ActivityRow& row = runs.measured.compute(0, "aggregate", 9, 4);
  row.task = -2;
  row.real = true;
  const Fidelity fidelity = runs.compare();
  EXPECT_THAT(names(fidelity.nodes), ElementsAre("server/aggregate"));
  expect_figures(fidelity.nodes[0].errors, 1, 4, 0.75, -0.75);
}

TEST(Fidelity, WhatFailedIsCountedAndKeepsItsPlace) {
  TwoRuns runs;
  runs.simulated.node(1, "a");
  runs.measured.node(1, "a", "hil");
  runs.simulated.compute(1, "train", 0, 2);
  runs.simulated.compute(1, "train", 10, 100);  // its counterpart failed
  runs.simulated.compute(1, "train", 20, 2);
  runs.simulated.compute(1, "train", 30, 1).cause = "run_ended";
  sim::ActivityRow& unstarted = runs.simulated.compute(1, "train", 5, 0);
  unstarted.start_s.reset();
  unstarted.cause = "cancelled";
  runs.measure(1, "train", 0, 4);
  sim::ActivityRow& lost = runs.measured.compute(1, "train", 10, 1);
  lost.real = true;
  lost.cause = "node_lost";
  runs.measure(1, "train", 20, 4);
  const DurationErrors errors = runs.compare().nodes.at(0).errors;
  expect_counts(errors, 2, 1, 0, 2, 1);
  expect_figures(errors, 2, 4, 0.5, -0.5);
}

TEST(Fidelity, AMeasuredDurationOfZeroIsInNoPercentage) {
  TwoRuns runs;
  runs.simulated.node(1, "a");
  runs.measured.node(1, "a", "hil");
  runs.simulated.compute(1, "train", 0, 2);
  runs.simulated.compute(1, "train", 10, 4);
  runs.simulated.compute(1, "mask", 0, 1);
  runs.measure(1, "train", 0, 0);
  runs.measure(1, "train", 10, 8);
  runs.measure(1, "mask", 0, 0);
  const Fidelity fidelity = runs.compare();
  const DurationErrors train = errors_of(fidelity.nodes, "a/train");
  expect_counts(train, 2, 0, 0);
  EXPECT_EQ(train.without_duration, 1);
  expect_figures(train, 3, 4, 0.5, -0.25);
  const DurationErrors mask = errors_of(fidelity.nodes, "a/mask");
  EXPECT_EQ(mask.compared, 1);
  EXPECT_EQ(mask.measured_s, 0);
  EXPECT_EQ(mask.error, std::nullopt);
  EXPECT_EQ(mask.bias, std::nullopt);
}

TEST(Fidelity, TheMakespanAndTheLastVersionOfBoth) {
  TwoRuns runs;
  runs.simulated.node(1, "a").version(1, 10).version(2, 30).version(3, 50);
  runs.measured.node(1, "a", "hil").version(1, 16).version(2, 40);
  runs.simulated.end.virtual_time_s = 50;
  runs.measured.end.virtual_time_s = 40;
  const Fidelity fidelity = runs.compare();
  ASSERT_TRUE(fidelity.makespan);
  EXPECT_EQ(fidelity.makespan->simulated_s, 50);
  EXPECT_EQ(fidelity.makespan->measured_s, 40);
  EXPECT_EQ(fidelity.makespan->error, 0.25);
  EXPECT_EQ(fidelity.version, 2);
  ASSERT_TRUE(fidelity.to_version);
  EXPECT_EQ(fidelity.to_version->error, -0.25);
}

TEST(Fidelity, AStoreOfTasksHasAMakespanAndARemark) {
  TwoRuns runs;
  runs.simulated.node(1, "a");
  runs.simulated.end.virtual_time_s = 3;
  runs.measured.node(1, "a", "hil");
  runs.measured.end.virtual_time_s = 4;
  runs.measure(1, "train", 0, 4);
  const Fidelity fidelity = runs.compare();
  EXPECT_THAT(fidelity.nodes, IsEmpty());
  EXPECT_THAT(fidelity.totals, IsEmpty());
  EXPECT_EQ(fidelity.makespan.value().error, -0.25);
  EXPECT_FALSE(fidelity.to_version);
  EXPECT_THAT(fidelity.remarks, ElementsAre(HasSubstr("simulated: holds no activities")));
}

TEST(Fidelity, OtherScenariosAndUnfinishedRunsAreRemarkedOn) {
  TwoRuns runs;
  runs.simulated.run.schedule = "cos2p";
  runs.measured.end.status = sim::RunStatus::stopped;
  runs.measured.node(1, "a", "hil");
  runs.simulated.node(1, "a").compute(1, "train", 0, 1);
  runs.measured.compute(1, "train", 0, 1);
  EXPECT_THAT(runs.compare().remarks,
              ElementsAre(HasSubstr("hand-made with cos2p, hand-made with fedavg"),
                          HasSubstr("did not come to its end (stopped)"),
                          HasSubstr("none of its activities was measured")));
}

TEST(Fidelity, AMeasuredRunIsJudgedByItsOwnPredictions) {
  const TemporaryFolder folder;
  HandMadeStore store(folder.path() / "measured");
  store.node(0, "server").node(1, "b", "hil").node(2, "a", "hil");
  const auto measure = [&store](std::int64_t node, double start_s, double took_s,
                                std::optional<double> predicted_s) -> sim::ActivityRow& {
    sim::ActivityRow& row = store.compute(node, "train", start_s, took_s);
    row.real = true;
    row.predicted_s = predicted_s;
    return row;
  };
  measure(1, 0, 8, 10);
  measure(1, 10, 8, 6);
  measure(1, 20, 0, 1);
  measure(1, 30, 8, std::nullopt);
  measure(1, 40, 8, 8).cause = "node_lost";
  measure(2, 0, 4, 6);
  store.compute(2, "mask", 0, 4).predicted_s = 100;  // of a simulated node: ignored
  const Fidelity fidelity = compare_predictions(store.write());
  EXPECT_EQ(fidelity.simulated, "");
  EXPECT_THAT(names(fidelity.nodes), ElementsAre("a/train", "b/train"));
  const DurationErrors b = errors_of(fidelity.nodes, "b/train");
  expect_counts(b, 3, 0, 1, 0, 1);
  EXPECT_EQ(b.without_duration, 1);
  expect_figures(b, 17.0 / 3, 16.0 / 3, 0.25, (17.0 / 3 - 16.0 / 3) / (16.0 / 3));
  expect_figures(errors_of(fidelity.nodes, "a/train"), 6, 4, 0.5, 0.5);
  expect_figures(errors_of(fidelity.totals, "/train"), 23.0 / 4, 5, 1.0 / 3, 0.15);
  EXPECT_FALSE(fidelity.makespan);
  EXPECT_THAT(fidelity.remarks, IsEmpty());
}

// The reports of a call, by the names of the runs.
TEST(Fidelity, SimulatedRunsAreHeldAgainstMeasuredOnesInAnyOrder) {
  const TemporaryFolder folder;
  const auto make = [&folder](const std::string& name, const std::string& schedule,
                              const std::string& backend) {
    HandMadeStore store(folder.path() / name);
    store.run.schedule = schedule;
    store.node(1, "a", backend);
    sim::ActivityRow& row = store.compute(1, "train", 0, 1);
    row.real = backend == "hil";
    return store.write();
  };
  const auto simulated = make("simulated", "fedavg", "sim");
  const auto other = make("other", "cos2p", "sim");
  const auto measured = make("measured", "fedavg", "hil");
  const auto found = [](const std::vector<std::filesystem::path>& folders) {
    std::vector<std::string> pairs;
    for (const Fidelity& f : read_fidelity(folders)) {
      pairs.push_back(std::filesystem::path(f.simulated).filename().string() + " " +
                      std::filesystem::path(f.measured).filename().string());
    }
    return pairs;
  };
  EXPECT_THAT(found({simulated}), IsEmpty());
  EXPECT_THAT(found({simulated, other}), IsEmpty());
  EXPECT_THAT(found({simulated, measured}), ElementsAre("simulated measured"));
  EXPECT_THAT(found({measured, simulated}), ElementsAre("simulated measured"));
  EXPECT_THAT(found({measured, other}), ElementsAre("other measured"));
  EXPECT_THAT(found({other, simulated, measured}), ElementsAre("simulated measured"));
  EXPECT_THAT(found({measured}), ElementsAre(" measured"));
  EXPECT_THAT(compare_predictions(measured).remarks, ElementsAre(HasSubstr("no predictions")));
}

TEST(Fidelity, ARunIsMeasuredByARealActivityAlone) {
  TwoRuns runs;
  runs.simulated.node(1, "a").compute(1, "train", 0, 1);
  runs.measured.node(1, "a");
  runs.measure(1, "train", 0, 1);
  EXPECT_FALSE(is_measured(runs.simulated.write()));
  EXPECT_TRUE(is_measured(runs.measured.write()));
  EXPECT_THROW(is_measured(runs.folder.path() / "none"), sim::StoreError);
}

}  // namespace
}  // namespace convoy::analysis
