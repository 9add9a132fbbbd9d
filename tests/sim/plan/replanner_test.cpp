// When split plans are made anew, and when new cuts are worth their move: by hand.

#include "sim/plan/replanner.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/diagnostics.hpp"

namespace convoy::sim {
namespace {

using Why = Replanner::Cause;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Replanner, IsDueAfterAChange) {
  Replanner replanner({.change = 0.2});
  const std::vector<Condition> two = {{1, 100}, {2, 50}};
  EXPECT_EQ(replanner.due(0, two), Why::first);
  replanner.planned(0, two);
  EXPECT_EQ(replanner.due(1e9, two), Why::none);
  EXPECT_EQ(replanner.due(1, {{1.19, 100}, {1.61, 41}}), Why::none);
  EXPECT_EQ(replanner.due(1, {{1.21, 100}, {2, 50}}), Why::change);
  EXPECT_EQ(replanner.due(1, {{1, 100}, {1.59, 50}}), Why::change);
  EXPECT_EQ(replanner.due(1, {{1, 100}, {2, 39}}), Why::change);
  EXPECT_EQ(replanner.due(1, {{1, 100}, {0, 50}}), Why::devices);
  EXPECT_EQ(replanner.due(1, {{1, 100}}), Why::devices);
  // Small steps add up: what counts is the change since the plan.
  EXPECT_EQ(replanner.due(2, {{1.15, 100}, {2, 50}}), Why::none);
  EXPECT_EQ(replanner.due(3, {{1.3, 100}, {2, 50}}), Why::change);
  replanner.planned(3, {{1.3, 100}, {0, 50}});
  EXPECT_EQ(replanner.due(4, {{1.3, 100}, {0, 0}}), Why::none);
  EXPECT_EQ(replanner.due(4, {{1.3, 100}, {2, 50}}), Why::devices);
}

TEST(Replanner, IsDueAfterAPeriod) {
  Replanner replanner({.period_s = 60});
  constexpr double no_limit = std::numeric_limits<double>::infinity();
  const std::vector<Condition> one = {{1, no_limit}};
  replanner.planned(10, one);
  EXPECT_EQ(replanner.due(69, one), Why::none);
  EXPECT_EQ(replanner.due(70, one), Why::period);
  EXPECT_EQ(replanner.due(70, {{1, 100}}), Why::change);
}

// Cut 0: 1 s and 90 bytes; cut 1: `deep_s` and 10 bytes; 10 bytes/s; its part has 40 bytes more.
SplitProblem one_device(double deep_s) {
  return {.devices = {{.name = "a",
                       .cuts = {{.device_s = 1, .bytes = 90, .weight_bytes = 20},
                                {.device_s = deep_s, .bytes = 10, .weight_bytes = 60}}}},
          .bandwidth_bytes_per_s = 10};
}

TEST(Replanner, MovesWhereTheGainExceedsTheCost) {
  const SplitProblem p = one_device(8);  // 10 s against 9 s; the move takes 4 s
  const std::vector<std::size_t> present = {0};
  Replan decision = replan(p, present, {.horizon_rounds = 7, .factor = 1.5});
  EXPECT_TRUE(decision.moves);
  EXPECT_FALSE(decision.had_to);
  EXPECT_NEAR(decision.gain_s, 7, 1e-9);
  EXPECT_NEAR(decision.cost_s, 4, 1e-9);
  EXPECT_THAT(decision.plan.cuts, ElementsAre(1));
  decision = replan(p, present, {.horizon_rounds = 5, .factor = 1.5});
  EXPECT_FALSE(decision.moves);
  EXPECT_THAT(decision.plan.cuts, ElementsAre(0));
  EXPECT_NEAR(decision.plan.round_s, 10, 1e-9);
  EXPECT_TRUE(replan(p, present, {.horizon_rounds = 5, .factor = 1}).moves);
  // The best cut is the present one.
  const std::vector<std::size_t> best = {1};
  decision = replan(p, best, {});
  EXPECT_FALSE(decision.moves);
  EXPECT_NEAR(decision.gain_s, 0, 1e-9);
  EXPECT_EQ(decision.cost_s, 0);
}

// Two cuts that are nearly as good do not alternate while the speed swings.
TEST(Replanner, DoesNotSwing) {
  std::vector<std::size_t> cuts = {0};
  int moves = 0;
  for (int round = 0; round < 20; ++round) {
    const Replan decision = replan(one_device(round % 2 == 0 ? 8.8 : 9.2), cuts, {});
    cuts = decision.plan.cuts;
    moves += decision.moves ? 1 : 0;
  }
  EXPECT_EQ(moves, 0);  // 0.2 s for 10 rounds against 1.5 * 4 s
}

TEST(Replanner, MovesWhereTheCutsDoNotFitAnyMore) {
  SplitProblem p = one_device(100);
  p.devices[0].cuts[0].device_bytes = 10;
  p.devices[0].memory_bytes = 5;
  const std::vector<std::size_t> present = {0};
  const Replan decision = replan(p, present, {.horizon_rounds = 0});
  EXPECT_TRUE(decision.moves);
  EXPECT_TRUE(decision.had_to);
  EXPECT_THAT(decision.plan.cuts, ElementsAre(1));
}

TEST(Replanner, TheSlowestMoveCounts) {
  SplitProblem p = one_device(8);
  p.devices.push_back(p.devices[0]);
  p.devices[1].latency_s = 0.5;
  SplitPlan to;
  to.cuts = {1, 1};
  to.bandwidth_bytes_per_s = {2, 8};
  EXPECT_NEAR(cost_of_move(p, std::vector<std::size_t>{0, 0}, to), 20, 1e-12);
  EXPECT_NEAR(cost_of_move(p, std::vector<std::size_t>{1, 0}, to), 5.5, 1e-12);
  EXPECT_EQ(cost_of_move(p, std::vector<std::size_t>{1, 1}, to), 0);
  to.bandwidth_bytes_per_s = {2, 0};
  EXPECT_NEAR(cost_of_move(p, std::vector<std::size_t>{1, 0}, to), 4.5, 1e-12);
}

TEST(Replanner, Errors) {
  const auto says = [](const char* text) {
    return testing::ThrowsMessage<base::UserError>(HasSubstr(text));
  };
  EXPECT_THAT([] { Replanner({.change = 0}); }, says("change"));
  EXPECT_THAT([] { Replanner({.period_s = 0}); }, says("period"));
  EXPECT_THAT([] { require_valid({.horizon_rounds = -1}); }, says("horizon"));
  EXPECT_THAT([] { require_valid({.factor = 0.5}); }, says("factor"));
  EXPECT_THAT([] { replan(one_device(8), std::vector<std::size_t>{2}, {}); },
              says("device a has no cut 2"));
}

}  // namespace
}  // namespace convoy::sim
