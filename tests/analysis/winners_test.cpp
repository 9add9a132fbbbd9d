// Tests who wins in which cell of a sweep, with results made by hand.

#include "analysis/winners.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <numeric>

#include "analysis/json.hpp"
#include "base/diagnostics.hpp"

namespace convoy::analysis {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A sweep whose points are added one by one.
class Made {
 public:
  explicit Made(std::vector<std::string> keys) { sweep_.index.keys = std::move(keys); }

  // The last setting is the seed if the last key is.
  SweepPoint& add(std::vector<std::string> settings, MetricValues values) {
    SweepPoint point;
    point.status = PointStatus::done;
    point.seed = sweep_.index.keys.back() == "seed" ? settings.back() : "1";
    point.values = std::move(values);
    const std::string hash = fmt::format("h{}", sweep_.points.size());
    sweep_.index.points.push_back({std::move(settings), hash});
    sweep_.points.push_back(std::move(point));
    return sweep_.points.back();
  }
  void add_time(const std::string& kind, const std::string& seed, double time_s) {
    add({kind, seed}, {{"virtual_time_s", time_s}});
  }
  // In which the run reaches 100 % of accuracy at this time, after two evaluations.
  void learn(const std::string& kind, const std::string& seed, std::optional<double> at_s) {
    SweepPoint& point = add({kind, seed}, {});
    point.curve.push_back({});
    point.curve.back().accuracy = 0.1;
    if (!at_s) return;
    point.curve.push_back({});
    point.curve.back().time_s = *at_s;
    point.curve.back().energy_j = 10 * *at_s;
    point.curve.back().accuracy = 1;
  }
  void fail(std::vector<std::string> settings, const std::string& cause) {
    SweepPoint& point = add(std::move(settings), {});
    point = {};
    point.status = PointStatus::failed;
    point.cause = cause;
  }
  void miss(std::vector<std::string> settings) { add(std::move(settings), {}) = {}; }

  // `target`: the level; 0: none.
  [[nodiscard]] std::vector<SweepResults> results(double target = 0) const {
    std::vector<SweepResults> all = {sweep_};
    all[0].folder = "runs/s";
    set_levels(all, target > 0 ? std::vector{target} : std::vector<double>{});
    return all;
  }
  [[nodiscard]] WinnersMap map(double target = 0, const WinnersChoice& choice = {}) const {
    return winners_of(results(target), choice);
  }
  [[nodiscard]] std::string error(const WinnersChoice& choice) const {
    try {
      static_cast<void>(map(0, choice));
    } catch (const base::UserError& e) {
      return e.what();
    }
    return "";
  }
  SweepResults& raw() { return sweep_; }

 private:
  SweepResults sweep_;
};

const std::vector<std::string> plain = {"schedule.kind", "seed"};

std::string mark(const WinnersMap& map, std::size_t cell = 0, std::size_t metric = 0) {
  return mark_text(map, map.cells.at(cell), metric);
}

// --- the verdict --------------------------------------------------------------------------------

TEST(Winners, TheBestMeanWinsAndTheLeadIsClearIfTheIntervalExcludes0) {
  Made made(plain);
  for (int seed = 1; seed <= 3; ++seed) {
    made.add_time("fedavg", std::to_string(seed), 20 + seed);
    made.add_time("cos2p", std::to_string(seed), 10 + seed + 0.1 * (seed == 2));
    made.add_time("slow", std::to_string(seed), 100);
  }
  const WinnersMap map = made.map();
  ASSERT_EQ(map.cells.size(), 1);
  EXPECT_THAT(map.contest, ElementsAre("schedule.kind"));
  EXPECT_EQ(label_of(map, map.cells[0]), "all points");
  const Verdict& verdict = map.cells[0].verdicts.at(0);
  EXPECT_EQ(map.metrics[0].key, "virtual_time_s");
  EXPECT_EQ(verdict.decision, Decision::mean);
  EXPECT_EQ(map.contestants[verdict.winner.value()].label, "cos2p");
  EXPECT_EQ(map.contestants[verdict.runner_up.value()].label, "fedavg");
  const double mean = (11 + 12.1 + 13) / 3;
  EXPECT_DOUBLE_EQ(verdict.ratio.value(), 22 / mean);
  EXPECT_DOUBLE_EQ(verdict.difference.value(), mean - 22);
  EXPECT_EQ(verdict.pairs, 3);
  // Differences -10, -9.9, -10: s / sqrt 3 = 0.0333333; t(0.975, 2) = 4.302653.
  EXPECT_NEAR(verdict.paired->low.value(), -9.966667 - 0.143422, 1e-5);
  EXPECT_NEAR(verdict.paired->high.value(), -9.966667 + 0.143422, 1e-5);
  EXPECT_EQ(verdict.clear, true);
  EXPECT_EQ(lead_text(map.metrics[0], verdict), "1.83x less");
  EXPECT_EQ(mark(map), "clear");
}

TEST(Winners, ALeadWithinTheSpreadIsNotClear) {
  Made made(plain);
  const double faster[] = {3, -2, 1};
  for (int seed = 0; seed < 3; ++seed) {
    made.add_time("fedavg", std::to_string(seed), 20);
    made.add_time("cos2p", std::to_string(seed), 20 - faster[seed]);
  }
  const WinnersMap map = made.map();
  const Verdict& verdict = map.cells[0].verdicts[0];
  EXPECT_EQ(verdict.winner, 1);
  EXPECT_EQ(verdict.clear, false);
  EXPECT_LT(verdict.paired->low.value(), 0);
  EXPECT_GT(verdict.paired->high.value(), 0);
  EXPECT_EQ(mark(map), "within the seeds' spread");
}

TEST(Winners, OneSeedHasNoInterval) {
  Made made(plain);
  made.add_time("fedavg", "1", 20);
  made.add_time("cos2p", "1", 10);
  const WinnersMap map = made.map();
  EXPECT_EQ(map.cells[0].verdicts[0].winner, 1);
  EXPECT_EQ(map.cells[0].verdicts[0].clear, std::nullopt);
  EXPECT_EQ(mark(map), "one seed");
}

TEST(Winners, RunsOfOtherSeedsAreNotPaired) {
  Made made(plain);
  for (const char* seed : {"1", "2"}) made.add_time("fedavg", seed, 20);
  for (const char* seed : {"3", "4"}) made.add_time("cos2p", seed, 10);
  const WinnersMap map = made.map();
  EXPECT_EQ(map.cells[0].verdicts[0].winner, 1);
  EXPECT_EQ(map.cells[0].verdicts[0].pairs, 0);
  EXPECT_EQ(mark(map), "no equal seeds");
}

TEST(Winners, EqualMeansAreATie) {
  Made made(plain);
  made.add_time("fedavg", "1", 0.1 + 0.2);
  made.add_time("cos2p", "1", 0.3);  // differs by rounding alone
  made.add_time("slow", "1", 4);
  const WinnersMap map = made.map();
  const Verdict& verdict = map.cells[0].verdicts[0];
  EXPECT_EQ(verdict.decision, Decision::tie);
  EXPECT_EQ(verdict.winner, std::nullopt);
  EXPECT_EQ(mark(map), "fedavg and cos2p are equal");
  EXPECT_EQ(lead_text(map.metrics[0], verdict), "");
}

TEST(Winners, OfASharedWorkMoreMayBeBetter) {
  Made made(plain);
  for (const char* seed : {"1", "2"}) {
    const double extra = seed[0] == '1' ? 0.001 : 0;
    made.add({"fedavg", seed}, {{"accuracy", 0.7}, {"samples_per_j", 3}});
    made.add({"cos2p", seed}, {{"accuracy", 0.721 + extra}, {"samples_per_j", 6}});
  }
  const WinnersMap map = made.map(0, {{}, {"accuracy", "samples_per_j"}});
  const Verdict& shares = map.cells[0].verdicts.at(0);
  EXPECT_EQ(shares.winner, 1);
  EXPECT_EQ(shares.ratio, std::nullopt);
  EXPECT_NEAR(shares.difference.value(), 0.0215, 1e-12);
  EXPECT_EQ(shares.clear, true);
  EXPECT_EQ(lead_text(map.metrics[0], shares), "2.2 points more");
  const Verdict& others = map.cells[0].verdicts.at(1);
  EXPECT_EQ(others.winner, 1);
  EXPECT_EQ(others.ratio, 2);
  EXPECT_EQ(lead_text(map.metrics[1], others), "2.00x more");
}

TEST(Winners, ASmallLeadIsNotWrittenAsNone) {
  const Metric metric = run_metrics()[0];
  Verdict verdict;
  for (const auto& [ratio, text] :
       {std::pair{1.42, "1.42x less"}, {1.0012, "1.0012x less"}, {140.4, "140x less"}}) {
    verdict.ratio = ratio;
    EXPECT_EQ(lead_text(metric, verdict), text);
  }
}

// --- who does not have all values ---------------------------------------------------------------

TEST(Winners, WhoDoesNotAlwaysReachTheTargetLosesToWhoDoes) {
  Made made(plain);
  made.learn("fedavg", "1", 100);
  made.learn("fedavg", "2", 120);
  made.learn("cos2p", "1", 5);
  made.learn("cos2p", "2", std::nullopt);
  const WinnersMap map = made.map(0.8);
  ASSERT_EQ(map.metrics.size(), 2);
  EXPECT_EQ(map.metrics[0].id(), "time_to_accuracy_s@0.8");
  EXPECT_EQ(map.metrics[1].id(), "energy_to_accuracy_j@0.8");
  for (const Verdict& verdict : map.cells[0].verdicts) {
    EXPECT_EQ(verdict.decision, Decision::reach);
    EXPECT_EQ(verdict.winner, 0);
    EXPECT_EQ(verdict.runner_up, 1);
    EXPECT_EQ(verdict.ratio, std::nullopt) << "of other seeds";
    EXPECT_EQ(verdict.clear, std::nullopt);
  }
  EXPECT_EQ(mark(map), "2 of 2 seeds reach it; of cos2p 1 of 2");
  EXPECT_EQ(map.cells[0].verdicts[0].standings[1].mean, 5);
}

TEST(Winners, ThePartialOnesAreNoLeadersAmongThemselves) {
  Made made(plain);
  for (const char* kind : {"fedavg", "cos2p", "never"}) {
    made.learn(kind, "1", kind[0] == 'n' ? std::nullopt : std::optional(9.0));
    made.learn(kind, "2", std::nullopt);
  }
  WinnersMap map = made.map(0.8);
  EXPECT_EQ(map.cells[0].verdicts[0].decision, Decision::none);
  EXPECT_EQ(mark(map), "nobody reaches it with all seeds: 1 of 2 each of fedavg and cos2p");
  map = made.map(1);
  EXPECT_EQ(map.cells[0].verdicts[0].winner, std::nullopt);
}

TEST(Winners, NobodyReachesIt) {
  Made made(plain);
  made.learn("fedavg", "1", std::nullopt);
  made.learn("cos2p", "1", std::nullopt);
  const WinnersMap map = made.map(0.8);
  EXPECT_EQ(map.cells[0].verdicts[0].winner, std::nullopt);
  EXPECT_EQ(mark(map), "nobody reaches 80 %");
}

TEST(Winners, FailedAndMissingPointsAreNamed) {
  Made made(plain);
  made.add_time("fedavg", "1", 100);
  made.add_time("fedavg", "2", 100);
  made.add_time("cos2p", "1", 1);
  made.fail({"cos2p", "2"}, "node a does not fit");
  made.miss({"fedasync", "1"});
  made.add_time("fedasync", "2", 1);
  const WinnersMap map = made.map();
  EXPECT_EQ(map.cells[0].verdicts[0].winner, 0);
  EXPECT_EQ(trouble_text(map.cells[0].entrants[0]), "");
  EXPECT_EQ(trouble_text(map.cells[0].entrants[1]), "1 of 2 points failed: node a does not fit");
  EXPECT_EQ(trouble_text(map.cells[0].entrants[2]), "1 of 2 points are not done");
  EXPECT_EQ(mark(map), "2 of 2 seeds have it; of cos2p 1 of 2");
}

TEST(Winners, ARunInWhichNothingCameToItsEndDoesNotWinByItsLowCosts) {
  Made made(plain);
  for (const char* seed : {"1", "2"}) {
    made.add({"fedavg", seed}, {{"energy_j", 50}, {"tasks", 10}, {"tasks_failed", 2}});
    SweepPoint& lost =
        made.add({"cos2p", seed}, {{"energy_j", 1}, {"tasks", 0}, {"tasks_failed", 9}});
    lost.failures = {{"node_lost", 1}, {"out_of_memory", 8}};
    SweepPoint& mostly =
        made.add({"half", seed}, {{"energy_j", 90}, {"tasks", 3}, {"tasks_failed", 9}});
    mostly.failures = {{"out_of_memory", 9}};
  }
  const WinnersMap map = made.map();
  const Cell& cell = map.cells[0];
  EXPECT_EQ(cell.verdicts[0].winner, 0);
  EXPECT_EQ(cell.verdicts[0].runner_up, 2);
  EXPECT_EQ(cell.verdicts[0].standings[1].values, 0);
  EXPECT_EQ(cell.entrants[1].fruitless, 2);
  EXPECT_EQ(trouble_text(cell.entrants[0]), "") << "most of its work was done";
  EXPECT_EQ(trouble_text(cell.entrants[1]),
            "no node update came to its end in all 2 points (out of memory)");
  EXPECT_EQ(trouble_text(cell.entrants[2]),
            "most node updates failed in all 2 points (out of memory)");
}

TEST(Winners, WhyNobodyWins) {
  Made made({"schedule.kind", "batch", "seed"});
  for (const char* kind : {"fedavg", "cos2p"}) {
    made.miss({kind, "1", "1"});
    made.fail({kind, "2", "1"}, "too large");
    SweepPoint& lost = made.add({kind, "3", "1"}, {{"tasks", 0}, {"tasks_failed", 4}});
    lost.failures = {{"out_of_memory", 4}};
    made.add({kind, "4", "1"}, {{"virtual_time_s", 4}, {"tasks", 4}, {"tasks_failed", 0}});
    made.add({kind, "5", "1"}, {{"tasks", 4}, {"tasks_failed", 0}});
  }
  made.raw().points.back().values["virtual_time_s"] = 7;  // of cos2p alone
  const WinnersMap map = made.map(0, {{}, {"virtual_time_s"}});
  ASSERT_EQ(map.cells.size(), 5);
  EXPECT_EQ(mark(map, 0), "all 2 points are not done");
  EXPECT_EQ(mark(map, 1), "all 2 points failed: too large");
  EXPECT_EQ(mark(map, 2), "no node update came to its end in all 2 points (out of memory)");
  EXPECT_EQ(mark(map, 3), "fedavg and cos2p are equal");
  EXPECT_EQ(mark(map, 4), "no other does: 1 of 1 seeds have it");
  EXPECT_EQ(map.cells[4].verdicts[0].decision, Decision::alone);
  EXPECT_EQ(label_of(map, map.cells[4]), "batch=5");
}

TEST(Winners, OfASweepInWhichAllPointsFailedTheCellsSayWhy) {
  Made made(plain);
  made.fail({"fedavg", "1"}, "out of disk");
  made.fail({"cos2p", "1"}, "out of disk");
  const WinnersMap map = made.map();
  ASSERT_EQ(map.metrics.size(), 1);
  EXPECT_EQ(mark(map), "all 2 points failed: out of disk");
}

// --- contest and cells --------------------------------------------------------------------------

TEST(Winners, AllOtherAxesMakeTheCells) {
  Made made({"fleet.link", "schedule.kind", "model.depth", "training.batch", "seed"});
  for (const char* link : {"lte", "wifi5"}) {
    for (const char* kind : {"fedavg", "cos2p"}) {
      for (const char* batch : {"8", "16"}) {
        // cos2p is faster over LTE only.
        const double time = (link[0] == 'l') == (kind[0] == 'c') ? 10 : 20;
        made.add({link, kind, "4", batch, "1"}, {{"virtual_time_s", time}});
      }
    }
  }
  WinnersMap map = made.map();
  EXPECT_THAT(map.keys, ElementsAre("fleet.link", "training.batch")) << "depth has one value";
  ASSERT_EQ(map.cells.size(), 4);
  EXPECT_EQ(label_of(map, map.cells[0]), "link=lte, batch=8");
  for (const Cell& cell : map.cells) {
    EXPECT_EQ(map.contestants[cell.verdicts[0].winner.value()].label,
              cell.settings[0] == "lte" ? "cos2p" : "fedavg");
  }
  // Another contest, by short and by whole names.
  for (const char* name : {"link", "fleet.link"}) {
    map = made.map(0, {{name}, {}});
    EXPECT_THAT(map.contest, ElementsAre("fleet.link"));
    EXPECT_THAT(map.keys, ElementsAre("schedule.kind", "training.batch"));
  }
  map = made.map(0, {{"kind", "batch"}, {}});
  ASSERT_EQ(map.contestants.size(), 4);
  EXPECT_EQ(map.contestants[0].label, "kind=fedavg, batch=8");
  EXPECT_EQ(map.cells.size(), 2);
  EXPECT_THAT(contest_axes(made.results()[0]),
              ElementsAre("schedule.kind", "fleet.link", "training.batch"));
}

TEST(Winners, ZippedAxesGoWithTheContest) {
  Made made({"schedule.kind", "schedule.rounds", "fleet.link", "seed"});
  for (const char* link : {"lte", "wifi5"}) {
    made.add({"fedavg", "10", link, "1"}, {{"virtual_time_s", 1}});
    made.add({"cos2p", "20", link, "1"}, {{"virtual_time_s", 2}});
    made.add({"tiers", "20", link, "1"}, {{"virtual_time_s", 3}});
  }
  WinnersMap map = made.map();
  EXPECT_THAT(map.along, ElementsAre("schedule.rounds"));
  EXPECT_THAT(map.keys, ElementsAre("fleet.link"));
  EXPECT_EQ(map.cells.size(), 2);
  // Rounds do not determine the kind: with 20 rounds there are two.
  map = made.map(0, {{"rounds"}, {}});
  EXPECT_THAT(map.along, IsEmpty());
  EXPECT_EQ(map.cells.size(), 6);
  EXPECT_EQ(mark(map), "the only one here: 1 of 1 seeds have it");
}

TEST(Winners, OfZippedAxesOfTheCellsOneNamesThem) {
  Made made({"fleet.nodes.0.link", "fleet.nodes.1.link", "data.alpha", "schedule.kind"});
  for (const std::string link : {"wifi6", "lte"}) {
    for (const std::string alpha : {"0.3", "1"}) {
      made.add({link, link, alpha, "fedavg"}, {{"virtual_time_s", 2}});
      made.add({link, link, alpha, "cos2p"}, {{"virtual_time_s", 1}});
    }
  }
  const WinnersMap map = made.map();
  EXPECT_THAT(map.keys, ElementsAre("fleet.nodes.0.link", "data.alpha"));
  EXPECT_EQ(map.cells.size(), 4U);
}

TEST(Winners, TheOnlyAxisIsTheContest) {
  Made made({"training.batch", "seed"});
  made.add_time("8", "1", 5);
  made.add_time("16", "1", 4);
  EXPECT_THAT(made.map().contest, ElementsAre("training.batch"));
}

TEST(Winners, ErrorsSayWhatToDo) {
  Made made({"fleet.link", "training.batch", "schedule.kind", "seed"});
  for (const char* link : {"lte", "wifi5"}) {
    for (const char* batch : {"8", "16"}) {
      made.add({link, batch, "fedavg", "1"}, {{"virtual_time_s", 4}, {"tasks", 3}});
    }
  }
  EXPECT_THAT(made.error({}), HasSubstr("which axis is the contest?"));
  EXPECT_THAT(made.error({}), HasSubstr("fleet.link and training.batch"));
  EXPECT_THAT(made.error({{"lnik"}, {}}), HasSubstr("did you mean \"link\"?"));
  EXPECT_THAT(made.error({{"kind"}, {}}), HasSubstr("one contestant only: kind=fedavg"));
  EXPECT_THAT(made.error({{"seed"}, {}}), HasSubstr("seeds are no contestants"));
  EXPECT_THAT(made.error({{"link"}, {"tasks"}}), HasSubstr("nobody wins by it"));
  EXPECT_THAT(made.error({{"link"}, {"tims"}}), HasSubstr("no metric"));
  EXPECT_EQ(made.error({{"link"}, {"all"}}), "");
  Made alone({"schedule.kind", "seed"});
  alone.add_time("fedavg", "1", 4);
  EXPECT_THAT(alone.error({}), HasSubstr("one contestant"));
}

TEST(Winners, SeveralSweepsNeedTheSameAxesAndKeepTheirCells) {
  Made made(plain);
  made.add_time("fedavg", "1", 5);
  made.add_time("cos2p", "1", 4);
  std::vector<SweepResults> sweeps = {made.results()[0], made.results()[0]};
  sweeps[1].folder = "runs/t";
  sweeps[1].points[1].values["virtual_time_s"] = 9;
  const WinnersMap map = winners_of(sweeps, {});
  EXPECT_THAT(map.keys, ElementsAre("sweep"));
  ASSERT_EQ(map.cells.size(), 2);
  EXPECT_EQ(map.cells[0].verdicts[0].winner, 1);
  EXPECT_EQ(map.cells[1].verdicts[0].winner, 0);
  EXPECT_EQ(label_of(map, map.cells[1]), "sweep=runs/t");
  Made other({"training.batch", "seed"});
  other.add_time("8", "1", 5);
  sweeps[1] = other.results()[0];
  sweeps[1].folder = "runs/t";
  try {
    winners_of(sweeps, {});
    FAIL();
  } catch (const base::UserError& e) {
    EXPECT_THAT(e.what(), HasSubstr("runs/s and runs/t: have different axes"));
    EXPECT_THAT(e.what(), HasSubstr("training.batch and schedule.kind"));
  }
}

TEST(Winners, TheJsonHasWhatThePageShows) {
  Made made({"schedule.kind", "fleet.link", "seed"});
  for (const char* seed : {"1", "2"}) {
    made.add({"fedavg", "lte", seed}, {{"virtual_time_s", 20}});
    made.add({"cos2p", "lte", seed}, {{"virtual_time_s", 10}});
    made.miss({"fedavg", "wifi5", seed});
    made.miss({"cos2p", "wifi5", seed});
  }
  const Json json = to_json(made.map());
  EXPECT_EQ(json["keys"], Json({"fleet.link"}));
  EXPECT_EQ(json["names"], Json({"link"}));
  EXPECT_EQ(json["cells"][1]["settings"], Json({"wifi5"}));
  EXPECT_EQ(json["cells"][1]["verdicts"][0]["winner"], nullptr);
  EXPECT_EQ(json["contestants"][1]["label"], "cos2p");
  const Json& verdict = json["cells"][0]["verdicts"][0];
  EXPECT_EQ(verdict["winner"], 1);
  EXPECT_EQ(verdict["ratio"], 2);
  EXPECT_EQ(verdict["low"], -10);
  EXPECT_EQ(verdict["clear"], true);
  EXPECT_EQ(verdict["lead"], "2.00x less");
  EXPECT_EQ(verdict["mark"], "clear");
  EXPECT_EQ(verdict["means"], Json({20.0, 10.0}));
  EXPECT_EQ(json["cells"][0]["entrants"][0]["trouble"], "");
}

// --- whatever the order of the points -----------------------------------------------------------

// The winner of each cell, by names, so that the order of points does not count.
std::map<std::string, std::string> winners(const WinnersMap& map) {
  std::map<std::string, std::string> all;
  for (const Cell& cell : map.cells) {
    const auto& winner = cell.verdicts.at(0).winner;
    all[label_of(map, cell)] = winner ? map.contestants[*winner].label : "";
  }
  return all;
}

TEST(Winners, TheBestOfThoseWithAllValuesWinsInAnyOrderOfThePoints) {
  EXPECT_TRUE(rc::check([] {
    Made made({"schedule.kind", "fleet.link", "seed"});
    const int seeds = *rc::gen::inRange(1, 4);
    std::map<std::string, std::map<std::string, std::vector<double>>> values;  // by cell and kind
    for (const char* kind : {"a", "b", "c"}) {
      for (const char* link : {"x", "y"}) {
        for (int seed = 0; seed < seeds; ++seed) {
          const auto value = static_cast<double>(*rc::gen::inRange(1, 6));
          const bool has = *rc::gen::inRange(0, 6) > 0;
          const std::vector<std::string> settings = {kind, link, std::to_string(seed)};
          if (has) {
            values[fmt::format("link={}", link)][kind].push_back(value);
            made.add(settings, {{"virtual_time_s", value}});
          } else {
            made.fail(settings, "");
          }
        }
      }
    }
    const WinnersChoice choice{{}, {"virtual_time_s"}};
    if (made.results()[0].metrics.empty()) return;  // no value at all
    const auto found = winners(made.map(0, choice));
    for (const auto& [cell, kinds] : values) {
      std::map<double, int> full;  // sums of those that have all values
      double best_of_winner = 0;
      for (const auto& [kind, all] : kinds) {
        const double sum = std::accumulate(all.begin(), all.end(), 0.0);
        if (all.size() == static_cast<std::size_t>(seeds)) ++full[sum];
        if (kind == found.at(cell)) best_of_winner = sum;
      }
      if (full.empty()) continue;
      const bool tie = full.begin()->second > 1;
      RC_ASSERT(tie == found.at(cell).empty());
      if (!tie) RC_ASSERT(best_of_winner == full.begin()->first);
    }
    // Another order of the same points.
    Made mixed = made;
    SweepResults& raw = mixed.raw();
    for (std::size_t i = raw.points.size(); i-- > 1;) {
      const auto j = static_cast<std::size_t>(*rc::gen::inRange(0, static_cast<int>(i) + 1));
      std::swap(raw.points[i], raw.points[j]);
      std::swap(raw.index.points[i], raw.index.points[j]);
    }
    RC_ASSERT(winners(mixed.map(0, choice)) == found);
  }));
}

}  // namespace
}  // namespace convoy::analysis
