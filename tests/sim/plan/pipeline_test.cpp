// Plans of pipelines: what is refused, the closed form by hand, and the sharing of a micro-batch.

#include "sim/plan/pipeline.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <numeric>

#include "base/diagnostics.hpp"
#include "sim/plan/asteroid.hpp"
#include "sim/plan/pipeline_allocation.hpp"
#include "sim/plan/pipeline_recurrence.hpp"
#include "tests/sim/plan/pipeline_problems.hpp"

namespace convoy::sim {
namespace {

using testing::HasSubstr;

// Four layers of 1 s forward and 2 s backward a sample, 10 bytes over each cut and of weights.
LayerCosts four_layers(int kinds = 1) {
  LayerCosts costs;
  costs.forward.assign(4, 1);
  costs.backward.assign(4, 2);
  costs.launch.assign(4, 0);
  costs.out.assign(4, 10);
  costs.weights.assign(4, 10);
  costs.kept.assign(4, 1);
  costs.slowness.assign(static_cast<std::size_t>(kinds), 1);
  return costs;
}

PipelineProblem on(const LayerCosts& costs, int devices, double bandwidth) {
  PipelineProblem problem{.costs = &costs, .microbatch = 1, .microbatches = 4};
  for (int i = 0; i < devices; ++i) problem.devices.push_back({"d" + std::to_string(i)});
  problem.bandwidth_bytes_per_s.assign(static_cast<std::size_t>(devices * devices), bandwidth);
  return problem;
}

PipelinePlan two_by_two() {
  return {
      .stages = {{{0, 2}, {{0, 1}}, 2}, {{2, 4}, {{1, 1}}, 1}}, .microbatch = 1, .microbatches = 4};
}

TEST(Pipeline, TheClosedFormByHand) {
  const LayerCosts costs = four_layers();
  const PipelineProblem problem = on(costs, 2, 10);
  const PipelineForecast forecast = forecast_round(problem, two_by_two());
  ASSERT_EQ(forecast.steps.size(), 3);
  EXPECT_EQ(forecast.steps[0].forward_s, 2);
  EXPECT_EQ(forecast.steps[1].backward_s, 1);
  EXPECT_EQ(forecast.dominant, 0);
  EXPECT_EQ(forecast.round_s, 4 * 6);  // the first stage works all the time
  EXPECT_EQ(forecast.bubble, 0);       // which leaves out the wait for the first gradient
  EXPECT_TRUE(forecast.fits());
  EXPECT_EQ(forecast.memory[0][0].needed_bytes, 3 * 20 + 2 * 2);
  EXPECT_EQ(forecast.memory[1][0].needed_bytes, 3 * 20 + 1 * 2);
  // In order: F0 F1 at 4, F0 there at 3..5, B0 back at 10, B0 F2 B1 F3 B2 B3 wait for each other.
  EXPECT_GE(round_in_order(problem, two_by_two()), forecast.round_s);
}

// Two devices share a micro-batch of 2: 3 s a layer and sample, a ring of 2 messages of half.
TEST(Pipeline, DataParallelByHand) {
  LayerCosts costs = four_layers();
  costs.step = 0.1;
  PipelineProblem problem = on(costs, 2, 10);
  problem.microbatch = 2;
  problem.latency_s = 0.25;
  PipelinePlan plan{.stages = {{{0, 4}, {{0, 1}, {1, 1}}, 1}}, .microbatch = 2, .microbatches = 4};
  const PipelineForecast forecast = forecast_round(problem, plan);
  EXPECT_EQ(forecast.all_reduce_s[0], 2 * (0.25 + 2));
  EXPECT_EQ(forecast.update_s[0], 4);
  EXPECT_EQ(forecast.round_s, 4 * 12 + 4.5 + 4);
  EXPECT_NEAR(forecast.bubble, 4.5 / 56.5, 1e-12);
  plan.stashes_weights = true;  // both after every micro-batch
  EXPECT_EQ(forecast_round(problem, plan).round_s, 4 * (12 + 4.5 + 4));
}

TEST(Pipeline, GpipeByHand) {
  const LayerCosts costs = four_layers();
  const PipelineProblem problem = on(costs, 2, 10);
  PipelinePlan plan = two_by_two();
  plan.order = PipelineOrder::gpipe;
  // 2 + 1 + 2 forward, then 3 more every 2 s; the same backward with 4, 1, 4.
  EXPECT_EQ(forecast_round(problem, plan).round_s, (5 + 6) + (9 + 12));
  EXPECT_EQ(forecast_round(problem, plan).memory[1][0].needed_bytes, 3 * 20 + 4 * 2);
}

TEST(Pipeline, TheTwoWindows) {
  EXPECT_EQ(window_of(WindowPolicy::remaining, 4, 0, 100), 4);
  EXPECT_EQ(window_of(WindowPolicy::remaining, 4, 3, 100), 1);
  EXPECT_EQ(window_of(WindowPolicy::doubled, 4, 0, 100), 7);
  EXPECT_EQ(window_of(WindowPolicy::doubled, 4, 3, 100), 1);
  EXPECT_EQ(window_of(WindowPolicy::doubled, 4, 0, 5), 5);
}

TEST(Pipeline, BadPlansAreRefused) {
  const LayerCosts costs = four_layers();
  const PipelineProblem problem = on(costs, 3, 10);
  struct Case {
    std::function<void(PipelinePlan&)> break_it;
    std::string says;
  };
  const std::vector<Case> cases{
      {[](PipelinePlan& p) { p.stages.clear(); }, "no stage"},
      {[](PipelinePlan& p) { p.stages[1].layers.first = 3; }, "layer 2 (layer2) is left out"},
      {[](PipelinePlan& p) { p.stages[1].layers.first = 1; }, "layer 1 (layer1) is in stage 1 and"},
      {[](PipelinePlan& p) { p.stages[1].layers.last = 3; }, "layer 3 (layer3) and what follows"},
      {[](PipelinePlan& p) { p.stages[1].layers.last = 5; }, "the model has 0 to 4"},
      {[](PipelinePlan& p) {
         p.stages[1].layers = {2, 2};
       },
       "at least one"},
      {[](PipelinePlan& p) { p.stages[1].members.clear(); }, "stage 2 has no device"},
      {[](PipelinePlan& p) { p.stages[1].members[0].device = 0; },
       "d0 is in stage 1 and in stage 2"},
      {[](PipelinePlan& p) { p.stages[1].members[0].device = 3; }, "device 3, but there are 3"},
      {[](PipelinePlan& p) { p.stages[1].members[0].samples = 2; },
       "2 samples of a micro-batch of 1"},
      {[](PipelinePlan& p) {
         p.stages[1].members.push_back({2, 0});
       },
       "d2 has 0 samples"},
      {[](PipelinePlan& p) { p.stages[0].window = 5; }, "window of 5: it is 1 to 4"},
      {[](PipelinePlan& p) { p.stages[1].window = 0; }, "window of 0"},
      {[](PipelinePlan& p) { p.stages[1].window = 3; }, "larger than the 2 of the stage before"},
      {[](PipelinePlan& p) { p.microbatches = 0; }, "both are at least 1"},
  };
  EXPECT_NO_THROW(check_plan(problem, two_by_two()));
  for (const Case& c : cases) {
    PipelinePlan plan = two_by_two();
    c.break_it(plan);
    try {
      check_plan(problem, plan);
      ADD_FAILURE() << "no error: " << c.says;
    } catch (const base::UserError& error) {
      EXPECT_THAT(error.what(), HasSubstr(c.says));
    }
  }
}

// The least possible time of the slowest device, by trying all.
double least_slowest(StageTimes& times, LayerRange layers, const std::vector<int>& group,
                     std::size_t at, int left, int stashes) {
  if (at == group.size()) return left == 0 ? 0 : std::numeric_limits<double>::infinity();
  double least = std::numeric_limits<double>::infinity();
  const int most = std::min(left, times.most_samples(group[at], layers, stashes, 1));
  for (int samples = 0; samples <= most; ++samples) {
    const PipelineStep pass = times.pass(group[at], layers, samples);
    least = std::min(
        least, std::max(pass.forward_s + pass.backward_s,
                        least_slowest(times, layers, group, at + 1, left - samples, stashes)));
  }
  return least;
}

TEST(PipelineAllocation, TheSlowestDeviceIsAsFastAsItCanBe) {
  int impossible = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    base::Random random({seed, 0x73686172ULL});
    const int devices = 1 + static_cast<int>(random.below(4));
    const LayerCosts costs = random_costs(seed, 3, devices);
    PipelineProblem problem =
        random_problem(seed, costs, devices, 1 + static_cast<int>(random.below(10)), 4, true);
    for (PipelineDevice& device : problem.devices) device.memory_bytes *= random.uniform();
    StageTimes times(problem);
    std::vector<int> group(problem.devices.size());
    std::iota(group.begin(), group.end(), 0);
    const std::vector<StageMember> members = allocate(times, {0, 3}, group, 2, 1);
    const double least = least_slowest(times, {0, 3}, group, 0, problem.microbatch, 2);
    if (members.empty()) {
      EXPECT_TRUE(std::isinf(least)) << seed;
      ++impossible;
      continue;
    }
    int samples = 0;
    double slowest = 0;
    for (const StageMember& member : members) {
      EXPECT_GE(member.samples, 1);
      EXPECT_LE(costs.memory_bytes({0, 3}, member.samples, 2, 1),
                problem.devices[member.device].memory_bytes);
      samples += member.samples;
      const PipelineStep pass = times.pass(member.device, {0, 3}, member.samples);
      slowest = std::max(slowest, pass.forward_s + pass.backward_s);
    }
    EXPECT_EQ(samples, problem.microbatch);
    EXPECT_NEAR(slowest, least, 1e-12) << seed;
  }
  EXPECT_GT(impossible, 10);
  EXPECT_LT(impossible, 200);
}

}  // namespace
}  // namespace convoy::sim
