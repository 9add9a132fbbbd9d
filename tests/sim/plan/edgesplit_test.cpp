// Split plans against exhaustive search with solvers of the test's own, values by hand, errors.

#include "sim/plan/edgesplit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <numeric>
#include <set>

#include "base/diagnostics.hpp"
#include "sim/plan/alternation.hpp"
#include "sim/plan/baselines.hpp"
#include "tests/sim/plan/split_problems.hpp"

namespace convoy::sim {
namespace {

using split_problems::random_split;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr double infinity = std::numeric_limits<double>::infinity();

double sum_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

void expect_close(double a, double b, double relative) { EXPECT_NEAR(a / b, 1, relative); }

// What every plan promises: sums, limits, and times that follow from the shares.
void expect_sound(const SplitProblem& p, const SplitPlan& plan) {
  EXPECT_LE(sum_of(plan.bandwidth_bytes_per_s), p.bandwidth_bytes_per_s * (1 + 1e-12));
  if (p.server_is_shared) {
    EXPECT_LE(sum_of(plan.server_shares), 1 + 1e-12);
  }
  EXPECT_NEAR(sum_of(plan.sensitivity), 1, 1e-12);
  double longest = 0;
  double at_server = 0;
  for (std::size_t i = 0; i < p.devices.size(); ++i) {
    const Cut& cut = p.devices[i].cuts.at(plan.cuts[i]);
    EXPECT_LE(cut.device_bytes, p.devices[i].memory_bytes);
    EXPECT_LE(plan.bandwidth_bytes_per_s[i], p.devices[i].link_bytes_per_s * (1 + 1e-12));
    const double t = split_problems::fixed_of(p, i, plan.cuts[i], plan.server_shares[i]) +
                     cut.bytes / plan.bandwidth_bytes_per_s[i];
    expect_close(plan.times_s[i], t, 1e-12);
    longest = std::max(longest, t);
    at_server += cut.server_bytes;
  }
  EXPECT_LE(at_server, p.server_memory_bytes);
  expect_close(plan.round_s, longest, 1e-12);
  EXPECT_LE(plan.lower_bound_s, plan.round_s);
}

std::string error_of(const SplitProblem& problem, const HandMadeCuts& by_hand = {}) {
  try {
    plan_split(problem, by_hand);
  } catch (const base::UserError& error) {
    return error.what();
  }
  return "no error";
}

// Two devices, one cut each: 1 and 2 s, 10 bytes; 15 bytes/s.
SplitProblem two_devices() {
  return {.devices = {{.name = "a", .cuts = {{.device_s = 1, .bytes = 10}}},
                      {.name = "b", .cuts = {{.device_s = 2, .bytes = 10}}}},
          .bandwidth_bytes_per_s = 15};
}

TEST(EdgeSplit, SharesOfABandwidthByHand) {
  const SplitPlan plan = plan_split(two_devices());  // 10 / (3 - 1) + 10 / (3 - 2) = 15
  EXPECT_NEAR(plan.round_s, 3, 1e-12);
  EXPECT_NEAR(plan.bandwidth_bytes_per_s[0], 5, 1e-11);
  EXPECT_NEAR(plan.bandwidth_bytes_per_s[1], 10, 1e-11);
  EXPECT_NEAR(plan.sensitivity[0], 0.2, 1e-11);  // 10 / 2^2 against 10 / 1^2
  EXPECT_NEAR(plan.sensitivity[1], 0.8, 1e-11);
  EXPECT_EQ(plan.bottleneck, 1);
  EXPECT_TRUE(plan.is_optimal);
}

TEST(EdgeSplit, AnOwnLinkLimits) {
  SplitProblem problem = two_devices();
  problem.devices[0].link_bytes_per_s = 2;
  problem.devices[0].latency_s = 0.25;
  problem.devices[0].cuts[0].messages = 4;
  const SplitPlan plan = plan_split(problem);  // 1 + 4 * 0.25 + 10 / 2
  EXPECT_NEAR(plan.round_s, 7, 1e-12);
  EXPECT_EQ(plan.bottleneck, 0);
  EXPECT_THAT(plan.sensitivity, ElementsAre(1, 0));
  EXPECT_LE(plan.times_s[1], plan.round_s * (1 + 1e-12));
}

TEST(EdgeSplit, SharesOfTheServerByHand) {
  SplitProblem problem{.bandwidth_bytes_per_s = 10, .server_is_shared = true};
  problem.devices.assign(2, {.name = "a", .cuts = {{.server_s = 1, .bytes = 10}}});
  EXPECT_NEAR(plan_split(problem).round_s, 4, 1e-12);  // 10 / 5 + 1 / 0.5
  problem.devices.pop_back();
  EXPECT_NEAR(plan_split(problem).round_s, 2, 1e-12);  // 10 / 10 + 1 / 1
  problem.devices[0].cuts[0].bytes = 0;
  EXPECT_NEAR(plan_split(problem).round_s, 1, 1e-12);
  problem.devices[0].cuts[0] = {.device_s = 3};
  EXPECT_NEAR(plan_split(problem).round_s, 3, 1e-12);
  EXPECT_THAT(plan_split(problem).bandwidth_bytes_per_s, ElementsAre(0));
}

double exhaustive(const SplitProblem& p) {
  double best = infinity;
  const std::vector<double> whole(p.devices.size(), 1);
  split_problems::for_each_choice(p, [&](const auto& cuts) {
    best = std::min(best, split_problems::round_of(p, cuts, whole));
  });
  return best;
}

TEST(EdgeSplit, BandwidthAloneIsExhaustiveSearch) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const SplitProblem p = random_split(seed, 3, 12, false);
    const SplitPlan plan = plan_split(p);
    expect_close(plan.round_s, exhaustive(p), 1e-9);
    EXPECT_TRUE(plan.is_optimal) << seed;
    expect_sound(p, plan);
  }
}

TEST(EdgeSplit, ServerMemoryIsExhaustiveSearch) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SplitProblem p = random_split(seed, 4, 7, false);
    split_problems::limit_server_memory(p);
    const SplitPlan plan = plan_split(p);
    expect_close(plan.round_s, exhaustive(p), 1e-9);
    expect_sound(p, plan);
  }
}

TEST(EdgeSplit, LikeDevicesAreExhaustiveSearch) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SplitProblem p = random_split(seed, 2, 7, false);
    for (const std::size_t device : {0, 1, 0}) p.devices.push_back(p.devices[device]);
    split_problems::limit_server_memory(p);
    const SplitPlan plan = plan_split(p);
    expect_close(plan.round_s, exhaustive(p), 1e-9);
    EXPECT_TRUE(plan.is_optimal) << seed;
    expect_sound(p, plan);
  }
}

// T is long enough if each device's least bandwidth over its cuts sum to at most B.
double by_bisection(const SplitProblem& p) {
  return split_problems::halve(0, 1e6, [&](double t) {
    double sum = 0;
    for (std::size_t i = 0; i < p.devices.size(); ++i) {
      const SplitDevice& device = p.devices[i];
      double least = infinity;
      for (std::size_t c = 0; c < device.cuts.size(); ++c) {
        const double rest = t - split_problems::fixed_of(p, i, c, 1);
        if (rest <= 0 || device.cuts[c].device_bytes > device.memory_bytes) continue;
        const double needed = device.cuts[c].bytes / rest;
        if (needed <= device.link_bytes_per_s) least = std::min(least, needed);
      }
      sum += least;
    }
    return sum <= p.bandwidth_bytes_per_s;
  });
}

TEST(EdgeSplit, SixteenDevicesAreTheBisectionOverCuts) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const SplitProblem p = random_split(seed, 16, 50, false);
    const SplitPlan plan = plan_split(p);
    expect_close(plan.round_s, by_bisection(p), 1e-9);
    EXPECT_TRUE(plan.is_optimal) << seed;
    expect_sound(p, plan);
  }
}

TEST(EdgeSplit, TheServersSharesAreExhaustiveSearch) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    SplitProblem p = random_split(seed, 3, 12, true);
    if (seed % 4 == 3) split_problems::limit_server_memory(p);
    const SplitPlan plan = plan_split(p);
    expect_sound(p, plan);
    double best = infinity;
    split_problems::for_each_choice(p, [&](const auto& cuts) {
      // With the whole server for each it would be faster still.
      if (split_problems::round_of(p, cuts, {1, 1, 1}) > plan.round_s * 1.0001) return;
      best = std::min(best, split_problems::round_of_three(p, cuts));
    });
    expect_close(plan.round_s, best, 1e-7);
    EXPECT_TRUE(plan.is_optimal) << seed;
  }
}

// With the server's shares the search may end at its limit: then the bound says how far it may be.
TEST(EdgeSplit, SixteenDevicesWithTheServersSharesAreWithinTwoPercent) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SplitProblem p = random_split(seed, 16, 50, true);
    if (seed % 2 == 1) split_problems::limit_server_memory(p);
    const SplitPlan plan = plan_split(p);
    expect_sound(p, plan);
    EXPECT_GT(plan.lower_bound_s, 0.98 * plan.round_s) << seed;
  }
}

TEST(EdgeSplit, NeitherStepMakesARoundLonger) {
  int steps = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SplitProblem p = random_split(seed, 5, 10, seed % 2 == 1);
    if (seed % 3 == 2) split_problems::limit_server_memory(p);
    const double best = plan_split(p).round_s;
    const SplitOptions options = options_of(p, {});
    for (const Shares& start : first_shares(options)) {
      const Alternation run = alternate(options, start);
      double before = infinity;
      for (const AlternationStep& step : run.steps) {
        EXPECT_LE(step.round_s, before * (1 + 1e-12)) << seed;
        before = step.round_s;
        ++steps;
      }
      EXPECT_EQ(run.steps.size() % 2, 0);
      EXPECT_TRUE(fits_server(options, run.choice));
      EXPECT_GE(run.shares.round_s, best * (1 - 1e-9)) << seed;
    }
  }
  EXPECT_GT(steps, 3000);
}

// Two devices: cut 0 sends 100 bytes, cut 1 computes 10 s more.
TEST(EdgeSplit, BestCutsByHand) {
  const std::vector<Cut> cuts = {{.device_s = 1, .bytes = 100, .server_bytes = 6},
                                 {.device_s = 11, .bytes = 10, .server_bytes = 2}};
  SplitProblem p{.devices = {{.name = "a", .cuts = cuts}, {.name = "b", .cuts = cuts}},
                 .bandwidth_bytes_per_s = 30};
  Shares shares;
  shares.bandwidth = {20, 5};  // 6 and 11.5 s; 21 and 13 s
  shares.server = {1, 1};
  EXPECT_THAT(best_cuts(options_of(p, {}), shares), ElementsAre(0, 1));
  p.server_memory_bytes = 4;
  EXPECT_THAT(best_cuts(options_of(p, {}), shares), ElementsAre(1, 1));
  shares.bandwidth = {20, 20};
  p.server_memory_bytes = 8;  // one of them alone can send 100
  EXPECT_THAT(best_cuts(options_of(p, {}), shares), ElementsAre(0, 1));
}

TEST(EdgeSplit, HandMadeCuts) {
  for (const bool shared : {false, true}) {
    const SplitProblem p = random_split(3, 6, 10, shared);
    const SplitPlan best = plan_split(p);
    const SplitPlan same = evaluate_split(p, best.cuts);
    EXPECT_EQ(same.cuts, best.cuts);
    expect_close(same.round_s, best.round_s, 1e-12);
    const std::vector<std::size_t> zeros(6, 0);
    const SplitPlan worst = evaluate_split(p, zeros);
    EXPECT_EQ(worst.cuts, zeros);
    EXPECT_GE(worst.round_s, best.round_s);
    if (!shared) {
      expect_close(worst.round_s, split_problems::round_of(p, zeros, std::vector<double>(6, 1)),
                   1e-9);
    }
    HandMadeCuts one(6);
    one[2] = 0;
    const SplitPlan between = plan_split(p, one);
    EXPECT_EQ(between.cuts[2], 0);
    EXPECT_GE(between.round_s, best.round_s * (1 - 1e-9));
    EXPECT_LE(between.round_s, worst.round_s * (1 + 1e-9));
  }
}

TEST(EdgeSplit, EqualCutsAndDevicesAreTakenInOrder) {
  SplitProblem p{.bandwidth_bytes_per_s = 10};
  p.devices.assign(3, {.name = "a",
                       .cuts = {{.device_s = 2, .bytes = 10},
                                {.device_s = 1, .bytes = 10},
                                {.device_s = 1, .bytes = 10}}});
  const SplitPlan plan = plan_split(p);
  EXPECT_THAT(plan.cuts, ElementsAre(1, 1, 1));
  EXPECT_EQ(plan.bottleneck, 0);
}

TEST(EdgeSplit, ErrorsNameDevicesAndWhatToDo) {
  SplitProblem p = random_split(1, 3, 4, false);
  p.devices[1].memory_bytes = 1000;
  p.devices[1].cuts[0].device_bytes = 5000;
  p.devices[1].cuts[2].device_bytes = 3048;
  EXPECT_THAT(error_of(p), testing::AllOf(HasSubstr("device d1"), HasSubstr("cut 2 (layer2)"),
                                          HasSubstr("2.00 KiB too much")));
  p = random_split(1, 3, 4, false);
  p.devices[0].memory_bytes = 0.5e9;
  p.devices[0].cuts[1].device_bytes = 0.4e9;
  p.devices[0].cuts[3].device_bytes = 0.6e9;
  p.devices[0].cuts[2].device_bytes = 0.7e9;
  EXPECT_THAT(error_of(p, {3, {}, {}}),
              testing::AllOf(HasSubstr("device d0: cut 3 (layer3)"), HasSubstr("is cut 1")));
  EXPECT_THAT(error_of(p, {4, {}, {}}), HasSubstr("has no cut 4"));
  EXPECT_THAT(error_of(p, {{}, {}}), HasSubstr("2 cuts were given for 3 devices"));
  p.devices[2].cuts[1].bytes = -1;
  EXPECT_THAT(error_of(p), HasSubstr("device d2, cut 1 (layer1): bytes is -1"));
  p.devices[2].cuts[1].bytes = infinity;
  EXPECT_THAT(error_of(p), HasSubstr("bytes is inf"));
  p.devices[2].cuts.clear();
  EXPECT_THAT(error_of(p), HasSubstr("device d2 has no cuts"));
  p.devices[2].link_bytes_per_s = 0;
  p.bandwidth_bytes_per_s = 0;
  EXPECT_THAT(error_of(p), HasSubstr("the bandwidth is 0 bytes/s"));
  EXPECT_THAT(error_of({}), HasSubstr("there are no devices"));
}

TEST(EdgeSplit, TheServersMemorySaysWhatToMove) {
  const std::vector<Cut> cuts = {{.server_bytes = 4096}, {.server_bytes = 1024}};
  SplitProblem p{.devices = {{.name = "a", .cuts = cuts}, {.name = "b", .cuts = cuts}},
                 .bandwidth_bytes_per_s = 1,
                 .server_memory_bytes = 5120};
  EXPECT_THAT(error_of(p, {0, 0}), HasSubstr("move device a to cut 1 (frees 3.00 KiB)"));
  EXPECT_EQ(error_of(p, {0, 1}), "no error");
  p.server_memory_bytes = 1024;
  EXPECT_THAT(error_of(p), HasSubstr("leave devices out, or give the server 1.00 KiB more"));
  p.server_memory_bytes = 0;
  EXPECT_THAT(error_of(p, {0, {}}), HasSubstr("and leave devices out"));
}

TEST(EdgeSplit, MoreBandwidthNeverMakesAPlanSlower) {
  EXPECT_TRUE(rc::check([] {
    const auto seed = *rc::gen::inRange<std::uint64_t>(0, 1000000);
    SplitProblem p = random_split(seed, *rc::gen::inRange(1, 6), *rc::gen::inRange(1, 12),
                                  *rc::gen::arbitrary<bool>());
    if (*rc::gen::arbitrary<bool>()) split_problems::limit_server_memory(p);
    const SplitPlan before = plan_split(p);
    p.bandwidth_bytes_per_s *= 1 + *rc::gen::inRange(0, 300) / 100.0;
    const SplitPlan after = plan_split(p);
    RC_ASSERT(before.is_optimal && after.is_optimal);
    RC_ASSERT(after.round_s <= before.round_s * (1 + 1e-9));
  }));
}

TEST(EdgeSplit, TwiceTheBytesOrSeconds) {
  EXPECT_TRUE(rc::check([] {
    const auto seed = *rc::gen::inRange<std::uint64_t>(0, 1000000);
    const SplitProblem p = random_split(seed, 4, 8, *rc::gen::arbitrary<bool>());
    const double round_s = plan_split(p).round_s;
    SplitProblem larger = p;
    larger.bandwidth_bytes_per_s *= 2;
    for (SplitDevice& device : larger.devices) {
      device.link_bytes_per_s *= 2;
      for (Cut& cut : device.cuts) cut.bytes *= 2;
    }
    RC_ASSERT(std::abs(plan_split(larger).round_s / round_s - 1) < 1e-9);
    SplitProblem slower = p;
    for (SplitDevice& device : slower.devices) {
      device.latency_s *= 2;
      for (Cut& cut : device.cuts) {
        cut.device_s *= 2;
        cut.server_s *= 2;
        cut.bytes *= 2;
      }
    }
    RC_ASSERT(std::abs(plan_split(slower).round_s / round_s - 2) < 1e-9);
  }));
}

TEST(EdgeSplit, NoBaselineIsFaster) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    SplitProblem p = random_split(seed, 6, 10, seed % 2 == 0);
    const SplitPlan plan = plan_split(p);
    const SplitPlan equal = best_common_cut(p, Sharing::equal);
    const SplitPlan best = best_common_cut(p, Sharing::best);
    EXPECT_LE(plan.round_s, best.round_s * (1 + 1e-9));
    EXPECT_LE(best.round_s, equal.round_s * (1 + 1e-9));
    EXPECT_EQ(std::set(best.cuts.begin(), best.cuts.end()).size(), 1);
    expect_sound(p, equal);
    EXPECT_LE(one_after_another(p).round_s,
              one_after_another_with_one_cut(p).round_s * (1 + 1e-12));
  }
}

TEST(EdgeSplit, BaselinesByHand) {
  SplitProblem p = two_devices();
  for (SplitDevice& d : p.devices) {
    d.cuts.push_back({.name = "deep", .device_s = 10, .bytes = 0, .device_bytes = 7});
  }
  const SplitPlan equal = best_common_cut(p, Sharing::equal);
  EXPECT_THAT(equal.cuts, ElementsAre(0, 0));
  EXPECT_THAT(equal.bandwidth_bytes_per_s, ElementsAre(7.5, 7.5));
  EXPECT_NEAR(equal.round_s, 2 + 10 / 7.5, 1e-12);
  EXPECT_EQ(equal.bottleneck, 1);
  EXPECT_NEAR(best_common_cut(p, Sharing::best).round_s, 3, 1e-12);
  EXPECT_NEAR(one_after_another(p).round_s, 1 + 2 + 20 / 15.0, 1e-12);
  EXPECT_NEAR(one_after_another_with_one_cut(p).round_s, 1 + 2 + 20 / 15.0, 1e-12);
  p.devices[1].cuts[0].device_s = 20;
  EXPECT_THAT(one_after_another(p).cuts, ElementsAre(0, 1));
  EXPECT_NEAR(one_after_another(p).round_s, 1 + 10 / 15.0 + 10, 1e-12);
  EXPECT_THAT(one_after_another_with_one_cut(p).cuts, ElementsAre(1, 1));
}

TEST(EdgeSplit, ACommonCutThatDoesNotFit) {
  SplitProblem p = two_devices();
  p.devices[1].memory_bytes = 1024;
  p.devices[1].cuts[0].device_bytes = 2048;
  EXPECT_THAT([&] { best_common_cut(p, Sharing::best); },
              testing::ThrowsMessage<base::UserError>(
                  HasSubstr("cut 0 needs 2.00 KiB on device b, which has 1.00 KiB")));
  p.devices[1].cuts.push_back({});
  EXPECT_THAT([&] { one_after_another_with_one_cut(p); },
              testing::ThrowsMessage<base::UserError>(HasSubstr("a has 1 and b has 2")));
}

}  // namespace
}  // namespace convoy::sim
