// One node plays several roles of a task: the task is one all the same.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/random.hpp"
#include "tests/support/small_world.hpp"

namespace convoy::sim {
namespace {

using test::simple_world;
using test::Witness;

std::shared_ptr<const TaskGraph> two_computes() {
  auto graph = std::make_shared<TaskGraph>(2);
  graph->compute({.label = "first", .at = 0, .seconds = 4}, {}, {"a", 0});
  graph->compute({.label = "second", .at = 1, .seconds = 4}, {}, {"b", 0});
  return graph;
}

class TwoRoles : public testing::TestWithParam<std::uint64_t> {};

// Nodes are lost and come back while such tasks run, and their places are used again: each task has
// one end.
TEST_P(TwoRoles, EachTaskEndsOnce) {
  base::Random random({GetParam(), 0x726f6c6573ULL});
  WorldConfig config = simple_world(3);
  for (NodeId node = 1; node <= 3; ++node) {
    for (double at = 1 + 5 * random.uniform(); at < 60; at += 4 + 10 * random.uniform()) {
      config.nodes[node].behaviour.outages.push_back({at, 1 + 2 * random.uniform()});
    }
  }
  Witness witness;
  World world(config, witness);
  TaskId next = 0;
  std::int64_t timers = 0;
  std::map<TaskId, int> ends;
  std::map<TaskId, std::set<NodeId>> nodes;
  const auto begin = [&] {
    const auto one = static_cast<NodeId>(1 + random.below(3));
    const auto other = random.below(2) == 0 ? one : static_cast<NodeId>(1 + random.below(3));
    if (!world.present(one) || !world.present(other)) {
      world.set_timer(timers++, world.now() + 0.5);
      return;
    }
    ends[next] = 0;
    nodes[next] = {one, other};
    world.start(next++, two_computes(), {one, other});
  };
  witness.on_event = [&](const Event& event) {
    const bool is_end = event.kind == EventKind::task_done || event.kind == EventKind::task_failed;
    if (is_end) ++ends[event.task];
    if ((is_end || event.kind == EventKind::timer_fired) && world.now() < 60) begin();
  };
  for (int i = 0; i < 4; ++i) begin();
  world.run();
  for (const auto& [task, times] : ends) EXPECT_EQ(times, 1) << "task " << task;
  EXPECT_EQ(world.tasks(), 0);
  int failed = 0;
  std::map<NodeId, std::pair<int, int>> counted;  // done, failed
  for (const Event& event : witness.events) {
    failed += event.kind == EventKind::task_failed ? 1 : 0;
    for (const NodeId node : nodes[event.task]) {
      counted[node].first += event.kind == EventKind::task_done ? 1 : 0;
      counted[node].second += event.kind == EventKind::task_failed ? 1 : 0;
    }
  }
  EXPECT_GT(failed, 0);
  for (NodeId node = 1; node <= 3; ++node) {
    EXPECT_EQ(world.usage(node).tasks, counted[node].first) << node;
    EXPECT_EQ(world.usage(node).tasks_failed, counted[node].second) << node;
  }
}

INSTANTIATE_TEST_SUITE_P(, TwoRoles, testing::Range<std::uint64_t>(0, 6));

}  // namespace
}  // namespace convoy::sim
