// Tests the order in which a schedule gets the events of one instant.

#include "sim/task/event.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>
#include <vector>

namespace convoy::sim {
namespace {

// By kind, node and task. The order of occurrence decides only between equal events.
TEST(Events, OfAnInstantComeByKindNodeAndTask) {
  const std::vector<EventKind> kinds = {EventKind::node_joined, EventKind::task_done,
                                        EventKind::published, EventKind::task_failed,
                                        EventKind::timer_fired};
  std::vector<Event> expected;
  for (const EventKind kind : kinds) {
    for (const NodeId node : {0, 1, 2}) {
      for (const TaskId task : {0, 1, 2}) {
        for (int twice = 0; twice < 2; ++twice) {
          expected.push_back({.kind = kind, .node = node, .task = task});
        }
      }
    }
  }
  for (std::size_t i = 0; i < expected.size(); ++i) {
    // The last events occurred first, except for equal ones.
    const std::size_t pair = i / 2;
    expected[i].sequence = static_cast<std::int64_t>(2 * (expected.size() / 2 - 1 - pair) + i % 2);
  }
  std::vector<Event> events = expected;
  std::reverse(events.begin(), events.end());
  std::sort(events.begin(), events.end(), comes_before);
  const auto facts = [](const Event& e) { return std::tuple(e.kind, e.node, e.task, e.sequence); };
  for (std::size_t i = 0; i < events.size(); ++i) EXPECT_EQ(facts(events[i]), facts(expected[i]));
}

}  // namespace
}  // namespace convoy::sim
