// Tests how a split task is divided between a real node and the coordinator.

#include "sim/task/split_task.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <set>

#include "engine/model/stage.hpp"
#include "sim/schedule/split_update.hpp"
#include "tests/support/split_desk.hpp"

namespace convoy::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::shared_ptr<const engine::Architecture> model() {
  engine::ModelOptions options;
  options.architecture = "cnn-small";
  options.image_size = 16;
  options.classes = 10;
  options.exits = {1};
  return std::make_shared<const engine::Architecture>(engine::make_architecture(options));
}

// The last place where the model can be cut.
int last_cut() {
  const auto a = model();
  return engine::cuts(engine::trace(*a, engine::full_submodel(*a))).back();
}

std::shared_ptr<const TaskGraph> graph_of(const SplitWork& split) {
  const auto setting = split_setting({{"one"}}, 1e9);
  setting->architecture = model();
  LocalWork work;
  work.weight_epochs = 2;
  work.split = split;
  return std::make_shared<const TaskGraph>(make_split(*setting, setting->nodes[1], work).graph);
}

// Goes through the task as the two machines do: each has what it has made and got, and forgets what
// keep_from() says. Nothing that is used is missing.
void expect_enough_is_kept(const SplitTask& split) {
  std::array<std::set<int>, 2> there;
  std::size_t most = 0;
  const auto& all = split.graph().activities();
  for (int i = 0; i < static_cast<int>(all.size()); ++i) {
    const Activity& a = all[static_cast<std::size_t>(i)];
    for (auto& machine : there) {
      machine.erase(machine.begin(), machine.lower_bound(split.keep_from(i)));
    }
    auto& here = there[static_cast<std::size_t>(a.at)];
    for (const int input : split.inputs(i)) {
      EXPECT_TRUE(input == SplitTask::given || here.contains(input)) << "activity " << i;
    }
    const bool is_compute = a.kind == ActivityKind::compute;
    auto& gets = is_compute ? here : there[static_cast<std::size_t>(a.to)];
    if (split.product(i) != SplitTask::given) gets.insert(split.product(i));
    most = std::max(most, there[static_cast<std::size_t>(split.worker())].size());
  }
  EXPECT_LE(most, 6U) << "what is needed no more is not kept";
}

TEST(SplitTask, KeepsWhatIsNeededAndNotMuchElse) {
  for (const SplitWork& work : {SplitWork{.cut = 3}, SplitWork{.cut = 3, .tail = last_cut()},
                                SplitWork{.cut = 3, .recompute = true}}) {
    const auto split = SplitTask::of(graph_of(work));
    ASSERT_TRUE(split);
    EXPECT_EQ(split->why_only_simulated(), "");
    expect_enough_is_kept(*split);
    const auto& all = split->graph().activities();
    for (int i = 0; i < static_cast<int>(all.size()); ++i) {
      const bool is_upload = split->is_transfer_to(i, 0);
      if (split->is_last_upload(i)) {
        EXPECT_TRUE(is_upload);
        for (int j = i + 1; j < static_cast<int>(all.size()); ++j) {
          EXPECT_EQ(all[static_cast<std::size_t>(j)].at, 0);
        }
      }
    }
    EXPECT_TRUE(split->makes_result(static_cast<int>(all.size()) - 1));
  }
}

TEST(SplitTask, ANodeHasItsStagesOnly) {
  EXPECT_THAT(SplitTask::of(graph_of({.cut = 3}))->worker_layers(), ElementsAre(std::pair(0, 3)));
  const auto stages = SplitTask::of(graph_of({.cut = 3, .tail = last_cut()}))->worker_layers();
  ASSERT_EQ(stages.size(), 2U);
  EXPECT_EQ(stages[0], std::pair(0, 3));
  EXPECT_EQ(stages[1].first, last_cut());
}

TEST(SplitTask, AServersPartThatNodesShareIsForSimulatedOnes) {
  const auto split = SplitTask::of(graph_of({.cut = 3, .shared = true}));
  ASSERT_TRUE(split);
  EXPECT_THAT(split->why_only_simulated(), HasSubstr("share"));
}

TEST(SplitTask, ATaskOfWholeModelsIsNone) {
  TaskGraph graph(2);
  const int model = graph.transfer("download", graph.artifact("model", 8, 0), 1);
  const int update =
      graph.compute({.label = "train", .at = 1, .work = engine::Train{}}, {model}, {"update", 8});
  graph.transfer("upload", update, 0);
  EXPECT_FALSE(SplitTask::of(std::make_shared<const TaskGraph>(graph)));
  TaskGraph alone(1);
  alone.compute({.work = engine::Aggregate{}}, {}, {"model", 8});
  EXPECT_FALSE(SplitTask::of(std::make_shared<const TaskGraph>(alone)));
}

TEST(SplitTask, WhatGoesOnAtOnceIsForSimulatedNodes) {
  TaskGraph graph(2);
  const int part = graph.transfer("download", graph.artifact("part", 8, 0), 1);
  const int one =
      graph.compute({.at = 1, .work = engine::Forward{0, 2}}, {part}, {"activation", 8});
  const int other =
      graph.compute({.at = 1, .work = engine::Forward{0, 2, 1, 2}}, {part}, {"activation", 8});
  graph.compute({.at = 0, .work = engine::JoinStages{}},
                {graph.transfer("up", one, 0), graph.transfer("up", other, 0)}, {"update", 8});
  const auto split = SplitTask::of(std::make_shared<const TaskGraph>(graph));
  ASSERT_TRUE(split);
  EXPECT_THAT(split->why_only_simulated(), HasSubstr("one after another"));
}

}  // namespace
}  // namespace convoy::sim
