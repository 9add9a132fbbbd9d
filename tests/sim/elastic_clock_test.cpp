// Tests the rule by which virtual time waits for real events, with an artificial wall clock: it
// moves only where a test moves it, and a little with each look while the simulation waits.

#include "sim/world/elastic_clock.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <utility>

#include "base/random.hpp"
#include "tests/support/seed.hpp"

namespace convoy::sim {
namespace {

constexpr double never = ElasticClock::never;

// A time of the artificial wall clock, s.
WallTime at(double seconds) { return WallTime(WallSeconds(seconds)); }

class ElasticClockTest : public testing::Test {
 protected:
  explicit ElasticClockTest(ClockOptions options = {})
      : clock(
            options,
            [this] {
              double now = wall;
              while (!wall.compare_exchange_weak(now, now + tick)) {
              }
              return at(now + tick);
            },
            WallSeconds(1e-4)) {}

  // As the simulation does: asks again if it was only to check for other work.
  double next(double now, double horizon) {
    for (int i = 0; i < 1000000; ++i) {
      const double t = clock.next(now, horizon);
      if (t != now || horizon == now) return t;
    }
    return -1;
  }
  std::vector<ElasticClock::Id> ids(double now) {
    std::vector<ElasticClock::Id> all;
    for (const auto& due : clock.take(now)) all.push_back(due.id);
    return all;
  }

  // Without an answer virtual time does not move, however long the simulation waits.
  void expect_waiting(double now, double horizon) {
    for (int look = 0; look < 5; ++look) {
      wall = wall + 10;  // far longer than the clock's patience
      ASSERT_EQ(clock.next(now, horizon), now);
      ASSERT_THAT(ids(now), testing::IsEmpty());
      ASSERT_TRUE(clock.holds());
    }
  }

  std::atomic<double> wall = 100;
  double tick = 0.001;
  ElasticClock clock;
};

TEST_F(ElasticClockTest, WithNothingRealTimeRunsAsFastAsTheSimulation) {
  const double before = wall;
  EXPECT_EQ(clock.next(0, 1e6), 1e6);
  EXPECT_EQ(clock.next(1e6, never), never);
  EXPECT_LT(wall - before, 0.1);
}

TEST_F(ElasticClockTest, AnActivityEndsAfterWhatItTookWhateverTheSimulationDidMeanwhile) {
  const auto a = clock.begin({.time = 5});
  clock.started(a, at(wall));
  const double began = wall;
  wall = wall + 0.5;  // the simulation waits for another activity
  // The simulation's own events before that time may pass at once.
  EXPECT_EQ(next(5, 5.2), 5.2);
  wall = began + 1.25;
  clock.ended(a, at(began + 1.25));
  wall = wall + 3;
  EXPECT_NEAR(next(5.2, 100), 6.25, 2 * tick);
  EXPECT_THAT(ids(6.2505), testing::ElementsAre(a));
  EXPECT_EQ(clock.max_lag_s(), 0);
}

TEST_F(ElasticClockTest, TimeMayNotPassAnActivityUnderWay) {
  const auto a = clock.begin({.time = 0});
  clock.started(a, at(wall));
  const double began = wall;
  EXPECT_EQ(next(0, 2), 2);
  EXPECT_GE(wall - began, 2 - tick) << "virtual time went ahead of wall time";
}

TEST_F(ElasticClockTest, TimeStandsStillUntilANodeSaysThatItHasBegun) {
  const auto a = clock.begin({.time = 1});
  wall = wall + 50;
  EXPECT_EQ(clock.next(1, 1.5), 1) << "it has not begun";
  clock.started(a, at(wall));
  EXPECT_EQ(next(1, 1.5), 1.5);
}

TEST_F(ElasticClockTest, EachHasAnAnchorOfItsOwn) {
  const auto a = clock.begin({.time = 0});
  clock.started(a, at(10));
  const auto b = clock.begin({.time = 0.1});
  clock.started(b, at(20));
  clock.ended(b, at(20.05));
  wall = 11;
  EXPECT_NEAR(next(0.1, never), 0.15, 1e-12);
  EXPECT_THAT(ids(0.15), testing::ElementsAre(b));
  clock.ended(a, at(11.2));
  EXPECT_NEAR(next(0.15, never), 1.2, 1e-12);
}

TEST_F(ElasticClockTest, BeforeSomethingIsDeliveredAllThatMayComeWithItIsKnown) {
  const auto a = clock.begin({.time = 3, .bounds = false});
  const auto b = clock.begin({.time = 3, .bounds = false});
  clock.hold(a, 4);
  clock.hold(b, 4);
  clock.ended(a, at(wall));
  expect_waiting(4, 9);
  clock.ended(b, at(wall));
  EXPECT_EQ(clock.next(4, 9), 4);
  EXPECT_THAT(ids(4), testing::ElementsAre(a, b));
  EXPECT_FALSE(clock.holds());
  EXPECT_EQ(clock.next(4, 9), 9);
}

TEST_F(ElasticClockTest, WhatHappensAtThatInstantByItselfDoesNotBringTheEndsForward) {
  const auto a = clock.begin({.time = 3, .bounds = false});
  const auto b = clock.begin({.time = 3, .bounds = false});
  clock.hold(a, 4);
  clock.hold(b, 4);
  clock.ended(a, at(wall));
  EXPECT_EQ(clock.next(4, 4), 4);  // the simulation has an event at the same instant
  EXPECT_THAT(ids(4), testing::IsEmpty());
  EXPECT_TRUE(clock.holds());
  clock.ended(b, at(wall));
  EXPECT_EQ(clock.next(4, 9), 4);
  EXPECT_THAT(ids(4), testing::ElementsAre(a, b));
}

TEST_F(ElasticClockTest, AMeasuredEndWaitsForWhatMayEndWithIt) {
  const auto a = clock.begin({.time = 0});
  clock.started(a, at(wall));
  clock.ended_after(a, WallSeconds(4));
  const auto b = clock.begin({.time = 4});
  for (int look = 0; look < 5; ++look) {
    wall = wall + 10;
    EXPECT_EQ(clock.next(4, 9), 4);
    EXPECT_THAT(ids(4), testing::IsEmpty()) << "the other has not said that it has begun";
  }
  clock.started(b, at(wall));
  wall = wall + 0.5;
  EXPECT_EQ(clock.next(4, 9), 4);
  EXPECT_THAT(ids(4), testing::ElementsAre(a));
}

TEST_F(ElasticClockTest, WhoIsLostIsNotWaitedForAndTheOthersComeBeforeItsLoss) {
  const auto a = clock.begin({.time = 3, .bounds = false, .node = 1});
  const auto b = clock.begin({.time = 3, .bounds = false, .node = 2});
  clock.hold(a, 4);
  clock.hold(b, 4);
  clock.happened({.node = 5, .present = false});  // another node
  clock.happened({.node = 1, .present = true});
  expect_waiting(4, 9);
  clock.ended(b, at(wall));
  expect_waiting(4, 9);
  clock.happened({.node = 1, .present = false});
  EXPECT_EQ(clock.next(4, 9), 4);
  EXPECT_THAT(ids(4), testing::ElementsAre(b));
  EXPECT_FALSE(clock.holds());
  double now = 4;
  for (const NodeId node : {5, 1, 1}) {
    const double then = std::exchange(now, next(now, 9));
    EXPECT_GT(now, then);
    EXPECT_LT(now, 4 + 1e-6);
    const auto due = clock.take(now);
    ASSERT_EQ(due.size(), 1U);
    EXPECT_EQ(due[0].presence.node, node);
  }
  clock.withdraw(a);
  EXPECT_EQ(clock.next(now, 9), 9);
}

TEST_F(ElasticClockTest, AnInstantAtWhichAllAreLostIsCompleteToo) {
  const auto a = clock.begin({.time = 3, .bounds = false, .node = 1});
  clock.hold(a, 4);
  expect_waiting(4, 9);
  clock.happened({.node = 1, .present = false});
  EXPECT_EQ(clock.next(4, 9), 4);
  EXPECT_THAT(ids(4), testing::IsEmpty());
  EXPECT_FALSE(clock.holds()) << "what else happened at this instant need not wait any more";
}

TEST_F(ElasticClockTest, AFailureEndsTheWaitAndComesAMomentAfterTheOthers) {
  const auto a = clock.begin({.time = 3, .bounds = false, .node = 1});
  const auto b = clock.begin({.time = 3, .bounds = false, .node = 2});
  clock.hold(a, 4);
  clock.hold(b, 4);
  clock.failed(a, Cause::timed_out, "no answer");
  expect_waiting(4, 9);
  clock.ended(b, at(wall));
  EXPECT_EQ(clock.next(4, 9), 4);
  EXPECT_THAT(ids(4), testing::ElementsAre(b));
  const double then = next(4, 9);
  EXPECT_GT(then, 4);
  EXPECT_LT(then, 4 + 1e-6);
  const auto due = clock.take(then);
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].id, a);
  EXPECT_EQ(due[0].cause, Cause::timed_out);
}

TEST_F(ElasticClockTest, WhatIsReplayedIsHeldNoLongerThanItWasThen) {
  const auto ended = clock.begin({.time = 3, .bounds = false, .node = 1});
  clock.ended_at(ended, 3);
  const auto refused = clock.begin({.time = 3, .bounds = false, .node = 2});
  clock.failed_at(refused, 4 + 1e-7, Cause::refused);
  const auto lost = clock.begin({.time = 3, .bounds = false, .node = 3});
  clock.ended_at(lost, never);  // its node was lost, a moment afterwards
  clock.schedule(4 + 2e-7, {.node = 3, .present = false});
  for (const auto id : {ended, refused, lost}) clock.hold(id, 4);
  const double before = wall;
  EXPECT_EQ(clock.next(4, 9), 4);
  EXPECT_THAT(ids(4), testing::ElementsAre(ended));
  EXPECT_FALSE(clock.holds());
  EXPECT_EQ(clock.next(4, 9), 4 + 1e-7);
  EXPECT_THAT(ids(4 + 1e-7), testing::ElementsAre(refused));
  EXPECT_EQ(clock.next(4 + 1e-7, 9), 4 + 2e-7);
  EXPECT_THAT(ids(4 + 2e-7), testing::ElementsAre(0));
  clock.withdraw(lost);
  EXPECT_EQ(clock.next(4 + 2e-7, 9), 9);
  EXPECT_LT(wall - before, 0.1);
}

// For answers in any order before, at and long after the instant at which activities are held:
// virtual time stands still until the last answer; then all that ended are delivered at once, and
// the others a moment later.
TEST_F(ElasticClockTest, WhateverTheOrderOfTheAnswersTheInstantIsOne) {
  const std::uint64_t seed = test::drawn_seed();
  base::Random random({seed});
  double now = 1;
  for (int round = 0; round < 300; ++round) {
    SCOPED_TRACE(round);
    const auto count = 1 + static_cast<int>(random.below(6));
    std::vector<ElasticClock::Id> ended;
    std::vector<ElasticClock::Id> failed;
    std::vector<ElasticClock::Id> all;
    int lost = 0;
    std::vector<std::pair<double, std::function<void()>>> answers;  // by time
    for (int i = 0; i < count; ++i) {
      const NodeId node = i + 1;
      const auto id = clock.begin({.time = now - random.uniform(), .bounds = false, .node = node});
      all.push_back(id);
      const double when = random.uniform();
      const auto kind = random.below(5);
      if (random.below(2) == 0) clock.started(id, at(wall));
      if (kind == 0) {
        ++lost;
        answers.emplace_back(when, [&, node] { clock.happened({.node = node, .present = false}); });
      } else if (kind == 1) {
        failed.push_back(id);
        answers.emplace_back(when, [&, id] { clock.failed(id, Cause::failed, ""); });
      } else {
        ended.push_back(id);
        if (kind == 2) clock.stopped(id, at(wall));
        answers.emplace_back(when, [&, id] { clock.ended(id, at(wall)); });
      }
    }
    std::sort(answers.begin(), answers.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    // Some answers may come before the hold: only ends, since failures are delivered at once.
    std::size_t told = 0;
    for (const auto id : ended) {
      if (random.below(4) == 0) clock.ended(id, at(wall));
    }
    for (const auto id : all) clock.hold(id, now);
    const double horizon = now + 0.1 + random.uniform();
    for (; told < answers.size(); ++told) {
      answers[told].second();
      if (told + 1 == answers.size() || random.below(3) > 0) continue;
      wall = wall + random.exponential(1);
      const double next = clock.next(now, horizon);
      ASSERT_EQ(next, now);
      const std::vector<ElasticClock::Id> came = ids(now);
      // All activities that are still held may have answered already.
      if (clock.holds()) {
        ASSERT_THAT(came, testing::IsEmpty());
      } else {
        ASSERT_EQ(came, std::exchange(ended, {}));
        for (; told + 1 < answers.size(); ++told) answers[told + 1].second();
      }
    }
    if (clock.holds()) {
      ASSERT_EQ(clock.next(now, horizon), now);
      ASSERT_EQ(ids(now), ended);
      ASSERT_FALSE(clock.holds());
    }
    // The others, each loss at an instant of its own.
    const double instant = now;
    std::vector<ElasticClock::Id> came;
    int losses = 0;
    while (came.size() < failed.size() || losses < lost) {
      now = clock.next(now, horizon);
      ASSERT_GT(now, instant);
      ASSERT_LT(now, instant + 1e-5);
      for (const auto& due : clock.take(now)) {
        if (due.id == 0) {
          ++losses;
        } else {
          came.push_back(due.id);
        }
      }
    }
    std::sort(came.begin(), came.end());
    ASSERT_EQ(came, failed);
    for (const auto id : all) clock.withdraw(id);
    ASSERT_EQ(clock.next(now, std::max(now, horizon)), std::max(now, horizon));
    now = std::max(now, horizon) + 1;
  }
  EXPECT_EQ(clock.max_lag_s(), 0);
}

TEST_F(ElasticClockTest, WhatAModelSaysEndsThenAndWaitsOnlyForWhatItBrings) {
  const auto early = clock.begin({.time = 0, .bounds = false});
  clock.started(early, at(wall));
  clock.ended(early, at(wall + 7));
  EXPECT_EQ(clock.next(0, 2), 2) << "a modelled activity holds nobody up";
  clock.hold(early, 2);
  EXPECT_EQ(clock.next(2, 50), 2);
  EXPECT_THAT(ids(2), testing::ElementsAre(early));

  const auto late = clock.begin({.time = 2, .bounds = false});
  clock.hold(late, 3);
  EXPECT_EQ(clock.next(3, 3.5), 3);
  clock.started(late, at(wall));  // a late start notice does not change the end
  wall = wall + 5;
  clock.ended(late, at(wall));
  EXPECT_EQ(clock.next(3, 3.5), 3);
  EXPECT_THAT(ids(3), testing::ElementsAre(late));
}

TEST_F(ElasticClockTest, AStoppedOneKeepsItsEndWhileItIsLookedAt) {
  const auto a = clock.begin({.time = 0});
  clock.started(a, at(wall));
  const double began = wall;
  wall = began + 1;
  clock.stopped(a, at(began + 1));
  wall = began + 9;  // unpacking took long
  EXPECT_EQ(clock.next(0, 5), 0) << "virtual time stays before the end";
  clock.ended(a, at(wall));
  EXPECT_NEAR(next(0, 5), 1, 2 * tick);
  EXPECT_EQ(clock.max_lag_s(), 0);
}

TEST_F(ElasticClockTest, ALateNoticeIsDeliveredNowAtAnInstantOfItsOwnAndCounted) {
  const auto a = clock.begin({.time = 0});
  clock.started(a, at(wall));
  EXPECT_EQ(next(0, 1), 1);
  clock.ended_after(a, WallSeconds(0.75));
  const double t = next(1, 2);
  EXPECT_GT(t, 1);
  EXPECT_LT(t, 1 + 1e-6);
  const auto due = clock.take(t);
  ASSERT_EQ(due.size(), 1U);
  EXPECT_NEAR(due[0].late_s, 0.25, 1e-6);
  EXPECT_NEAR(clock.max_lag_s(), 0.25, 1e-6);
  EXPECT_NEAR(clock.max_lag_s(), 0.25, 1e-6);
}

TEST_F(ElasticClockTest, AnAllowanceHoldsTheBoundBackForNoticesOnTheirWay) {
  const auto a = clock.begin({.time = 0});
  clock.started(a, at(wall), WallSeconds(0.2));
  const double began = wall;
  EXPECT_EQ(next(0, 1), 1);
  EXPECT_GE(wall - began, 1.2 - tick);
  clock.ended_after(a, WallSeconds(1.1));
  EXPECT_NEAR(next(1, 2), 1.1, 1e-12);
  clock.take(1.1);
  EXPECT_EQ(clock.max_lag_s(), 0);
}

TEST_F(ElasticClockTest, WhoIsGivenUpHoldsNobodyUp) {
  const auto a = clock.begin({.time = 0});
  EXPECT_EQ(clock.next(0, 3), 0);
  clock.withdraw(a);
  EXPECT_EQ(clock.next(0, 3), 3);
  clock.ended(a, at(wall));  // a result of an activity that was given up
  EXPECT_THAT(clock.take(3), testing::IsEmpty());
}

TEST_F(ElasticClockTest, WhatComesFromOutsideWaitsForNobodyAndIsNeverOneInstant) {
  clock.begin({.time = 2});  // never reports its start
  clock.happened({.node = 4, .present = false});
  clock.happened({.node = 4, .present = true});
  std::vector<double> times;
  std::vector<bool> present;
  double now = 2;
  for (int i = 0; i < 2; ++i) {
    now = next(now, 50);
    const auto due = clock.take(now);
    ASSERT_EQ(due.size(), 1U);
    EXPECT_EQ(due[0].id, 0);
    times.push_back(now);
    present.push_back(due[0].presence.present);
  }
  EXPECT_LT(2, times[0]);
  EXPECT_LT(times[0], times[1]);
  EXPECT_LT(times[1], 2 + 1e-6);
  EXPECT_THAT(present, testing::ElementsAre(false, true));
}

TEST_F(ElasticClockTest, AFailureIsToldAtOnce) {
  const auto a = clock.begin({.time = 1, .bounds = false});
  clock.failed(a, Cause::out_of_memory, "too large");
  const double t = clock.next(1, 60);
  EXPECT_LT(t, 1 + 1e-6);
  const auto due = clock.take(t);
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].cause, Cause::out_of_memory);
  EXPECT_EQ(due[0].detail, "too large");
}

TEST_F(ElasticClockTest, WhatIsKnownBeforehandTakesNoTime) {
  const auto a = clock.begin({.time = 0});
  clock.ended_at(a, 300);
  const auto b = clock.begin({.time = 0});
  clock.ended_at(b, never);
  clock.schedule(200, {.node = 1, .present = false});
  const double before = wall;
  EXPECT_EQ(clock.next(0, never), 200);
  EXPECT_EQ(clock.take(200).size(), 1U);
  EXPECT_EQ(clock.next(200, never), 300);
  EXPECT_THAT(ids(300), testing::ElementsAre(a));
  EXPECT_EQ(clock.next(300, never), never);
  EXPECT_LT(wall - before, 0.1);
}

TEST_F(ElasticClockTest, NothingHappensBeforeTheRecordingEnds) {
  clock.live_from(40);
  const auto a = clock.begin({.time = 10});
  clock.happened({.node = 1, .present = true});
  EXPECT_EQ(clock.next(10, 39), 39) << "the recording goes on meanwhile";
  clock.ended_after(a, WallSeconds(3));
  EXPECT_EQ(next(39, never), 40);
  EXPECT_EQ(clock.take(40).size(), 2U);
}

TEST_F(ElasticClockTest, ANodeThatIsAwayIsToldAlsoAMomentBeforeWhatIsLive) {
  clock.live_from(40);
  clock.begin({.time = 10});  // of an absent node: no end will be reported
  clock.happened({.node = 1, .present = false});
  const auto b = clock.begin({.time = 20});
  // Ends at the end of the recording, as far as the other activity lets time go.
  clock.ended_after(b, WallSeconds(1));
  for (const double short_of : {1e-9, 1e-7 - 1e-12}) {  // rounding stopped slightly before 40
    const double now = 40 - short_of;
    const double told = clock.next(now, 41);
    EXPECT_NEAR(told, 40, 1e-6);
    EXPECT_GT(told, now);
  }
  EXPECT_FALSE(clock.take(40 + 1e-6).empty());
}

TEST_F(ElasticClockTest, ARunAtRestWaitsWhileSomebodyMayCome) {
  clock.expect(true);
  EXPECT_EQ(clock.next(7, never), 7);
  clock.expect(false);
  EXPECT_EQ(clock.next(7, never), never);
  clock.expect(true);
  clock.close();
  EXPECT_EQ(clock.next(7, never), never);
}

class PacedClockTest : public ElasticClockTest {
 protected:
  PacedClockTest() : ElasticClockTest({ClockMode::paced, 10}) {}
};

TEST_F(PacedClockTest, FollowsTheWallByItsFactorAlsoWithNothingReal) {
  EXPECT_EQ(clock.next(0, 0), 0);
  const double began = wall;
  EXPECT_EQ(next(0, 5), 5);
  EXPECT_NEAR(wall - began, 0.5, 0.1);
}

TEST_F(PacedClockTest, MeasuredTimeCountsByTheFactor) {
  EXPECT_EQ(clock.next(0, 0), 0);
  const auto a = clock.begin({.time = 0});
  const double began = wall;
  clock.started(a, at(began));
  clock.ended(a, at(began + 2));
  EXPECT_NEAR(next(0, never), 20, 0.2);
}

TEST_F(PacedClockTest, AnAllowanceIsWallTime) {
  EXPECT_EQ(clock.next(0, 0), 0);
  const auto a = clock.begin({.time = 0});
  clock.started(a, at(wall), WallSeconds(0.2));
  const double began = wall;
  EXPECT_EQ(next(0, 10), 10);
  EXPECT_GE(wall - began, 1.2 - 10 * tick);
}

}  // namespace
}  // namespace convoy::sim
