// Tests plans with guaranteed shares: the estimates lie between what is possible and what is
// guaranteed, and no common cut is estimated to be faster than the plan.

#include "sim/plan/guarantees.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "sim/plan/baselines.hpp"
#include "sim/plan/split_options.hpp"
#include "tests/sim/plan/split_problems.hpp"

namespace convoy::sim {
namespace {

// Of which a part goes up.
SplitProblem random_guaranteed(std::uint64_t seed, int devices, int cuts, bool server_is_shared) {
  SplitProblem problem = split_problems::random_split(seed, devices, cuts, server_is_shared);
  base::Random random({seed, 0x677561ULL});
  for (SplitDevice& device : problem.devices) {
    for (Cut& cut : device.cuts) cut.bytes_up = cut.bytes * random.uniform();
  }
  problem.shares_are_guaranteed = true;
  return problem;
}

double limited_s(const SplitProblem& problem, const SplitPlan& plan, std::size_t i) {
  const Demand demand = demand_of(problem, i, plan.cuts[i]);
  double seconds = demand.fixed_s + demand.bytes / plan.bandwidth_bytes_per_s[i];
  if (demand.server_s > 0) seconds += demand.server_s / plan.server_shares[i];
  return seconds;
}

TEST(GuaranteedPlan, EstimatesLieBetweenAloneAndLimited) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    for (const bool shared : {false, true}) {
      const SplitProblem problem =
          random_guaranteed(seed, 2 + static_cast<int>(seed % 7), 8, shared);
      const SplitPlan plan = plan_split(problem);
      ASSERT_EQ(plan.times_s.size(), problem.devices.size());
      double bandwidth = 0;
      double server = 0;
      for (std::size_t i = 0; i < plan.times_s.size(); ++i) {
        const double alone = demand_of(problem, i, plan.cuts[i]).least_s();
        EXPECT_GE(plan.times_s[i], alone * (1 - 1e-6)) << seed;
        EXPECT_LE(plan.times_s[i], limited_s(problem, plan, i) * (1 + 1e-9)) << seed;
        bandwidth += plan.bandwidth_bytes_per_s[i];
        server += plan.server_shares[i];
      }
      EXPECT_LE(bandwidth, problem.bandwidth_bytes_per_s * (1 + 1e-12));
      EXPECT_TRUE(!shared || server <= 1 + 1e-12);
      EXPECT_EQ(plan.round_s, *std::ranges::max_element(plan.times_s));
      EXPECT_EQ(plan.times_s[plan.bottleneck], plan.round_s);
      EXPECT_LE(plan.lower_bound_s, plan.round_s);
      EXPECT_FALSE(plan.is_optimal);
    }
  }
}

TEST(GuaranteedPlan, NoCommonCutAndNoPlanWithLimitsIsEstimatedToBeFaster) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const SplitProblem problem = random_guaranteed(seed, 4, 8, seed % 2 == 0);
    const SplitPlan plan = plan_split(problem);
    const SplitPlan common = best_common_cut(problem, Sharing::best);
    EXPECT_LE(plan.round_s, common.round_s * (1 + 1e-8)) << seed;
    SplitProblem limits = problem;
    limits.shares_are_guaranteed = false;
    EXPECT_LE(plan.round_s, plan_split(limits).round_s * (1 + 1e-8)) << seed;
    // Nor any single change of a device's cut, by the estimate.
    for (std::size_t i = 0; i < plan.cuts.size(); ++i) {
      for (std::size_t cut = 0; cut < problem.devices[i].cuts.size(); ++cut) {
        if (problem.devices[i].cuts[cut].device_bytes > problem.devices[i].memory_bytes) continue;
        std::vector<std::size_t> other = plan.cuts;
        other[i] = cut;
        EXPECT_GE(evaluate_split(problem, other).round_s, plan.round_s * (1 - 1e-8)) << seed;
      }
    }
  }
}

TEST(GuaranteedPlan, ADeviceAloneHasEverything) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const SplitProblem problem = random_guaranteed(seed, 1, 8, true);
    const SplitPlan plan = plan_split(problem);
    EXPECT_NEAR(plan.round_s / demand_of(problem, 0, plan.cuts[0]).least_s(), 1, 1e-6);
    EXPECT_NEAR(plan.round_s / plan.lower_bound_s, 1, 1e-6);
  }
}

TEST(GuaranteedPlan, CutsMadeByHandStay) {
  const SplitProblem problem = random_guaranteed(3, 4, 8, true);
  const SplitPlan plan = plan_split(problem, {std::nullopt, 0, std::nullopt, 0});
  EXPECT_EQ(plan.cuts[1], 0U);
  EXPECT_EQ(plan.cuts[3], 0U);
  EXPECT_GE(plan.round_s, plan_split(problem).round_s * (1 - 1e-8));
}

}  // namespace
}  // namespace convoy::sim
