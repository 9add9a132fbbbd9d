// Tests comparisons over seeds, and their statistics.

#include "analysis/comparison.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <iterator>
#include <utility>

#include "analysis/bands.hpp"
#include "analysis/statistics.hpp"
#include "base/diagnostics.hpp"
#include "base/random.hpp"
#include "tests/support/files.hpp"
#include "tests/support/hand_made_store.hpp"

namespace convoy::analysis {
namespace {

using test::HandMadeStore;
using test::TemporaryFolder;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;

// --- statistics ---------------------------------------------------------------------------------

TEST(Statistics, StudentsInterval) {
  const Interval interval = mean_interval({1, 2, 3});
  EXPECT_DOUBLE_EQ(interval.mean, 2);
  EXPECT_EQ(interval.method, "t");
  // t(0.975, 2) = 4.302653; s / sqrt 3 = 0.5773503
  EXPECT_NEAR(interval.low.value(), 2 - 2.484138, 1e-6);
  EXPECT_NEAR(interval.high.value(), 2 + 2.484138, 1e-6);
}

TEST(Statistics, OneValueHasNoInterval) {
  const Interval interval = mean_interval({5});
  EXPECT_EQ(interval.mean, 5);
  EXPECT_EQ(interval.low, std::nullopt);
  EXPECT_EQ(interval.method, "");
}

TEST(Statistics, EqualValuesHaveAnIntervalWithoutLength) {
  EXPECT_EQ(mean_interval({2, 2, 2}).low, 2);
  EXPECT_EQ(mean_interval(std::vector<double>(12, 2)).high, 2);
}

TEST(Statistics, TheBootstrapFromTenValuesOn) {
  std::vector<double> values(9);
  base::Random random({1});
  for (double& v : values) v = random.normal();
  EXPECT_EQ(mean_interval(values).method, "t");
  values.push_back(random.normal());
  EXPECT_EQ(mean_interval(values).method, "bootstrap");
  // Equal values give equal intervals.
  EXPECT_EQ(mean_interval(values).low, mean_interval(values).low);
}

TEST(Statistics, TheBootstrapNearsTheNormalIntervalOfManyValues) {
  std::vector<double> values(200);
  base::Random random({2});
  double sum = 0;
  double squares = 0;
  for (double& v : values) {
    v = 3 + random.normal();
    sum += v;
  }
  for (const double v : values) squares += (v - sum / 200) * (v - sum / 200);
  const double half = 1.96 * std::sqrt(squares / 199 / 200);
  const Interval interval = mean_interval(values);
  EXPECT_NEAR(interval.low.value(), sum / 200 - half, 0.1 * half);
  EXPECT_NEAR(interval.high.value(), sum / 200 + half, 0.1 * half);
}

TEST(Statistics, TheBootstrapLeansToTheLongTail) {
  std::vector<double> values;
  base::Random random({3});
  for (int i = 0; i < 40; ++i) values.push_back(random.exponential(1));
  const Interval interval = mean_interval(values);
  EXPECT_GT(*interval.high - interval.mean, interval.mean - *interval.low);
}

// Expected: an independent bootstrap by Efron's definition with 300,000 resamples: acceleration
// .1034, interval 5.80 to 30.53. Without acceleration the interval would be 4.93 to 26.3, with the
// wrong sign 4.00 to 23.6.
TEST(Statistics, TheBootstrapIsAccelerated) {
  std::vector<double> values = {1, 1, 2, 2, 2, 3, 3, 4, 5, 7, 9, 13, 21, 40, 80};
  const Interval interval = mean_interval(values);
  EXPECT_EQ(interval.method, "bootstrap");
  EXPECT_NEAR(*interval.low, 5.80, 0.3);
  EXPECT_NEAR(*interval.high, 30.53, 1.6);
  for (double& v : values) v = -v;
  const Interval mirrored = mean_interval(values);
  EXPECT_NEAR(*mirrored.low, -30.53, 1.6);
  EXPECT_NEAR(*mirrored.high, -5.80, 0.3);
}

// --- groups -------------------------------------------------------------------------------------

// A run with this virtual time; its schedule determines its group.
RunSummary run(const TemporaryFolder& folder, const std::string& schedule, std::uint64_t seed,
               double virtual_time_s) {
  const std::string name = schedule + "-" + std::to_string(seed);
  HandMadeStore store(folder.path() / name);
  store.node(0, "server").node(1, "a");
  store.run.schedule = schedule;
  store.run.seed = seed;
  store.run.name = name;
  store.run.scenario = "name = \"" + name + "\"\nseed = " + std::to_string(seed) +
                       "\n[schedule]\nkind = \"" + schedule + "\"\n";
  store.end.virtual_time_s = virtual_time_s;
  RunSummary summary = read_summary(store.write());
  summary.folder = summary.label = "runs/" + name;
  return summary;
}

const ComparedMetric& figure(const Comparison& c, std::string_view key) {
  for (const ComparedMetric& f : c.metrics) {
    if (f.metric.key == key) return f;
  }
  throw std::runtime_error(std::string(key));
}

TEST(Comparison, PairsEqualSeeds) {
  const TemporaryFolder folder;
  const std::vector<RunSummary> runs = {run(folder, "fedavg", 1, 10), run(folder, "fedavg", 2, 20),
                                        run(folder, "fedavg", 3, 30), run(folder, "cos2p", 3, 24),
                                        run(folder, "cos2p", 1, 7),   run(folder, "cos2p", 4, 1)};
  const Comparison c = compare(cases_of(runs), "fedavg");
  ASSERT_EQ(c.groups.size(), 2);
  EXPECT_EQ(c.baseline, 0);
  EXPECT_EQ(c.groups[0].label, "runs/fedavg-* (fedavg)");
  EXPECT_THAT(c.groups[1].seeds, ElementsAre("3", "1", "4"));
  const ComparedMetric& time = figure(c, "virtual_time_s");
  EXPECT_EQ(time.groups[0].mean, 20);
  EXPECT_NEAR(time.groups[1].mean.value(), 32.0 / 3, 1e-12);
  EXPECT_NEAR(time.groups[1].ratio.value(), 32.0 / 60, 1e-12);
  EXPECT_EQ(time.groups[0].ratio, 1);
  EXPECT_EQ(time.groups[0].paired, std::nullopt);
  // Both have seeds 3 and 1: differences 24 - 30 and 7 - 10.
  EXPECT_THAT(time.groups[1].differences, ElementsAre(-6, -3));
  EXPECT_DOUBLE_EQ(time.groups[1].paired->mean, -4.5);
  EXPECT_EQ(time.groups[1].paired->method, "t");
}

TEST(Comparison, ARunThatIsNotOverIsNoPartOfAMean) {
  const TemporaryFolder folder;
  std::vector<RunSummary> runs = {run(folder, "fedavg", 1, 10), run(folder, "fedavg", 2, 20),
                                  run(folder, "fedavg", 3, 1)};
  runs[2].run.status = sim::RunStatus::stopped;
  const Comparison c = compare(cases_of(runs), "");
  ASSERT_EQ(c.groups.size(), 2);
  EXPECT_EQ(c.groups[1].label, "runs/fedavg-3 (stopped)");
  EXPECT_EQ(figure(c, "virtual_time_s").groups[0].mean, 15);
}

TEST(Comparison, SweepsByTheShortestNamesOfTheirKeys) {
  SweepResults sweep;
  sweep.folder = "runs/s";
  sweep.index.scenario = "s";
  sweep.index.keys = {"schedule.kind", "seed", "fleet.nodes.0.link", "fleet.nodes.1.link"};
  for (const char* kind : {"fedavg", "cos2p"}) {
    for (const char* seed : {"1", "2"}) {
      sweep.index.points.push_back({{kind, seed, "lte", "wifi5"}, std::string(kind) + seed});
      sweep.points.push_back(
          {PointStatus::done, "", seed, {{"virtual_time_s", kind[0] == 'f' ? 8.0 : 4.0}}, {}, {}});
    }
  }
  sweep.points.back().status = PointStatus::failed;
  Comparison c = compare(cases_of(std::vector{sweep}), "fedavg");
  ASSERT_EQ(c.groups.size(), 2);
  EXPECT_EQ(c.groups[0].label, "kind=fedavg, 0.link=lte, 1.link=wifi5");
  EXPECT_THAT(c.groups[1].runs, ElementsAre("runs/s/points/cos2p1"));
  EXPECT_EQ(c.metrics[0].groups[1].ratio, 0.5);
  EXPECT_THAT(c.metrics[0].groups[1].differences, ElementsAre(-4));
  // With another sweep that has other values.
  SweepResults other = sweep;
  other.folder = "runs/t";
  for (SweepPoint& point : other.points) point.values = {{"energy_j", 8.0}};
  c = compare(cases_of(std::vector{sweep, other}), "");
  EXPECT_EQ(c.groups.size(), 4);
  EXPECT_EQ(c.groups[2].label, "runs/t: kind=fedavg, 0.link=lte, 1.link=wifi5");
  EXPECT_EQ(figure(c, "energy_j").groups[0].mean, std::nullopt);
  EXPECT_EQ(figure(c, "energy_j").groups[2].mean, 8);
}

TEST(Comparison, ASeedThatComesTwiceIsNotPaired) {
  const TemporaryFolder folder;
  const TemporaryFolder other;
  const std::vector<RunSummary> runs = {run(folder, "fedavg", 1, 10), run(folder, "cos2p", 1, 8),
                                        run(other, "cos2p", 1, 9)};
  const Comparison c = compare(cases_of(runs), "");
  EXPECT_EQ(figure(c, "virtual_time_s").groups[1].paired, std::nullopt);
  EXPECT_EQ(figure(c, "virtual_time_s").groups[1].mean, 8.5);
}

TEST(Comparison, TheBaselineIsFoundByManyNames) {
  const TemporaryFolder folder;
  const std::vector<RunSummary> runs = {run(folder, "fedavg", 1, 10), run(folder, "fedavg", 2, 20),
                                        run(folder, "cos2p", 1, 8)};
  const Cases cases = cases_of(runs);
  for (const char* name : {"runs/cos2p-1", "cos2p", "cos", "s2p-1"}) {
    EXPECT_EQ(compare(cases, name).baseline, 1) << name;
  }
  EXPECT_EQ(compare(cases, "runs/fedavg-2").baseline, 0);
  const auto says = [&](const std::string& name) {
    try {
      compare(cases, name);
    } catch (const base::UserError& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_THAT(says("runs/cos2p-3"), HasSubstr("did you mean \"runs/cos2p-1\"?"));
  EXPECT_THAT(says("fedagv"), HasSubstr("did you mean \"fedavg\"?"));
  EXPECT_THAT(says("runs"), HasSubstr("2 groups are called so"));
}

TEST(Comparison, AccuracyThatAllHaveReached) {
  const TemporaryFolder folder;
  std::vector<RunSummary> runs = {run(folder, "fedavg", 1, 100), run(folder, "cos2p", 1, 50)};
  const auto point = [](double time, double accuracy, double bytes) {
    CurvePoint p;
    p.time_s = time;
    p.accuracy = accuracy;
    p.bytes = bytes;
    return p;
  };
  runs[0].curve = {point(0, 0.1, 0), point(40, 0.8, 400), point(90, 0.952, 900)};
  runs[1].curve = {point(0, 0.1, 0), point(20, 0.806, 100)};
  runs[0].figures.accuracy_best = 0.952;
  runs[1].figures.accuracy_best = 0.806;
  const Comparison c = compare(cases_of(runs), "");
  const ComparedMetric& time = figure(c, "time_to_accuracy_s");
  EXPECT_EQ(time.metric.title, "time to 80 %");
  EXPECT_THAT(time.metric.note, HasSubstr("the highest whole percent that all of them reached"));
  EXPECT_EQ(c.levels.at(0).level.accuracy, 0.8);
  EXPECT_EQ(c.levels.at(0).runs, 2U);
  EXPECT_EQ(time.groups[0].mean, 40);
  EXPECT_EQ(time.groups[1].ratio, 0.5);
  EXPECT_EQ(figure(c, "bytes_to_accuracy").groups[1].ratio, 0.25);
  EXPECT_EQ(figure(c, "accuracy_at_s").groups[0].mean, 0.8) << "at 50 s, where the shorter ends";
  EXPECT_NEAR(figure(c, "accuracy_area_common").groups[0].mean.value(), (0.1 * 40 + 0.8 * 10) / 50,
              1e-12);
  // The result does not depend on the order of the runs.
  std::swap(runs[0], runs[1]);
  EXPECT_EQ(compare(cases_of(runs), "").levels.at(0).level.accuracy, 0.8);
}

// A run with an accuracy per second, from 0 on; each second takes 10 J.
RunSummary learned(const std::string& name, const std::vector<double>& accuracies,
                   std::optional<double> target) {
  RunSummary run;
  run.folder = name;
  run.run.status = sim::RunStatus::done;
  run.run.run.schedule = name;
  run.run.run.scenario = "a = \"" + name + "\"";
  for (std::size_t i = 0; i < accuracies.size(); ++i) {
    CurvePoint& point = run.curve.emplace_back();
    point.time_s = static_cast<double>(i);
    point.accuracy = accuracies[i];
    point.energy_j = 10 * point.time_s;
    run.figures.accuracy_best = std::max(run.figures.accuracy_best.value_or(0), accuracies[i]);
  }
  run.figures.virtual_time_s = static_cast<double>(accuracies.size() - 1);
  if (target) run.target = Level{*target, "evaluation.target of the scenario"};
  return run;
}

TEST(Comparison, TheTargetIsTheOneAskedForElseTheScenariosElseAStatedOne) {
  const RunSummary good = learned("good", {0.1, 0.3, 0.6, 0.9}, 0.3);
  const RunSummary slow = learned("slow", {0.1, 0.2, 0.3, 0.5}, 0.3);
  const RunSummary poor = learned("poor", {0.1, 0.1, 0.15, 0.2}, std::nullopt);
  const RunSummary other = learned("other", {0.1, 0.3, 0.6, 0.9}, 0.6);

  const Comparison both = compare(cases_of(std::vector{good, slow}), "");
  EXPECT_EQ(both.levels.at(0).level.accuracy, 0.3);
  EXPECT_EQ(both.levels.at(0).level.from, "evaluation.target of the scenario");
  EXPECT_EQ(figure(both, "time_to_accuracy_s").metric.title, "time to 30 %");
  EXPECT_EQ(figure(both, "time_to_accuracy_s").groups[1].mean, 2);
  EXPECT_EQ(figure(both, "energy_to_accuracy_j").groups[1].mean, 20);

  // Adding a run that does not reach the level leaves the level unchanged.
  const Comparison three = compare(cases_of(std::vector{good, slow, poor}), "");
  EXPECT_EQ(three.levels.at(0).level.accuracy, 0.3);
  EXPECT_EQ(figure(three, "time_to_accuracy_s").groups[1].mean, 2);
  EXPECT_EQ(figure(three, "time_to_accuracy_s").groups[2].mean, std::nullopt);
  EXPECT_EQ(three.levels.at(0).runs, 2U);
  EXPECT_EQ(three.runs, 3U);

  const Comparison wanted = compare(cases_of(std::vector{good, slow, other}, {0.5}), "");
  EXPECT_EQ(wanted.levels.at(0).level.from, "--target");
  EXPECT_EQ(figure(wanted, "time_to_accuracy_s").metric.title, "time to 50 %");
  EXPECT_EQ(figure(wanted, "time_to_accuracy_s").groups[0].mean, 2);
  EXPECT_EQ(figure(wanted, "time_to_accuracy_s").groups[1].mean, 3);

  const Comparison differ = compare(cases_of(std::vector{good, other}), "");
  EXPECT_EQ(differ.levels.at(0).level.accuracy, 0.9);
  EXPECT_THAT(differ.levels.at(0).level.from, HasSubstr("their targets differ"));
  EXPECT_EQ(compare(cases_of(std::vector{good, learned("none", {}, std::nullopt)}), "")
                .levels.at(0)
                .level.accuracy,
            0.3);
  EXPECT_EQ(
      compare(cases_of(std::vector{poor, learned("none", {}, std::nullopt)}), "").levels.size(),
      0U);
}

TEST(Comparison, PointsOfSweepsAreTimedToTheSameLevelAsRuns) {
  SweepResults sweep;
  sweep.folder = "runs/s";
  sweep.index.keys = {"schedule.kind"};
  const std::vector<RunSummary> runs = {learned("good", {0.1, 0.3, 0.6, 0.9}, 0.3),
                                        learned("slow", {0.1, 0.2, 0.3, 0.5}, 0.3)};
  for (const RunSummary& run : runs) {
    sweep.index.points.push_back({{run.folder}, run.folder});
    sweep.points.push_back(
        {PointStatus::done, "", "1", {{"virtual_time_s", 3.0}}, run.curve, run.target});
  }
  for (const std::vector<double>& wanted : {std::vector<double>(), std::vector{0.6}}) {
    const Comparison of_sweep = compare(cases_of(std::vector{sweep}, wanted), "");
    const Comparison of_runs = compare(cases_of(runs, wanted), "");
    EXPECT_EQ(of_sweep.levels.at(0).level.accuracy, of_runs.levels.at(0).level.accuracy);
    for (const char* key : {"time_to_accuracy_s", "energy_to_accuracy_j"}) {
      EXPECT_EQ(figure(of_sweep, key).metric.title, figure(of_runs, key).metric.title);
      for (std::size_t g = 0; g < 2; ++g) {
        EXPECT_EQ(figure(of_sweep, key).groups[g].mean, figure(of_runs, key).groups[g].mean) << key;
      }
    }
  }
  // A new level removes the metrics of the old level.
  std::vector<SweepResults> all = {sweep};
  set_levels(all, {0.3});
  const auto ids = [&all] {
    std::vector<std::string> found;
    for (const Metric& metric : all[0].metrics) found.push_back(metric.id());
    return found;
  };
  EXPECT_THAT(ids(), ElementsAre("virtual_time_s", "time_to_accuracy_s@0.3",
                                 "energy_to_accuracy_j@0.3", "energy_time_to_accuracy_js@0.3"))
      << "no bytes are known";
  set_levels(all, {0.95});
  EXPECT_THAT(ids(), ElementsAre("virtual_time_s")) << "nobody reaches it";
  for (const SweepPoint& point : all[0].points) {
    EXPECT_THAT(point.values, ElementsAre(testing::Pair("virtual_time_s", 3.0)));
  }
}

// --- metrics ------------------------------------------------------------------------------------

TEST(Comparison, EachOfSeveralTargetsHasItsOwnMetrics) {
  const RunSummary good = learned("good", {0.1, 0.3, 0.6, 0.9}, 0.3);
  const RunSummary slow = learned("slow", {0.1, 0.2, 0.3, 0.5}, 0.3);
  const Comparison c = compare(cases_of(std::vector{good, slow}, {0.6, 0.3, 0.6}), "");
  ASSERT_EQ(c.levels.size(), 2U) << "ascending, each once";
  EXPECT_EQ(c.levels[0].level.accuracy, 0.3);
  EXPECT_EQ(c.levels[0].runs, 2U);
  EXPECT_EQ(c.levels[1].runs, 1U);
  const auto mean = [&c](const std::string& id, std::size_t group) {
    for (const ComparedMetric& one : c.metrics) {
      if (one.metric.id() == id) return one.groups.at(group).mean;
    }
    return std::optional<double>();
  };
  EXPECT_EQ(mean("time_to_accuracy_s@0.3", 0), 1);
  EXPECT_EQ(mean("time_to_accuracy_s@0.6", 0), 2);
  EXPECT_EQ(mean("time_to_accuracy_s@0.3", 1), 2);
  EXPECT_EQ(mean("time_to_accuracy_s@0.6", 1), std::nullopt);
  EXPECT_EQ(mean("energy_time_to_accuracy_js@0.3", 1), 2 * 20) << "2 s and 20 J";
}

TEST(Comparison, MetricsThatFollowFromOthers) {
  RunFigures run;
  run.virtual_time_s = 20;
  run.samples = 500;
  run.bytes_down = 30;
  run.bytes_up = 12;
  MetricValues values = values_of(run);
  EXPECT_EQ(values.at("bytes"), 42);
  EXPECT_FALSE(values.contains("energy_time_js")) << "its energy is not known";
  run.energy_j = 100;
  run.energy_server_j = 1000;
  values = values_of(run);
  EXPECT_EQ(values.at("energy_time_js"), 2000) << "the workers' alone";
  EXPECT_EQ(values.at("samples_per_j"), 5);
  run.energy_j = 0;
  EXPECT_FALSE(values_of(run).contains("samples_per_j")) << "it is not finite";
  // All that a run has is in the list.
  std::vector<std::string> keys;
  for (const Metric& metric : run_metrics()) keys.push_back(metric.key);
  for (const auto& [id, value] : values) EXPECT_THAT(keys, testing::Contains(id));
}

TEST(Comparison, MetricsAreChosenByKeyTitleOrPart) {
  std::vector<Metric> all = run_metrics();
  for (const double accuracy : {0.8, 0.9}) {
    std::ranges::move(metrics_to({accuracy, "--target"}), std::back_inserter(all));
  }
  const auto ids = [&all](const std::vector<std::string>& wanted) {
    std::vector<std::string> found;
    for (const Metric& metric : chosen(all, wanted)) found.push_back(metric.id());
    return found;
  };
  EXPECT_THAT(ids({"accuracy", "energy_j"}), ElementsAre("accuracy", "energy_j"));
  EXPECT_THAT(ids({"time_to_accuracy_s"}),
              ElementsAre("time_to_accuracy_s@0.8", "time_to_accuracy_s@0.9"));
  EXPECT_THAT(ids({"time"}), ElementsAre("time_to_accuracy_s@0.8", "time_to_accuracy_s@0.9"))
      << "what begins so, before what has it inside";
  EXPECT_THAT(ids({"server"}), ElementsAre("energy_server_j", "energy_server_to_accuracy_j@0.8",
                                           "energy_server_to_accuracy_j@0.9"));
  EXPECT_THAT(ids({"updates", "updates", "tasks"}), ElementsAre("tasks")) << "each once";
  EXPECT_EQ(ids({"all"}).size(), all.size());
  EXPECT_THAT(ids({}), testing::Not(testing::Contains("bytes_up"))) << "the usual ones";
  try {
    ids({"enregy_j"});
    ADD_FAILURE();
  } catch (const base::UserError& e) {
    EXPECT_THAT(e.what(), HasSubstr("did you mean \"energy_j\"?"));
  }
}

// --- bands --------------------------------------------------------------------------------------

const Band& band_of(const std::vector<Band>& bands, const std::string& group, BandAxis x,
                    BandValue y) {
  const auto found = std::ranges::find_if(
      bands, [&](const Band& b) { return b.group == group && b.x == x && b.y == y; });
  if (found == bands.end()) throw std::runtime_error("no such band");
  return *found;
}

TEST(Bands, AreMeansOverTheRunsOfAGroupWithStudentsInterval) {
  const auto run = [](const std::string& seed, const std::vector<double>& accuracies) {
    Case one{"g", "r" + seed, "fedavg", seed, {}, {}};
    for (std::size_t i = 0; i < accuracies.size(); ++i) {
      CurvePoint& point = one.curve.emplace_back();
      point.time_s = static_cast<double>(i);
      point.accuracy = accuracies[i];
      point.updates = 10.0 * static_cast<double>(i);
    }
    return one;
  };
  Cases cases;
  cases.all = {run("1", {0.1, 0.3, 0.5}), run("2", {0.1, 0.5, 0.7, 0.9}),
               run("3", {0.1, 0.4, 0.6, 0.8})};
  const std::vector<Band> bands = bands_of(cases, 5);
  ASSERT_EQ(bands.size(), 2U) << "over time and updates; no bytes, energy or loss is known";
  const Band& time = band_of(bands, "g", BandAxis::time_s, BandValue::accuracy);
  EXPECT_EQ(time.runs, 3U);
  EXPECT_EQ(time.schedule, "fedavg");
  // To where the first run ends; an evaluation holds until the next.
  EXPECT_THAT(time.at, ElementsAre(0, 0.5, 1, 1.5, 2));
  EXPECT_THAT(time.mean,
              ElementsAre(DoubleNear(0.1, 1e-12), DoubleNear(0.1, 1e-12), DoubleNear(0.4, 1e-12),
                          DoubleNear(0.4, 1e-12), DoubleNear(0.6, 1e-12)));
  const Interval interval = student_interval({0.3, 0.5, 0.4});
  EXPECT_EQ(time.low.at(2), interval.low);
  EXPECT_EQ(time.high.at(2), interval.high);
  EXPECT_EQ(time.low.at(0), 0.1) << "equal values";
  EXPECT_EQ(band_of(bands, "g", BandAxis::updates, BandValue::accuracy).at.back(), 20);
}

TEST(Bands, OfOneRunAreItsEvaluationsWithoutInterval) {
  const RunSummary one = learned("one", std::vector<double>(1000, 0.5), {});
  const std::vector<Band> bands = bands_of(cases_of(std::vector{one}), 100);
  const Band& time = band_of(bands, "one", BandAxis::time_s, BandValue::accuracy);
  EXPECT_LE(time.at.size(), 100U);
  EXPECT_EQ(time.at.back(), 999) << "the last one is there";
  EXPECT_EQ(time.low.front(), std::nullopt);
  EXPECT_EQ(band_of(bands, "one", BandAxis::energy_j, BandValue::accuracy).at.back(), 9990);
}

TEST(Comparison, GroupsAreNamedInTheirOrder) {
  const RunSummary a = learned("a", {0.1, 0.3}, {});
  const RunSummary b = learned("b", {0.1, 0.4}, {});
  Cases cases = cases_of(std::vector{a, b});
  name_groups(cases, {"first", "second"});
  EXPECT_EQ(compare(cases, "second").baseline, 1U);
  EXPECT_EQ(compare(cases, "").groups[0].label, "first");
  try {
    name_groups(cases, {"first"});
    ADD_FAILURE();
  } catch (const base::UserError& e) {
    EXPECT_THAT(e.what(), HasSubstr("1 name for 2 groups, which are first and second"));
  }
}

}  // namespace
}  // namespace convoy::analysis
