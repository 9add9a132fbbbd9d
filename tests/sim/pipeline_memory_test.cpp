// Pipelines in the world: memory, weights that are stashed, and at random what every device
// computes, moves and holds.

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "sim/schedule/pipeline_graph.hpp"
#include "sim/task/peak_memory.hpp"
#include "sim/task/pipeline_label.hpp"
#include "tests/support/expect_time.hpp"
#include "tests/support/hand_pipeline.hpp"
#include "tests/support/seed.hpp"

namespace convoy::sim {
namespace {

using test::equal_costs;
using test::hand_problem;
using test::HandCosts;
using test::made_of;
using test::pipedream;
using test::PipelineRuns;
using test::straight;
using test::two_groups;
using test::Windows;
using test::worker;
using enum PipelineOrder;

TEST(PipelineMemory, HoldsAsManyStashesAsItHasInFlight) {
  HandCosts costs = equal_costs(4);
  costs.ahead = costs.back = 1e3;
  costs.weights = 1000;
  costs.stash = 7;
  PipelineRuns runs;
  const std::vector<PipelinePlan> plans = {
      straight(4, 8, Windows::remaining), straight(4, 8, Windows::doubled),
      straight(4, 8, Windows::remaining, gpipe), straight(4, 8, Windows::doubled, gpipe_reverse),
      straight(4, 2, Windows::doubled)};
  for (const PipelinePlan& plan : plans) runs.add(made_of(costs, plan, {.rounds = 2}), worker(1e6));
  runs.run();
  for (std::size_t i = 0; i < plans.size(); ++i) {
    for (int p = 0; p < 4; ++p) {
      const bool all = plans[i].order != one_f_one_b;
      const int stashes = all ? plans[i].microbatches : plans[i].stages[p].window;
      const double expected = costs.memory_bytes({p, p + 1}, 1, stashes, 1);
      EXPECT_EQ(expected, 3000 + 7 * stashes);
      EXPECT_EQ(runs.usage(static_cast<TaskId>(i), p).peak_memory, expected) << i << ", " << p;
      EXPECT_EQ(peak_memory(*runs.made[i].graph, p), expected) << i << ", " << p;
      EXPECT_EQ(peak_memory(*runs.made[i].graph, p, 0), expected) << "another way to find it";
    }
  }
}

TEST(PipelineMemory, WithStashedWeightsAMicroBatchGoesBackWithTheWeightsItCameWith) {
  const HandCosts costs = equal_costs(3);
  const PipelineGraph made = made_of(costs, pipedream(3, 7));
  std::map<std::string, const Activity*> by_label;
  for (const Activity& a : made.graph->activities()) by_label[a.label] = &a;
  for (int p = 0; p < 3; ++p) {
    for (int m = 0; m < 7; ++m) {
      const auto activity = [&](PipelineLabel::Kind kind, int of) {
        return by_label.at(to_text({.kind = kind, .stage = p, .microbatch = of}));
      };
      using enum PipelineLabel::Kind;
      const int went_with = activity(forward, m)->inputs.back();
      EXPECT_EQ(activity(backward, m)->inputs.back(), went_with);
      // With a window of w, micro-batch m goes with what the step of m - w has made.
      const int window = 3 - p;
      const int maker = made.graph->producer(went_with);
      if (m < window) {
        EXPECT_EQ(maker, -1);
      } else {
        EXPECT_EQ(&made.graph->activities()[maker], activity(step, m - window));
      }
    }
  }
}

// Full without flush: after the first has filled it, a stage computes all the time.
TEST(PipelineMemory, WithStashedWeightsNothingIsFlushedAndVersionsAreHeld) {
  HandCosts costs = equal_costs(4);
  costs.weights = 1000;
  costs.stash = 7;
  PipelineRuns runs;
  const TaskId task = runs.add(made_of(costs, pipedream(4, 20)), worker(1e9));
  runs.run();
  EXPECT_TIME(runs.end_of(task), (20 + 4 - 1) * 3);
  for (int p = 0; p < 4; ++p) {
    const double expected = costs.memory_bytes({p, p + 1}, 1, 4 - p, 4 - p);
    EXPECT_EQ(expected, 2000 + 1007 * (4 - p));
    EXPECT_EQ(runs.usage(task, p).peak_memory, expected);
    EXPECT_EQ(peak_memory(*runs.made[0].graph, p), expected);
    EXPECT_EQ(peak_memory(*runs.made[0].graph, p, 0), expected) << "another way to find it";
  }
}

TEST(PipelineMemory, WithStashedWeightsGroupsSumTheirGradientsAfterEachMicroBatch) {
  HandCosts costs = equal_costs(2);
  costs.weights = 1200;
  costs.stash = 7;
  costs.step = 0.5;
  PipelinePlan plan = two_groups(6);
  plan.stashes_weights = true;
  PipelineRuns runs;
  const TaskId task = runs.add(make_pipeline(hand_problem(costs, 5), plan), worker(1e6));
  runs.run();
  EXPECT_GT(runs.end_of(task), 0);
  for (int m = 0; m < 6; ++m) {
    const std::string number = std::to_string(m);
    EXPECT_EQ(runs.witness.records.at({task, "all-reduce" + number + "@0"}).size(), 3 * 4);
    EXPECT_EQ(runs.witness.records.at({task, "step" + number + "@1"}).size(), 2);
  }
  for (int role = 0; role < 5; ++role) {
    const PipelineStage& stage = plan.stages[role < 3 ? 0 : 1];
    const int samples = stage.members[role < 3 ? role : role - 3].samples;
    const double expected = costs.memory_bytes(stage.layers, samples, stage.window, stage.window);
    EXPECT_EQ(runs.usage(task, role).peak_memory, expected) << role;
    EXPECT_EQ(peak_memory(*runs.made[0].graph, role), expected) << role;
    EXPECT_EQ(peak_memory(*runs.made[0].graph, role, 0), expected) << role;
  }
}

// With vertical sync a micro-batch goes through every stage with the version that the first one
// had, and back with the same; so every stage keeps as many versions as the first.
TEST(PipelineMemory, WithVerticalSyncEveryStageHasTheVersionOfTheFirst) {
  HandCosts costs = equal_costs(4);
  costs.weights = 1000;
  costs.stash = 7;
  PipelineRuns runs;
  for (const bool vertical : {false, true}) {
    PipelinePlan plan = pipedream(4, 20);
    plan.vertical_sync = vertical;
    runs.add(made_of(costs, plan), worker(1e9));
  }
  runs.run();
  for (const TaskId task : {0, 1}) {
    const bool vertical = task == 1;
    const TaskGraph& graph = *runs.made[task].graph;
    std::map<std::pair<int, int>, int> forward;  // by stage and micro-batch: steps before
    std::map<std::pair<int, int>, int> backward;
    for (const Activity& a : graph.activities()) {
      const auto label = read_pipeline_label(a.label);
      const bool is_pass = label && a.kind == ActivityKind::compute &&
                           (label->kind == PipelineLabel::Kind::forward ||
                            label->kind == PipelineLabel::Kind::backward);
      if (!is_pass) continue;
      const int made = graph.producer(a.inputs.back());  // the step, of micro-batch n from 0
      const int steps =
          made < 0 ? 0 : 1 + read_pipeline_label(graph.activities()[made].label)->microbatch;
      (label->kind == PipelineLabel::Kind::forward ? forward
                                                   : backward)[{label->stage, label->microbatch}] =
          steps;
    }
    ASSERT_EQ(forward.size(), 4 * 20);
    EXPECT_EQ(forward, backward);
    for (int p = 0; p < 4; ++p) {
      for (int m = 0; m < 20; ++m) {
        const int delay = vertical ? 3 : 3 - p;
        EXPECT_EQ((forward[{p, m}]), std::max(0, m - delay)) << p << " " << m;
      }
      const double expected = costs.memory_bytes({p, p + 1}, 1, 4 - p, vertical ? 4 : 4 - p);
      EXPECT_EQ(runs.usage(task, p).peak_memory, expected) << p;
    }
    EXPECT_TIME(runs.end_of(task), (20 + 4 - 1) * 3);
  }
}

// Up to three stages of up to three devices.
PipelinePlan random_plan(base::Random& random) {
  const auto below = [&](int n) { return static_cast<int>(random.below(n)); };
  PipelinePlan plan{
      .stages = {}, .microbatch = 3 + below(6), .microbatches = 1 + below(7), .planner = ""};
  const int stages = 1 + below(3);
  int devices = 0;
  for (int p = 0; p < stages; ++p) {
    PipelineStage& stage = plan.stages.emplace_back();
    stage.layers = {p, p + 1};
    const int members = 1 + below(3);
    for (int i = 0; i < members; ++i) stage.members.push_back({devices++, 1});
    for (int left = plan.microbatch - members; left > 0; --left) {
      ++stage.members[below(members)].samples;
    }
    const int most = p == 0 ? plan.microbatches : plan.stages[p - 1].window;
    stage.window = 1 + below(most);
  }
  const int order = below(4);
  if (order == 0) plan.order = gpipe;
  if (order == 1) plan.order = gpipe_reverse;
  plan.stashes_weights = order == 3;
  plan.vertical_sync = plan.stashes_weights && below(2) == 0;
  return plan;
}

TEST(PipelineMemory, EveryDeviceComputesMovesAndHoldsWhatItMust) {
  base::Random random({test::drawn_seed()});
  HandCosts costs;
  costs.forward = {0.125, 0.25, 0.5};
  costs.backward = {0.375, 0.75, 0.5};
  costs.ahead = 1000;
  costs.back = 700;
  costs.weights = 600;  // in chunks of whole bytes
  costs.stash = 13;
  costs.step = 0.25;
  std::vector<PipelinePlan> plans;
  PipelineRuns runs;
  for (int i = 0; i < 60; ++i) {
    plans.push_back(random_plan(random));
    runs.add(make_pipeline(hand_problem(costs, 9), plans.back()), worker(1e4, 0.01));
  }
  runs.run();
  for (int i = 0; i < 60; ++i) {
    SCOPED_TRACE(i);
    const PipelinePlan& plan = plans[i];
    const int last = static_cast<int>(plan.stages.size()) - 1;
    const int steps = plan.stashes_weights ? plan.microbatches : 1;
    int role = 0;
    for (int p = 0; p <= last; ++p) {
      const PipelineStage& stage = plan.stages[p];
      const auto n = static_cast<double>(stage.members.size());
      for (const StageMember& member : stage.members) {
        const NodeUsage used = runs.usage(i, role);
        const double pass = member.samples * (costs.forward[p] + costs.backward[p]);
        EXPECT_TIME(used.busy_s, plan.microbatches * pass + steps * costs.step);
        EXPECT_GE(runs.end_of(i) + 1e-9, used.busy_s);
        const double ring = steps * 2 * (n - 1) / n * costs.weights;
        const double in = (p > 0 ? costs.ahead : 0) + (p < last ? costs.back : 0);
        const double out = (p < last ? costs.ahead : 0) + (p > 0 ? costs.back : 0);
        EXPECT_TIME(used.bytes_in, plan.microbatches * member.samples * in + ring);
        EXPECT_TIME(used.bytes_out, plan.microbatches * member.samples * out + ring);
        const int flying = plan.order == one_f_one_b ? stage.window : plan.microbatches;
        const int versions = versions_of(plan, stage);
        const double memory = costs.memory_bytes(stage.layers, member.samples, flying, versions);
        const double peak = peak_memory(*runs.made[i].graph, role);
        EXPECT_EQ(peak_memory(*runs.made[i].graph, role, 0), peak) << "another way to find it";
        EXPECT_EQ(used.peak_memory, peak);
        // With few micro-batches none that are in flight have new weights at the same time.
        const bool fills =
            !plan.stashes_weights || plan.microbatches >= 2 * std::max(flying, versions);
        EXPECT_TRUE(fills ? peak == memory : peak <= memory) << peak << ", " << memory;
        ++role;
      }
    }
  }
}

}  // namespace
}  // namespace convoy::sim
