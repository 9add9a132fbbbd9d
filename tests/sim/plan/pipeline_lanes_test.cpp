// A round on lanes: by hand, beside the steps in order, and the plans that are chosen by it.

#include "sim/plan/pipeline_lanes.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "base/diagnostics.hpp"
#include "sim/plan/dapple.hpp"
#include "sim/plan/pipeline_choice.hpp"
#include "sim/plan/pipeline_marks.hpp"
#include "sim/plan/pipeline_recurrence.hpp"
#include "tests/sim/plan/pipeline_problems.hpp"

namespace convoy::sim {
namespace {

constexpr double unlimited = 1e30;  // bytes/s

// Two layers of 1 s forward and 2 s backward, 4 bytes of each sample behind the first, no weights.
LayerCosts two_layers() {
  LayerCosts costs;
  costs.forward = {1, 1};
  costs.backward = {2, 2};
  costs.launch = {0, 0};
  costs.out = {4, 4};
  costs.weights = {0, 0};
  costs.kept = {0, 0};
  costs.slowness = {1};
  return costs;
}

PipelineProblem between(const LayerCosts& costs, int devices, int microbatch, int microbatches,
                        double bandwidth) {
  PipelineProblem problem{.costs = &costs, .microbatch = microbatch, .microbatches = microbatches};
  for (int i = 0; i < devices; ++i) problem.devices.push_back({"d" + std::to_string(i)});
  problem.bandwidth_bytes_per_s.assign(static_cast<std::size_t>(devices * devices), bandwidth);
  return problem;
}

TEST(PipelineLanes, BothWaysOfALinkAtOnce) {
  const LayerCosts costs = two_layers();
  PipelineProblem problem = between(costs, 2, 1, 4, 2);  // 2 s each way
  const PipelinePlan plan{.stages = {{{0, 1}, {{0, 1}}, 3}, {{1, 2}, {{1, 1}}, 1}},
                          .microbatches = 4};
  // F0 F1 F2 at 0..3, there at 3, 5, 7. F0 B0 at 3..6, its gradient back at 8; F1 B1 at 6..9, back
  // at 11; F2 B2 at 9..12, back at 14. B0 at 8..10, F3 at 10..11, there at 13; B1 at 11..13; F3 B3
  // at 13..16, back at 18; B2 at 14..16, B3 at 18..20.
  EXPECT_DOUBLE_EQ(round_on_lanes(problem, plan), 20);
  for (PipelineDevice& device : problem.devices) device.is_half_duplex = true;
  EXPECT_GT(round_on_lanes(problem, plan), 20);
  // One resource for both ways, as the steps in order have it.
  EXPECT_NEAR(round_on_lanes(problem, plan), round_in_order(problem, plan), 2);
}

TEST(PipelineLanes, MembersOfGroupsSendTheirPartsAtOnce) {
  const LayerCosts costs = two_layers();
  const PipelineProblem problem = between(costs, 4, 2, 1, 1);
  const PipelinePlan plan{.stages = {{{0, 1}, {{0, 1}, {1, 1}}, 1}, {{1, 2}, {{2, 1}, {3, 1}}, 1}},
                          .microbatch = 2,
                          .microbatches = 1};
  // 1 + 4 + 1 forward, and 2 + 4 + 2 back: each of two pairs has one sample, of 4 bytes.
  EXPECT_DOUBLE_EQ(round_on_lanes(problem, plan), 14);
  EXPECT_DOUBLE_EQ(round_in_order(problem, plan), 22);
}

// Of whole random plans: with links that take no time the same as the steps in order; else at least
// that, and a faster network is never slower by more than an order of service can cost.
TEST(PipelineLanes, WithoutLinkTimeItIsTheStepsInOrder) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const LayerCosts costs = random_costs(seed, 6, 3);
    PipelineProblem problem = random_problem(seed, costs, 5, 6, 7, true);
    for (PipelineDevice& device : problem.devices) device.memory_bytes = unlimited;
    PipelinePlan plan = plan_asteroid(problem, {});
    const auto order = static_cast<int>(seed % 3);
    plan.order = order == 0   ? PipelineOrder::one_f_one_b
                 : order == 1 ? PipelineOrder::gpipe
                              : PipelineOrder::gpipe_reverse;
    const double with_links = round_on_lanes(problem, plan);
    problem.bandwidth_bytes_per_s.assign(25, unlimited);
    problem.latency_s = 0;
    const double alone = round_in_order(problem, plan);
    EXPECT_NEAR(round_on_lanes(problem, plan), alone, 1e-9 * alone) << seed;
    EXPECT_GE(with_links, alone * (1 - 1e-9)) << seed;
  }
}

TEST(PipelineLanes, WindowsThatRiseAreRefused) {
  const LayerCosts costs = two_layers();
  const PipelineProblem problem = between(costs, 2, 1, 4, 2);
  PipelinePlan plan{.stages = {{{0, 1}, {{0, 1}}, 1}, {{1, 2}, {{1, 1}}, 2}}, .microbatches = 4};
  EXPECT_THROW(round_on_lanes(problem, plan), base::UserError);
}

// s by lanes of another planner's plan; nothing where there is none that fits.
std::optional<double> judged(const PipelineProblem& problem,
                             const std::function<PipelinePlan(const PipelineProblem&)>& planner) {
  try {
    const PipelinePlan plan = planner(problem);
    if (!forecast_round(problem, plan).fits()) return std::nullopt;
    return round_on_lanes(problem, plan);
  } catch (const base::UserError&) {
    return std::nullopt;
  }
}

TEST(PipelineChoice, IsNoSlowerThanThePlansOfOthers) {
  double gain = 0;
  int cases = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const LayerCosts costs = random_costs(seed, 7, 3);
    const PipelineProblem problem = random_problem(seed, costs, 6, 8, 12, seed % 2 == 1);
    const auto published = judged(problem, [](const auto& p) { return plan_asteroid(p, {}); });
    if (!published) continue;
    ++cases;
    const PipelinePlan plan = plan_by_lanes(problem, {});
    const PipelineForecast forecast = forecast_round(problem, plan);
    EXPECT_TRUE(forecast.fits()) << seed;
    const double ours = round_on_lanes(problem, plan);
    EXPECT_LE(ours, *published * (1 + 1e-9)) << seed;
    for (const auto& other : {judged(problem, [](const auto& p) { return plan_dapple(p, {}); }),
                              judged(problem, plan_one_device), judged(problem, [](const auto& p) {
                                return plan_data_parallel(p, DataShares::proportional);
                              })}) {
      if (other) EXPECT_LE(ours, *other * (1 + 1e-9)) << seed;
    }
    EXPECT_EQ(plan_by_lanes(problem, {}).stages, plan.stages) << "the same every time";
    gain += *published / ours;
  }
  EXPECT_GT(cases, 40);
  std::cout << "By lanes, " << cases << " cases: Asteroid's plan takes " << gain / cases
            << " times as long on average\n";
}

// Whoever is not to be left out has a part, also where the plan is faster without it.
TEST(PipelineChoice, LeavesNobodyOutWhereItIsToldNotTo) {
  int without = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    LayerCosts costs = random_costs(seed, 6, 4);
    costs.slowness = {1, 1, 1, 5};
    PipelineProblem problem = between(costs, 4, 12, 4, 1e7);
    for (int i = 0; i < 4; ++i) problem.devices[static_cast<std::size_t>(i)].kind = i;
    const auto devices_of = [&](bool may_leave_out) {
      AsteroidOptions search{.order = DeviceOrder::search};
      search.may_leave_out = may_leave_out;
      std::size_t devices = 0;
      for (const PipelineStage& stage : plan_by_lanes(problem, {.search = search}).stages) {
        devices += stage.members.size();
      }
      return devices;
    };
    EXPECT_GE(devices_of(false), devices_of(true)) << seed;
    without += devices_of(true) < devices_of(false) ? 1 : 0;
  }
  EXPECT_GT(without, 0);
}

TEST(PipelineChoice, WhatFitsNowhereIsNamed) {
  const LayerCosts costs = random_costs(5, 4, 1);
  PipelineProblem problem = between(costs, 2, 4, 8, 1e7);
  for (PipelineDevice& device : problem.devices) device.memory_bytes = 1e5;
  EXPECT_THROW(plan_by_lanes(problem, {}), base::UserError);
}

}  // namespace
}  // namespace convoy::sim
