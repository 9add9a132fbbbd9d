// PruneFL's reconfiguration: against what the authors' code answers, and against formulas worked
// out here.

#include "engine/model/pruning.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

namespace convoy::engine {
namespace {

using testing::ElementsAre;
using Flags = std::vector<std::uint8_t>;

nlohmann::json reference(const std::string& name) {
  const auto file = std::filesystem::path(CONVOY_SOURCE) / "../shared/data/references" / name;
  if (!std::filesystem::exists(file)) return {};
  return nlohmann::json::parse(std::ifstream(file));
}

// Q / T after so many of each layer's candidates.
double objective(double squares, double seconds, const std::vector<double>& each,
                 const std::vector<std::vector<double>>& candidates,
                 const std::vector<std::size_t>& taken) {
  for (std::size_t l = 0; l < taken.size(); ++l) {
    for (std::size_t i = 0; i < taken[l]; ++i) {
      squares += candidates[l][i];
      seconds += each[l];
    }
  }
  return squares / seconds;
}

TEST(Pruning, KeepsAgainWhatTheAuthorsCodeKeeps) {
  const nlohmann::json table = reference("prunefl_reconfiguration_vectors.json");
  if (table.is_null()) GTEST_SKIP() << "shared/data/references is not there";
  ASSERT_EQ(table.at("vectors").size(), 23);
  for (const nlohmann::json& v : table.at("vectors")) {
    const auto each = v.at("time_per_parameter").get<std::vector<double>>();
    const auto candidates = v.at("candidates").get<std::vector<std::vector<double>>>();
    const double squares = v.at("kept_squared_gradient");
    const double seconds = v.at("kept_time");
    const std::vector<std::size_t> taken = revive(squares, seconds, each, candidates);
    EXPECT_EQ(taken, v.at("added").get<std::vector<std::size_t>>());
    EXPECT_NEAR(objective(squares, seconds, each, candidates, taken), v.at("objective"), 1e-9);
  }
}

TEST(Pruning, EndsWhereAllCandidatesAreTaken) {
  const std::vector<double> each = {1, 2};
  EXPECT_THAT(revive(1, 10, each, {{9, 8, 7}, {40}}), ElementsAre(3, 1));
  EXPECT_THAT(revive(1, 10, each, {{}, {}}), ElementsAre(0, 0));
  // Strictly more than Q / T: what only keeps it as it is stays out.
  EXPECT_THAT(revive(20, 10, each, {{2}, {4}}), ElementsAre(0, 0));
  EXPECT_THAT(revive(20, 10, each, {{2.001}, {4}}), ElementsAre(1, 0));
  // Of equal gains the first layer's.
  EXPECT_THAT(revive(1, 10, each, {{8}, {16}}, 1), ElementsAre(1, 0));
  EXPECT_THAT(revive(1, 10, each, {{9, 8, 7}, {40}}, 2), ElementsAre(1, 1));
  EXPECT_THAT(revive(1, 10, each, {{9, 8, 7}, {40}}, 0), ElementsAre(0, 0));
  EXPECT_THAT(revive(1, 10, each, {{9, 8, 7}, {40}}, -3), ElementsAre(0, 0));
}

TEST(Pruning, RemovesTheSmallestKeptOnesStrictlyBelowTheThreshold) {
  const std::vector<float> weights = {-5, 1, -2, 3, 4, 0.5, 6, 7, 8, 9};
  const Flags all(10, 1);
  EXPECT_THAT(up_for_removal(weights, all, 0.3), ElementsAre(0, 1, 1, 0, 0, 1, 0, 0, 0, 0));
  EXPECT_THAT(up_for_removal(weights, all, 0.39), ElementsAre(0, 1, 1, 0, 0, 1, 0, 0, 0, 0));
  EXPECT_THAT(up_for_removal(weights, all, 0), testing::Each(0));
  // Of those that are kept: three of the seven left.
  const Flags kept = {1, 0, 0, 1, 1, 0, 1, 1, 1, 1};
  EXPECT_THAT(up_for_removal(weights, kept, 0.5), ElementsAre(1, 0, 0, 1, 1, 0, 0, 0, 0, 0));
  // Equal ones stay, even if that is all of them.
  const std::vector<float> equal = {2, 2, -2, 2};
  EXPECT_THAT(up_for_removal(equal, Flags(4, 1), 0.5), testing::Each(0));
  EXPECT_THAT(up_for_removal(equal, Flags(4, 0), 0.5), testing::Each(0));
}

struct Layers {
  std::vector<std::vector<float>> weights;
  std::vector<std::vector<double>> squares;
  std::vector<Flags> kept;
  std::vector<double> seconds;

  std::vector<PrunableLayer> views() {
    std::vector<PrunableLayer> all;
    for (std::size_t l = 0; l < weights.size(); ++l) {
      all.push_back({weights[l], squares[l], kept[l], seconds[l]});
    }
    return all;
  }
};

TEST(Pruning, ReconfiguresWhatCanBeFollowedByHand) {
  // Of six kept ones two are removed (1 and 2); Q = 12 + 3, T = 2 + 4 x 1: 2.5.
  Layers l{{{1, 2, 3, 4, 5, 6, 7}}, {{2, 7, 3, 3, 3, 3, 2.9}}, {{1, 1, 1, 1, 1, 1, 0}}, {1}};
  std::vector<PrunableLayer> views = l.views();
  const Reconfigured done = reconfigure(views, {.removal = 0.4, .rest_s = 2, .other_squares = 3});
  // 7 is kept again: 22 / 7 = 3.14, which 2.9, masked before, is below.
  EXPECT_THAT(l.kept[0], ElementsAre(0, 1, 1, 1, 1, 1, 0));
  EXPECT_EQ(done.removed, 2);
  EXPECT_EQ(done.revived, 1);
  EXPECT_EQ(done.kept, 5);
}

TEST(Pruning, KeepsNoMoreThanTheDensityAllows) {
  EXPECT_TRUE(rc::check([] {
    Layers l;
    const int layers = *rc::gen::inRange(1, 4);
    for (int i = 0; i < layers; ++i) {
      const auto n = static_cast<std::size_t>(*rc::gen::inRange(1, 40));
      const auto numbers = *rc::gen::container<std::vector<int>>(n, rc::gen::inRange(-20, 21));
      l.weights.emplace_back(numbers.begin(), numbers.end());
      const auto squares = *rc::gen::container<std::vector<int>>(n, rc::gen::inRange(0, 100));
      l.squares.emplace_back(squares.begin(), squares.end());
      const auto kept = *rc::gen::container<std::vector<int>>(n, rc::gen::inRange(0, 2));
      l.kept.emplace_back(kept.begin(), kept.end());
      l.seconds.push_back(*rc::gen::inRange(1, 10) / 8.0);
    }
    const Layers before = l;
    std::vector<PrunableLayer> views = l.views();
    const double density = *rc::gen::inRange(1, 11) / 10.0;
    const double removal = *rc::gen::inRange(0, 10) / 10.0;
    const Reconfigured done = reconfigure(
        views, {.removal = removal, .max_density = density, .rest_s = 1, .other_squares = 5});
    std::int64_t all = 0;
    std::int64_t had = 0;
    std::int64_t has = 0;
    for (std::size_t i = 0; i < l.kept.size(); ++i) {
      all += std::ssize(l.kept[i]);
      had += std::accumulate(before.kept[i].begin(), before.kept[i].end(), 0);
      has += std::accumulate(l.kept[i].begin(), l.kept[i].end(), 0);
    }
    RC_ASSERT(done.kept == has);
    RC_ASSERT(has == had - done.removed + done.revived);
    if (density < 1 && done.revived > 0) RC_ASSERT(has <= static_cast<std::int64_t>(density * all));
    // A layer's revived ones are those with its largest squares.
    for (std::size_t i = 0; i < l.kept.size(); ++i) {
      const Flags removed = up_for_removal(before.weights[i], before.kept[i], removal);
      double least = 1e9;
      double most = -1;
      for (std::size_t k = 0; k < l.kept[i].size(); ++k) {
        const bool candidate = before.kept[i][k] == 0 || removed[k] != 0;
        RC_ASSERT(candidate || l.kept[i][k] == 1);
        if (candidate && l.kept[i][k] == 1) least = std::min(least, l.squares[i][k]);
        if (candidate && l.kept[i][k] == 0) most = std::max(most, l.squares[i][k]);
      }
      RC_ASSERT(least >= most);
    }
  }));
}

TEST(Pruning, WhatNobodyCouldReconfigureIsRefused) {
  Layers l{{{1, 2}}, {{1, 1}}, {{1, 1}}, {0}};
  std::vector<PrunableLayer> views = l.views();
  EXPECT_THROW(reconfigure(views, {}), std::logic_error);
  l.seconds = {1};
  l.squares[0].pop_back();
  views = l.views();
  EXPECT_THROW(reconfigure(views, {}), std::logic_error);
}

TEST(Pruning, CostsTheServerMoreWithEachUpdate) {
  const StepCost one = reconfiguration_step(1e6, 1);
  const StepCost ten = reconfiguration_step(1e6, 10);
  double first = 0;
  double second = 0;
  for (const Kernel& k : one.kernels) first += k.bytes;
  for (const Kernel& k : ten.kernels) second += k.bytes;
  EXPECT_DOUBLE_EQ(second - first, 9 * 1e6 * (4 + 2 * 8));
  EXPECT_EQ(reconfiguration_memory(2e6), 2 * reconfiguration_memory(1e6));
}

}  // namespace
}  // namespace convoy::engine
