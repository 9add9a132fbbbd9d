// Tests the events of one instant, with cancelled tasks.

#include "sim/run/instant.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "sim/run/goals.hpp"
#include "sim/task/event.hpp"

namespace convoy::sim {
namespace {

constexpr std::int64_t over = -7;

Event of_task(EventKind kind, TaskId task) {
  return {.kind = kind, .node = static_cast<NodeId>(task), .task = task};
}

TEST(Instant, GivesItsEventsInOrderAndSaysWhichIsTheLast) {
  Instant instant({of_task(EventKind::task_failed, 1), of_task(EventKind::task_done, 3),
                   of_task(EventKind::task_done, 2)},
                  {.timer = over}, [](const Event&) { return false; });
  EXPECT_EQ(instant.next()->task, 2);
  EXPECT_EQ(instant.next()->task, 3);
  const std::optional<Event> last = instant.next();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->task, 1);
  EXPECT_TRUE(last->last);
  EXPECT_FALSE(instant.next());
}

TEST(Instant, OfEventsThatAreAllVoidHasNone) {
  Instant instant({of_task(EventKind::task_done, 1)}, {.timer = over},
                  [](const Event&) { return true; });
  EXPECT_FALSE(instant.next());
}

// With any cancellations: no event of a cancelled task comes, all others come once and in order,
// and exactly the last one is marked as last, unless there was none from the beginning.
TEST(Instant, EndsOnceWhateverIsCancelledInIt) {
  std::mt19937 random(7);
  for (int trial = 0; trial < 2000; ++trial) {
    std::vector<Event> events;
    for (int i = 0; i < static_cast<int>(random() % 6); ++i) {
      events.push_back(
          of_task(random() % 2 == 0 ? EventKind::task_done : EventKind::task_failed, i));
    }
    const std::size_t all = events.size();
    std::shuffle(events.begin(), events.end(), random);
    std::set<TaskId> cancelled;
    Instant instant(std::move(events), {.kind = EventKind::timer_fired, .timer = over},
                    [&](const Event& e) { return cancelled.contains(e.task); });
    std::set<TaskId> given;
    std::optional<Event> before;
    int lasts = 0;
    while (const std::optional<Event> event = instant.next()) {
      lasts += event->last ? 1 : 0;
      if (before) {
        EXPECT_FALSE(before->last);
        EXPECT_TRUE(comes_before(*before, *event));
      }
      before = event;
      if (event->timer == over) continue;
      EXPECT_FALSE(cancelled.contains(event->task));
      EXPECT_TRUE(given.insert(event->task).second);
      while (random() % 2 == 0) cancelled.insert(static_cast<TaskId>(random() % 6));
    }
    EXPECT_EQ(lasts, all > 0 ? 1 : 0);
    for (std::size_t i = 0; i < all; ++i) {
      const auto task = static_cast<TaskId>(i);
      EXPECT_TRUE(given.contains(task) || cancelled.contains(task));
    }
  }
}

TEST(Goals, AreReachedByRoundsOrByUpdates) {
  StopOptions stop;
  stop.rounds = 3;
  stop.tasks = 10;
  Goals goals(stop);
  goals.published(4);
  EXPECT_FALSE(goals.are_reached());
  EXPECT_DOUBLE_EQ(goals.share(99), 0.4);
  goals.published(6);
  EXPECT_TRUE(goals.are_reached());
  EXPECT_EQ(goals.version(), 2);
  EXPECT_DOUBLE_EQ(goals.share(99), 1);
}

}  // namespace
}  // namespace convoy::sim
