// Recovery of pipelines after a loss: who has which weights, what moves, by hand and at random.

#include "sim/plan/pipeline_recovery.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/diagnostics.hpp"
#include "sim/plan/asteroid.hpp"
#include "sim/plan/pipeline_marks.hpp"
#include "tests/sim/plan/pipeline_problems.hpp"

namespace convoy::sim {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Six equal layers of 1 s and 2 s; 10 bytes of weights each.
struct Six {
  LayerCosts costs;
  PipelineProblem problem;

  explicit Six(int devices) {
    costs.forward.assign(6, 1);
    costs.backward.assign(6, 2);
    costs.launch.assign(6, 0);
    costs.out.assign(6, 1);
    costs.weights.assign(6, 10);
    costs.kept.assign(6, 1);
    costs.slowness = {1};
    problem = {.costs = &costs, .microbatch = 2, .microbatches = 4};
    for (int i = 0; i < devices; ++i) problem.devices.push_back({"d" + std::to_string(i)});
    problem.bandwidth_bytes_per_s.assign(devices * devices, 10);
  }
};

TEST(PipelineRecovery, AStageOfOneDeviceComesBackFromTheNextOnes) {
  const Six six(3);
  const PipelinePlan plan{
      .stages = {{{0, 2}, {{0, 2}}, 3}, {{2, 4}, {{1, 2}}, 2}, {{4, 6}, {{2, 2}}, 1}},
      .microbatch = 2,
      .microbatches = 4};
  EXPECT_THAT(
      backups_of(six.problem, plan),
      ElementsAre(WeightBackup{0, 0, 1, 20}, WeightBackup{1, 1, 2, 20}, WeightBackup{2, 2, 0, 20}));
  // Device 1 is lost: 3 layers each. Device 2 has its layers 2 and 3; device 0 needs layer 2.
  const PipelineRecovery light = light_replay(six.problem, plan, {1}, {});
  ASSERT_EQ(light.plan.stages.size(), 2);
  EXPECT_EQ(light.plan.stages[0].layers, (LayerRange{0, 3}));
  EXPECT_EQ(light.plan.stages[0].window, 3);
  EXPECT_EQ(light.plan.stages[1].layers, (LayerRange{3, 6}));
  EXPECT_THAT(light.moves, ElementsAre(WeightMove{2, 0, {2, 3}, 10}));
  EXPECT_EQ(light.recovery_s, 1);
  EXPECT_THAT(light.missing, IsEmpty());
  // The comparator gathers 4 layers on device 0, from device 2, and sends it 3.
  const auto again = [](const PipelineProblem& p) { return plan_even(p); };
  const PipelineRecovery full = reschedule(six.problem, plan, {1}, again, {.planning_s = 7});
  EXPECT_THAT(full.gathers, ElementsAre(WeightMove{2, 0, {2, 6}, 40}));
  EXPECT_THAT(full.moves, ElementsAre(WeightMove{0, 2, {3, 6}, 30}));
  EXPECT_EQ(full.recovery_s, 4 + 7 + 3);
  EXPECT_EQ(full.moved_bytes, 70);
  // Device 0 as well: its layers were on device 1.
  const PipelineRecovery both = light_replay(six.problem, plan, {0, 1}, {});
  EXPECT_THAT(both.missing, ElementsAre(LayerRange{0, 2}));
  EXPECT_EQ(both.plan.stages.size(), 1);
  EXPECT_THAT(both.moves, IsEmpty());
  EXPECT_THROW(light_replay(six.problem, plan, {0, 1, 2}, {}), base::UserError);
  EXPECT_THROW(reschedule(six.problem, plan, {0, 1, 2}, again, {}), base::UserError);
}

TEST(PipelineRecovery, AGroupIsItsOwnReplica) {
  const Six six(4);
  const PipelinePlan plan{.stages = {{{0, 3}, {{0, 1}, {1, 1}}, 3}, {{3, 6}, {{2, 1}, {3, 1}}, 1}},
                          .microbatch = 2,
                          .microbatches = 4};
  EXPECT_THAT(backups_of(six.problem, plan), IsEmpty());
  const PipelineRecovery light = light_replay(six.problem, plan, {1}, {});
  EXPECT_THAT(light.missing, IsEmpty());
  EXPECT_EQ(light.plan.stages[0].layers, (LayerRange{0, 2}));  // half as fast now
  EXPECT_THAT(light.plan.stages[0].members, ElementsAre(StageMember{0, 2}));
  EXPECT_THAT(light.moves, ElementsAre(WeightMove{0, 2, {2, 3}, 10}, WeightMove{0, 3, {2, 3}, 10}));
  EXPECT_EQ(light.recovery_s, 2);                                         // device 0 sends both
  const PipelineRecovery idle = light_replay(six.problem, plan, {}, {});  // nobody of it is lost
  EXPECT_THAT(idle.moves, IsEmpty());
  EXPECT_EQ(idle.plan.stages, plan.stages);
}

TEST(PipelineRecovery, WhatDoesNotFitIsSaid) {
  Six six(2);
  const PipelinePlan plan{
      .stages = {{{0, 3}, {{0, 2}}, 3}, {{3, 6}, {{1, 2}}, 1}}, .microbatch = 2, .microbatches = 4};
  for (PipelineDevice& device : six.problem.devices) device.memory_bytes = 120;
  try {
    light_replay(six.problem, plan, {1}, {});
    ADD_FAILURE();
  } catch (const base::UserError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("reschedule"));
  }
}

using Held = std::map<int, std::set<int>>;  // by device: layers

void add(Held& held, int device, LayerRange layers) {
  for (int layer = layers.first; layer < layers.last; ++layer) held[device].insert(layer);
}

// Who has which weights after a loss: its own stage's, and a stage's backup where all of the stage
// are lost.
Held held_after(const PipelineProblem& problem, const PipelinePlan& plan, int lost) {
  Held held;
  for (const PipelineStage& stage : plan.stages) {
    for (const StageMember& member : stage.members) {
      if (member.device != lost) add(held, member.device, stage.layers);
    }
  }
  for (const WeightBackup& backup : backups_of(problem, plan)) {
    if (backup.owner != lost || backup.holder == lost) continue;
    add(held, backup.holder, plan.stages[static_cast<std::size_t>(backup.stage)].layers);
  }
  return held;
}

// Every move is of layers that its sender has; then every device has its stage's, but for what is
// missing.
void expect_weights_come_from_who_has_them(const PipelineRecovery& recovery, Held held) {
  for (const auto* moves : {&recovery.gathers, &recovery.moves}) {
    Held came;
    for (const WeightMove& move : *moves) {
      for (int layer = move.layers.first; layer < move.layers.last; ++layer) {
        EXPECT_TRUE(held[move.from].contains(layer)) << move.from << " has no layer " << layer;
      }
      add(came, move.to, move.layers);
    }
    for (const auto& [device, layers] : came) held[device].insert(layers.begin(), layers.end());
  }
  std::set<int> missing;
  for (const LayerRange& layers : recovery.missing) {
    for (int layer = layers.first; layer < layers.last; ++layer) missing.insert(layer);
  }
  for (const PipelineStage& stage : recovery.plan.stages) {
    for (const StageMember& member : stage.members) {
      for (int layer = stage.layers.first; layer < stage.layers.last; ++layer) {
        EXPECT_TRUE(held[member.device].contains(layer) || missing.contains(layer))
            << member.device << " lacks layer " << layer;
      }
    }
  }
}

// Any device of any plan: every layer is placed and comes from somebody who has it; the light
// replay keeps the order of the groups, and moves no more than the comparator in nearly all cases.
TEST(PipelineRecovery, OfRandomPlans) {
  int light_plans = 0;
  int less = 0;
  int moves_less = 0;
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    base::Random random({seed, 0x6c6f7373ULL});
    const int devices = 2 + static_cast<int>(random.below(5));
    const LayerCosts costs = random_costs(seed, 4 + static_cast<int>(random.below(6)), devices);
    PipelineProblem problem = random_problem(seed, costs, devices, 4, 6, random.below(2) == 0);
    for (PipelineDevice& device : problem.devices) device.memory_bytes *= 2;
    PipelinePlan plan;
    try {
      plan = plan_asteroid(problem, {});
    } catch (const base::UserError&) {
      continue;
    }
    const auto& some = plan.stages[random.below(plan.stages.size())].members;
    const int lost = some[random.below(some.size())].device;
    const auto planner = [](const PipelineProblem& p) { return plan_asteroid(p, {}); };
    try {
      const PipelineRecovery light = light_replay(problem, plan, {lost}, {});
      ++light_plans;
      EXPECT_NO_THROW(check_plan(problem, light.plan));
      EXPECT_TRUE(forecast_round(problem, light.plan).fits());
      const bool is_alone = plan.stages.size() == 1 && some.size() == 1;
      EXPECT_EQ(light.missing.empty(), !is_alone);
      std::vector<int> before;
      for (const PipelineStage& stage : plan.stages) {
        for (const StageMember& member : stage.members) before.push_back(member.device);
      }
      auto at = before.begin();
      for (const PipelineStage& stage : light.plan.stages) {
        for (const StageMember& member : stage.members) {
          EXPECT_NE(member.device, lost);
          at = std::find(at, before.end(), member.device);
          EXPECT_NE(at, before.end()) << "the order of the devices is kept";
        }
      }
      for (const WeightMove& move : light.moves) {
        EXPECT_NE(move.from, lost);
        EXPECT_NE(move.from, move.to);
        EXPECT_NEAR(move.bytes, costs.weight_bytes(move.layers), 1e-6);
      }
      const Held held = held_after(problem, plan, lost);
      expect_weights_come_from_who_has_them(light, held);
      const PipelineRecovery full = reschedule(problem, plan, {lost}, planner, {});
      expect_weights_come_from_who_has_them(full, held);
      EXPECT_NO_THROW(check_plan(problem, full.plan));
      if (light.moved_bytes <= full.moved_bytes) ++moves_less;
      if (light.recovery_s <= full.recovery_s) ++less;
      for (const PipelineStage& stage : full.plan.stages) {
        for (const StageMember& member : stage.members) EXPECT_NE(member.device, lost);
      }
    } catch (const base::UserError&) {
      continue;  // nothing fits, or nobody is left
    }
  }
  EXPECT_GT(light_plans, 100);
  EXPECT_GT(less, light_plans * 9 / 10);
  EXPECT_GT(moves_less, light_plans * 9 / 10);
  std::cout << light_plans << " losses; the light replay is not slower in " << less
            << ", and moves no more in " << moves_less << "\n";
}

}  // namespace
}  // namespace convoy::sim
