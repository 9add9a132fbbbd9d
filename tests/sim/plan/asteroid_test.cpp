// Asteroid's planner against every plan of small cases, with the gap that an order of the devices
// leaves.

#include "sim/plan/asteroid.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "base/diagnostics.hpp"
#include "sim/plan/pipeline_allocation.hpp"
#include "sim/plan/pipeline_marks.hpp"
#include "sim/plan/pipeline_parts.hpp"
#include "sim/plan/pipeline_recurrence.hpp"
#include "tests/sim/plan/pipeline_problems.hpp"

namespace convoy::sim {
namespace {

using testing::HasSubstr;

struct Case {
  std::uint64_t seed = 0;
  LayerCosts costs;
  PipelineProblem problem;
  std::vector<int> by_memory;

  explicit Case(std::uint64_t s) : seed(s) {
    base::Random random({seed, 7});
    const int layers = 2 + static_cast<int>(random.below(7));
    const int devices = 1 + static_cast<int>(random.below(4));
    costs = random_costs(seed, layers, devices);
    const int microbatch = 1 + static_cast<int>(random.below(5));
    const int microbatches = 1 + static_cast<int>(random.below(12));
    problem = random_problem(seed, costs, devices, microbatch, microbatches, random.below(2) == 1);
    by_memory.resize(problem.devices.size());
    std::iota(by_memory.begin(), by_memory.end(), 0);
    std::stable_sort(by_memory.begin(), by_memory.end(), [&](int a, int b) {
      return problem.devices[a].memory_bytes > problem.devices[b].memory_bytes;
    });
  }
};

// Every cut, every grouping of the devices in this order, and every way to share a micro-batch,
// idle devices included.
class EveryShare {
 public:
  EveryShare(const PipelineProblem& problem, std::vector<int> order)
      : problem_(problem), order_(std::move(order)) {}

  double least_s() {
    const int most = std::min(problem_.costs->layers(), static_cast<int>(order_.size()));
    for (stages_ = 1; stages_ <= most; ++stages_) {
      plan_ = {.microbatch = problem_.microbatch, .microbatches = problem_.microbatches};
      stage(0, 0);
    }
    return least_;
  }

 private:
  void stage(int layer, int device) {
    const int layers = problem_.costs->layers();
    const int devices = static_cast<int>(order_.size());
    const int s = static_cast<int>(plan_.stages.size());
    if (s == stages_) {
      least_ = std::min(least_, forecast_round(problem_, plan_).round_s);
      return;
    }
    const int behind = stages_ - s - 1;
    const int window = window_of(WindowPolicy::doubled, stages_, s, problem_.microbatches);
    for (int last = behind == 0 ? layers : layer + 1; last <= layers - behind; ++last) {
      for (int end = behind == 0 ? devices : device + 1; end <= devices - behind; ++end) {
        plan_.stages.push_back({{layer, last}, {}, window});
        share(device, end, problem_.microbatch);
        plan_.stages.pop_back();
      }
    }
  }

  void share(int at, int end, int left) {
    if (at == end) {
      if (left > 0) return;
      const PipelineStage now = plan_.stages.back();
      stage(now.layers.last, end);
      return;
    }
    const int device = order_[at];
    for (int samples = 0; samples <= left; ++samples) {
      const PipelineStage& now = plan_.stages.back();
      if (samples > 0 && problem_.costs->memory_bytes(now.layers, samples, now.window, 1) >
                             problem_.devices[device].memory_bytes) {
        break;
      }
      if (samples > 0) plan_.stages.back().members.push_back({device, samples});
      share(at + 1, end, left - samples);
      if (samples > 0) plan_.stages.back().members.pop_back();
    }
  }

  const PipelineProblem& problem_;
  std::vector<int> order_;
  int stages_ = 0;
  PipelinePlan plan_;
  double least_ = std::numeric_limits<double>::infinity();
};

std::optional<PipelineForecast> planned(const PipelineProblem& problem,
                                        const AsteroidOptions& options) {
  try {
    const PipelinePlan plan = plan_asteroid(problem, options);
    const PipelineForecast forecast = forecast_round(problem, plan);
    EXPECT_TRUE(forecast.fits());
    // Without what follows the last backward, the closed form is a lower bound.
    const std::vector<double> nothing(plan.stages.size(), 0);
    EXPECT_GE(makespan_fifo(line_of(problem, plan)).makespan_s,
              one_f_one_b_round(forecast.steps, nothing, plan.microbatches) * (1 - 1e-9));
    return forecast;
  } catch (const base::UserError&) {
    return std::nullopt;
  }
}

double least_of(const PipelineProblem& problem, const std::vector<int>& order) {
  try {
    return forecast_round(problem, plan_exhaustive(problem, order, WindowPolicy::doubled)).round_s;
  } catch (const base::UserError&) {
    return std::numeric_limits<double>::infinity();
  }
}

TEST(Asteroid, BesideEveryPlanOfTheSameOrder) {
  int cases = 0;
  int published_near = 0;
  int near = 0;
  int near_every_share = 0;
  double gap = 0;
  double worst_gap = 1;
  double search_gap = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Case c(seed);
    const double least = least_of(c.problem, c.by_memory);
    const auto used = planned(c.problem, {.may_leave_out = false});
    ASSERT_EQ(used.has_value(), std::isfinite(least)) << seed;
    if (!used) continue;
    ++cases;
    EXPECT_GE(used->round_s, least * (1 - 1e-9)) << seed;
    if (used->round_s <= 1.05 * least) ++near;
    const auto published = planned(c.problem, AsteroidOptions::as_published());
    ASSERT_TRUE(published.has_value());
    if (published->round_s <= 1.05 * least) ++published_near;
    const auto usual = planned(c.problem, {});
    ASSERT_TRUE(usual.has_value());
    if (usual->round_s <= 1.05 * EveryShare(c.problem, c.by_memory).least_s()) ++near_every_share;
    const double all_orders = least_of(c.problem, {});
    const auto searched = planned(c.problem, {.order = DeviceOrder::search});
    ASSERT_TRUE(searched.has_value());
    EXPECT_LE(searched->round_s, usual->round_s * (1 + 1e-9)) << seed;
    gap += usual->round_s / all_orders;
    worst_gap = std::max(worst_gap, usual->round_s / all_orders);
    search_gap += searched->round_s / all_orders;
  }
  EXPECT_GT(cases, 150);
  EXPECT_GE(near, 0.95 * cases);
  EXPECT_GE(near_every_share, 0.95 * cases);
  EXPECT_GE(published_near, 0.95 * cases);
  EXPECT_LE(search_gap, cases * 1.001);  // idle devices may even make it shorter
  std::cout << "Asteroid, " << cases << " cases with a plan: within 5 % of the exhaustive optimum "
            << near << " (published: " << published_near << "; of every share: " << near_every_share
            << "); gap to all orders: mean " << gap / cases << ", worst " << worst_gap
            << "; with a search: mean " << search_gap / cases << "\n";
}

// Beside the plan of before in the better fleet: the closed form of one plan may be longer with
// faster links, behind which less of a late all-reduce hides.
TEST(Asteroid, MoreBandwidthOrMemoryIsNoSlowerThanThePlanOfBefore) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Case c(seed);
    c.problem.microbatch = 2 * c.problem.microbatch;
    const AsteroidOptions wide{.order = DeviceOrder::given, .kept = 64};
    if (!planned(c.problem, wide)) continue;
    const PipelinePlan before = plan_asteroid(c.problem, wide);
    PipelineProblem larger = c.problem;
    for (double& bandwidth : larger.bandwidth_bytes_per_s) bandwidth *= 2;
    EXPECT_LE(planned(larger, wide)->round_s, forecast_round(larger, before).round_s * (1 + 1e-9))
        << seed;
    larger = c.problem;
    for (PipelineDevice& device : larger.devices) device.memory_bytes *= 4;
    EXPECT_LE(planned(larger, wide)->round_s, forecast_round(larger, before).round_s * 1.05)
        << seed;
  }
}

// Two fast devices and a slow one: all three would wait for the slow one's all-reduce.
TEST(Asteroid, LeavesOutADeviceThatOnlyCosts) {
  LayerCosts costs = random_costs(3, 4, 1);
  costs.slowness = {1, 1000};
  PipelineProblem problem{.costs = &costs, .microbatch = 8, .microbatches = 8};
  problem.devices = {{"a", 0}, {"slow", 1}, {"b", 0}};
  problem.bandwidth_bytes_per_s.assign(9, 1e9);
  const PipelinePlan plan = plan_asteroid(problem, {});
  for (const PipelineStage& stage : plan.stages) {
    for (const StageMember& member : stage.members) EXPECT_NE(member.device, 1);
  }
}

TEST(Asteroid, WhatFitsNowhereIsNamed) {
  LayerCosts costs = random_costs(5, 4, 1);
  PipelineProblem problem{.costs = &costs, .microbatch = 4, .microbatches = 8};
  problem.devices = {{"small", 0, 1e5}, {"large", 0, 2e5}};
  problem.bandwidth_bytes_per_s.assign(4, 1e7);
  try {
    plan_asteroid(problem, {});
    ADD_FAILURE();
  } catch (const base::UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("layer 0 (layer0) alone needs"));
    EXPECT_THAT(error.what(), HasSubstr("of large"));
  }
  // Every layer fits one of them, not all layers both.
  double largest = 0;
  for (int layer = 0; layer < 4; ++layer) {
    largest = std::max(largest, costs.memory_bytes({layer, layer + 1}, 1, 1, 1));
  }
  problem.devices = {{"only", 0, largest}};
  problem.bandwidth_bytes_per_s.assign(1, 1e7);
  EXPECT_THROW(plan_asteroid(problem, {.order = DeviceOrder::search}), base::UserError);
}

// What no memory holds is said at once, in large fleets and in a search of orders: it once took the
// time of forty plans for each.
TEST(Asteroid, WhatFitsNowhereIsSaidAtOnce) {
  LayerCosts costs = random_costs(1, 18, 6);
  const PipelineProblem problem = random_problem(1, costs, 100, 64, 16, false);
  costs.weights[0] *= 1e6;
  EXPECT_FALSE(planned(problem, {.order = DeviceOrder::search}).has_value());
  // Each layer fits somewhere, all of them do not.
  LayerCosts light = random_costs(2, 18, 6);
  PipelineProblem small = random_problem(2, light, 12, 64, 16, false);
  double largest = 0;
  for (int layer = 0; layer < 18; ++layer) {
    largest = std::max(largest, light.memory_bytes({layer, layer + 1}, 1, 1, 1));
  }
  for (PipelineDevice& device : small.devices) device.memory_bytes = largest;
  EXPECT_FALSE(planned(small, {.order = DeviceOrder::search}).has_value());
}

// Of more devices than all of whose orders are tried.
TEST(Asteroid, ASearchIsNeverBehindTheOrderByMemory) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const int devices = 7 + static_cast<int>(seed % 6);
    const LayerCosts costs = random_costs(seed, 5, devices);
    const PipelineProblem problem = random_problem(seed, costs, devices, 6, 8, seed % 2 == 1);
    const auto by_memory = planned(problem, {});
    const auto searched = planned(problem, {.order = DeviceOrder::search, .most_orders = 12});
    ASSERT_EQ(by_memory.has_value(), searched.has_value()) << seed;
    if (by_memory) EXPECT_LE(searched->round_s, by_memory->round_s * (1 + 1e-9)) << seed;
  }
}

TEST(Asteroid, AFleetOfOneAndAModelOfOneLayer) {
  const LayerCosts costs = random_costs(9, 1, 2);
  PipelineProblem problem{.costs = &costs, .microbatch = 4, .microbatches = 3};
  problem.devices = {{"a", 0}};
  problem.bandwidth_bytes_per_s = {1};
  for (const DeviceOrder order : {DeviceOrder::given, DeviceOrder::memory, DeviceOrder::search}) {
    const PipelinePlan plan = plan_asteroid(problem, {.order = order});
    ASSERT_EQ(plan.stages.size(), 1);
    EXPECT_EQ(plan.stages[0].members, (std::vector<StageMember>{{0, 4}}));
  }
  problem.devices.clear();
  EXPECT_THROW(plan_asteroid(problem, {}), base::UserError);
}

TEST(Asteroid, TheSameEveryTime) {
  const LayerCosts costs = random_costs(2, 12, 9);
  const PipelineProblem problem = random_problem(2, costs, 9, 8, 8, false);
  const PipelinePlan once = plan_asteroid(problem, {.order = DeviceOrder::search});
  const PipelinePlan again = plan_asteroid(problem, {.order = DeviceOrder::search});
  EXPECT_EQ(once.stages, again.stages);
  EXPECT_EQ(once.planner, "asteroid-search");
}

// Links that differ by a factor of 20, a third of them slow, in one order: all devices used.
TEST(Asteroid, WithAThirdOfTheLinksSlow) {
  int cases = 0;
  int near = 0;
  double worst = 1;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Case c(seed);
    if (c.problem.devices.size() < 3) continue;
    base::Random random({seed, 11});
    for (double& bandwidth : c.problem.bandwidth_bytes_per_s) {
      if (random.below(3) == 0) bandwidth /= 20;
    }
    const double least = least_of(c.problem, c.by_memory);
    if (!std::isfinite(least)) continue;
    const auto plan = planned(c.problem, {.may_leave_out = false});
    ASSERT_TRUE(plan.has_value()) << seed;
    ++cases;
    if (plan->round_s <= 1.05 * least) ++near;
    worst = std::max(worst, plan->round_s / least);
  }
  EXPECT_GT(cases, 80);
  EXPECT_GE(near, 0.97 * cases);
  std::cout << "A third of the links slow: within 5 % " << near << " of " << cases << ", worst "
            << worst << "\n";
}

// In large fleets not every size of a group is looked at: beside the same with every size.
TEST(Asteroid, SizesInStepsCostLittle) {
  double sum = 0;
  double worst = 1;
  int cases = 0;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const LayerCosts costs = random_costs(seed, 6, 3);
    const PipelineProblem problem = random_problem(seed, costs, 24, 24, 8, seed % 2 == 1);
    const auto every = planned(problem, {.every_size = 24});
    const auto stepped = planned(problem, {.every_size = 0});
    ASSERT_EQ(every.has_value(), stepped.has_value()) << seed;
    if (!every) continue;
    ++cases;
    const double gap = stepped->round_s / every->round_s;
    EXPECT_GE(gap, 1 - 0.01) << seed;
    sum += gap;
    worst = std::max(worst, gap);
  }
  EXPECT_GT(cases, 7);
  EXPECT_LE(worst, 1.02);
  std::cout << "Sizes of groups in steps: " << sum / cases << " times as long on average, " << worst
            << " at most\n";
}

// 100 devices, each of its own memory, no two links alike, 64 samples: within the memories, by
// memory and searched. This once took minutes.
TEST(Asteroid, AHundredUnequalDevices) {
  const LayerCosts costs = random_costs(1, 18, 6);
  PipelineProblem problem = random_problem(1, costs, 100, 64, 16, false);
  for (PipelineDevice& device : problem.devices) device.memory_bytes *= 0.3;
  const auto by_memory = planned(problem, {});
  const auto searched = planned(problem, {.order = DeviceOrder::search});
  ASSERT_TRUE(by_memory.has_value());
  ASSERT_TRUE(searched.has_value());
  EXPECT_LE(searched->round_s, by_memory->round_s * (1 + 1e-9));
}

TEST(Asteroid, SizesOfMicrobatches) {
  const LayerCosts costs = random_costs(4, 8, 4);
  const PipelineProblem problem = random_problem(4, costs, 4, 1, 1, true);
  const auto planner = [](const PipelineProblem& p) { return plan_asteroid(p, {}); };
  const PipelinePlan best = search_microbatches(problem, 24, 24, planner);
  EXPECT_EQ(best.microbatch * best.microbatches, 24);
  const double best_s = forecast_round(problem, best).round_s;
  for (const int samples : {1, 2, 3, 4, 6, 8, 12, 24}) {
    PipelineProblem one = problem;
    one.microbatch = samples;
    one.microbatches = 24 / samples;
    const auto forecast = planned(one, {});
    EXPECT_GE(forecast ? forecast->round_s : best_s, best_s * (1 - 1e-12)) << samples;
  }
  EXPECT_THROW(search_microbatches(problem, 24, 0, planner), base::UserError);
}

}  // namespace
}  // namespace convoy::sim
