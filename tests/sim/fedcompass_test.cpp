// FedCompass: groups of arrival by hand, and what the schedule around them does with who comes, who
// is late and who is lost.

#include "sim/schedule/fedcompass.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <map>
#include <set>

#include "sim/schedule/kinds.hpp"
#include "tests/support/desk.hpp"

namespace convoy::sim {
namespace {

using testing::ElementsAre;

constexpr CompassOptions ten_steps{.max_steps = 10};  // Q_min 2, up to 12 for who joins

void expect_place(const Arrivals::Place& place, Arrivals::GroupId group, int steps, bool is_new,
                  double latest) {
  EXPECT_EQ(place.group, group);
  EXPECT_EQ(place.steps, steps);
  EXPECT_EQ(place.is_new, is_new);
  EXPECT_NEAR(place.latest, latest, 1e-9);
}

// Speeds 0.6, 1, 1.75 and 2 s for a step; each first task has 10 steps.
TEST(Arrivals, OfFourClientsByHand) {
  Arrivals all(ten_steps);
  all.measured(4, 6, 10);
  expect_place(all.place(4, 6), 0, 10, true, 6 + 1.5 * 6);  // expected at 12
  all.measured(1, 10, 10);
  expect_place(all.place(1, 10), 0, 2, false, 15);  // (12 - 10) / 1
  EXPECT_TRUE(all.arrived(4, 0, 12));
  EXPECT_TRUE(all.complete().empty());
  EXPECT_TRUE(all.arrived(1, 0, 12));
  EXPECT_THAT(all.complete(), ElementsAre(0));
  all.taken(0);
  EXPECT_TRUE(all.complete().empty());

  expect_place(all.place(4, 12), 1, 10, true, 12 + 9);  // expected at 18
  expect_place(all.place(1, 12), 1, 6, false, 21);
  // Of the group of 18 s half a second is left: a new one, which arrives when the fastest of that
  // group has done ten steps more, (21 + 6 - 17.5) / 1.75 = 5.43.
  all.measured(2, 17.5, 10);
  expect_place(all.place(2, 17.5), 2, 5, true, 17.5 + 1.5 * 5 * 1.75);  // expected at 26.25
  EXPECT_TRUE(all.arrived(4, 1, 18));
  EXPECT_TRUE(all.arrived(1, 1, 18));
  all.taken(1);
  // (26.25 - 18) / 0.6 = 13.75 are too many even for who joins; and so many that (30.625 + 17.5 -
  // 18) / 0.6 are no number of steps of a new group: all ten.
  expect_place(all.place(4, 18), 3, 10, true, 18 + 9);  // expected at 24
  expect_place(all.place(1, 18), 2, 8, false, 30.625);  // not 6 of the group of 24 s
  all.measured(3, 20, 10);
  expect_place(all.place(3, 20), 2, 3, false, 30.625);  // not 2
}

TEST(Arrivals, WhoJoinsMayHaveMoreStepsThanOthersHave) {
  Arrivals all(ten_steps);
  all.measured(1, 12, 10);
  all.place(1, 0);  // expected at 12
  all.measured(2, 10, 10);
  expect_place(all.place(2, 0), 0, 12, false, 18);
  CompassOptions strict = ten_steps;
  strict.join_factor = 1;
  Arrivals others(strict);
  others.measured(1, 12, 10);
  others.place(1, 0);
  others.measured(2, 10, 10);
  EXPECT_TRUE(others.place(2, 0).is_new);
}

TEST(Arrivals, OfEqualGroupsTheLatestIsJoined) {
  Arrivals all(ten_steps);
  all.measured(1, 10, 10);
  all.place(1, 0);  // expected at 10
  all.measured(2, 0.5, 10);
  expect_place(all.place(2, 9), 1, 10, true, 9.75);  // too fast to join; expected at 9.5
  all.measured(3, 7, 10);
  expect_place(all.place(3, 8), 1, 2, false, 9.75);  // 2 / 0.7 and 1.5 / 0.7 are two steps both
}

// Whose steps until the others come again are below the least has the least.
TEST(Arrivals, ANewGroupHasAtLeastTheLeast) {
  Arrivals all(ten_steps);
  all.measured(1, 1, 10);
  all.place(1, 0);  // expected at 1, at the latest at 1.5
  all.measured(2, 20, 10);
  expect_place(all.place(2, 1), 1, 2, true, 1 + 1.5 * 4);  // (1.5 + 1 - 1) / 2 is none
}

// A group whose latest arrival is over is of no account for new ones.
TEST(Arrivals, GroupsThatAreOverdueGiveNoBearing) {
  Arrivals all(ten_steps);
  all.measured(1, 10, 10);
  all.place(1, 0);  // at the latest at 15
  all.measured(2, 20, 10);
  EXPECT_EQ(all.place(2, 14).steps, 5);  // (15 + 10 - 14) / 2
  Arrivals late(ten_steps);
  late.measured(1, 10, 10);
  late.place(1, 0);
  late.measured(2, 20, 10);
  EXPECT_EQ(late.place(2, 15).steps, 10);
}

TEST(Arrivals, ExactlyAtTheLatestIsInTime) {
  Arrivals all(ten_steps);
  for (const NodeId node : {1, 2, 3}) all.measured(node, 10, 10);
  for (const NodeId node : {1, 2, 3}) all.place(node, 0);  // at the latest at 15
  EXPECT_TRUE(all.arrived(1, 0, 15));
  EXPECT_FALSE(all.arrived(2, 0, 15.001));
  EXPECT_TRUE(all.has_arrived(0));
  all.taken(0);
  EXPECT_FALSE(all.arrived(3, 0, 10)) << "the group was taken";
  EXPECT_FALSE(all.has_arrived(0));
}

TEST(Arrivals, SpeedsAreRunningMeans) {
  Arrivals all(ten_steps);
  EXPECT_FALSE(all.speed(1));
  all.measured(1, 20, 10);
  EXPECT_DOUBLE_EQ(*all.speed(1), 2);
  all.measured(1, 5, 5);
  EXPECT_DOUBLE_EQ(*all.speed(1), 0.1 * 2 + 0.9 * 1);
}

// --- the schedule -------------------------------------------------------------------------------

FedCompassOptions options_of(const CompassOptions& compass) {
  FedCompassOptions options;
  options.compass = compass;
  return options;
}

class Compass : public testing::Test {
 protected:
  explicit Compass(int workers = 3)
      : desk(std::make_unique<FedCompass>(setting_of(workers), options_of(ten_steps))) {}

  static Event at(double time, Event event) {
    event.time = time;
    return event;
  }
  Event lost(NodeId node) { return {.kind = EventKind::node_lost, .node = node}; }
  Event joined(NodeId node) { return {.kind = EventKind::node_joined, .node = node}; }
  Event timer(std::int64_t number) { return {.kind = EventKind::timer_fired, .timer = number}; }
  // The task that a node has.
  TaskId task_of(NodeId node) const {
    for (const auto& [task, at] : desk.open) {
      if (at == node) return task;
    }
    return no_task;
  }
  int steps_of(NodeId node) const {
    for (const Assign& assign : desk.assigned) {
      if (assign.task != task_of(node)) continue;
      for (const Activity& a : assign.graph->activities()) {
        if (a.label == "train") return *std::get<engine::Train>(a.work).steps;
      }
    }
    return 0;
  }
  void end(double time, std::vector<NodeId> nodes) {
    std::vector<Event> events;
    for (const NodeId node : nodes) events.push_back(at(time, desk.done(task_of(node))));
    desk.give(events);
  }
  void publish(double time) { desk.give({at(time, desk.aggregated())}); }
  // Nodes 1, 2, 3 measured with 1 s a step: a group that begins at 10, expected at 20, at the
  // latest at 25.
  void measure() {
    end(10, {1, 2, 3});
    while (!desk.under_way.empty()) desk.give({at(10, desk.aggregated())});
    desk.timers_cancelled = 0;
  }

  Desk desk;
};

TEST_F(Compass, FirstTasksAreMeasuredAndAggregatedAlone) {
  EXPECT_EQ(desk.open.size(), 3);
  for (const NodeId node : {1, 2, 3}) EXPECT_EQ(steps_of(node), 10);
  EXPECT_TRUE(desk.timers.empty());
  end(10, {1, 2});
  ASSERT_EQ(desk.under_way.size(), 2);
  EXPECT_EQ(desk.under_way[0].consumes, std::vector<TaskId>{0});
  EXPECT_EQ(desk.open.size(), 1) << "they wait for the version with their update";
  publish(10.5);
  EXPECT_EQ(desk.base.at(task_of(1)), 1);
  EXPECT_EQ(steps_of(1), 10);
  ASSERT_EQ(desk.timers.size(), 1);
  EXPECT_DOUBLE_EQ(desk.timers[0].time, 10.5 + 15);
  publish(11);
  EXPECT_EQ(steps_of(2), 9) << "it joins: (20.5 - 11) / 1";
  EXPECT_EQ(desk.timers.size(), 1);
}

TEST_F(Compass, AGroupIsAggregatedWhenAllHaveArrivedAndGoesOnFastestFirst) {
  end(10, {3});
  publish(10);  // group 0: expected at 20
  end(12, {2});
  publish(12);  // 1.2 s a step: joins with 6
  EXPECT_EQ(steps_of(2), 6);
  end(15, {1});
  publish(15);  // 1.5 s a step: joins with 3
  EXPECT_EQ(steps_of(1), 3);
  end(19, {2});
  end(20, {3});
  EXPECT_TRUE(desk.under_way.empty());
  end(20, {1});
  ASSERT_EQ(desk.under_way.size(), 1);
  EXPECT_EQ(desk.under_way[0].consumes.size(), 3);
  EXPECT_EQ(desk.timers_cancelled, 1);
  desk.assigned.clear();
  publish(21);
  std::vector<NodeId> order;
  for (const Assign& assign : desk.assigned) order.push_back(assign.worker_node());
  EXPECT_THAT(order, ElementsAre(3, 2, 1)) << "the fastest first";
  EXPECT_EQ(steps_of(3), 10);
  EXPECT_EQ(desk.last_staleness, (std::vector<std::int64_t>{2, 1, 0}))
      << "the versions that the first tasks of others made meanwhile";
}

TEST_F(Compass, AtItsLatestArrivalAGroupIsAggregatedWithoutTheRest) {
  measure();
  end(20, {1, 2});
  EXPECT_TRUE(desk.under_way.empty());
  desk.give({at(25, timer(desk.timers.back().timer))});
  ASSERT_EQ(desk.under_way.size(), 1);
  EXPECT_EQ(desk.under_way[0].consumes.size(), 2);
  publish(26);
  const TaskId late = task_of(3);
  end(30, {3});
  EXPECT_TRUE(desk.under_way.empty()) << "into the general buffer";
  EXPECT_GT(task_of(3), late) << "given work at once";
  EXPECT_EQ(desk.base.at(task_of(3)), 4);
  EXPECT_EQ(steps_of(3), 3) << "into their group: (36 - 30) / 1.9";
  // That takes it along.
  end(36, {1, 2, 3});
  ASSERT_EQ(desk.under_way.size(), 1);
  EXPECT_EQ(desk.under_way[0].consumes.size(), 4);
  EXPECT_EQ(std::count(desk.under_way[0].consumes.begin(), desk.under_way[0].consumes.end(), late),
            1);
}

TEST_F(Compass, WhereNobodyHasArrivedTheLatestArrivalPasses) {
  measure();
  desk.give({at(25, timer(desk.timers.back().timer))});
  EXPECT_TRUE(desk.under_way.empty());
  end(26, {1});
  EXPECT_TRUE(desk.under_way.empty()) << "late, into the general buffer";
  EXPECT_EQ(desk.open.size(), 3);
}

TEST_F(Compass, WhoIsLostIsNotWaitedFor) {
  measure();
  end(20, {1, 2});
  desk.give({at(21, lost(3)), at(21, desk.failed(task_of(3), Cause::node_lost))});
  ASSERT_EQ(desk.under_way.size(), 1);
  EXPECT_EQ(desk.under_way[0].consumes.size(), 2);
  publish(22);
  EXPECT_EQ(desk.open.size(), 2);
  desk.give({at(23, joined(3))});
  EXPECT_EQ(steps_of(3), 9) << "it was measured before: (32 - 23) / 1";
}

TEST_F(Compass, WhoIsLostWhileItWaitsComesBack) {
  measure();
  end(20, {1, 2});
  desk.give({at(20.5, lost(1))});
  end(21, {3});
  publish(22);
  EXPECT_EQ(desk.open.size(), 2);
  desk.give({at(23, joined(1))});
  EXPECT_EQ(desk.open.size(), 3);
}

TEST_F(Compass, WhoIsLostInItsFirstTaskIsMeasuredWhenItIsBack) {
  desk.give({at(3, lost(2)), at(3, desk.failed(task_of(2), Cause::node_lost))});
  desk.give({at(4, joined(2))});
  EXPECT_EQ(steps_of(2), 10);
  end(24, {2});
  publish(24);
  EXPECT_DOUBLE_EQ(desk.timers.back().time, 24 + 1.5 * 10 * 2) << "2 s for a step";
}

TEST_F(Compass, AFailedTaskIsGivenAgain) {
  measure();
  const TaskId before = task_of(1);
  desk.give({at(15, desk.failed(before, Cause::diverged))});
  EXPECT_GT(task_of(1), before);
  EXPECT_EQ(steps_of(1), 5) << "back into its group";
}

TEST_F(Compass, WhatIsInTheGeneralBufferIsNotForgottenWhenNobodyIsLeft) {
  measure();
  desk.give({at(25, timer(desk.timers.back().timer))});
  const TaskId late = task_of(1);
  end(26, {1});
  std::vector<Event> events = {at(27, lost(1)), at(27, lost(2)), at(27, lost(3))};
  for (const NodeId node : {1, 2, 3}) {
    events.push_back(at(27, desk.failed(task_of(node), Cause::node_lost)));
  }
  desk.give(events);
  ASSERT_EQ(desk.under_way.size(), 1);
  EXPECT_EQ(desk.under_way[0].consumes, std::vector<TaskId>{late});
}

TEST(FedCompass, ReadsItsKeysAndHasItsRule) {
  base::Diagnostics problems;
  const base::Value root = base::parse_toml(
      "[own]\nmax_steps = 50\nmin_share = 0.1\nlambda = 2\nmomentum = 1\njoin_factor = 1\n",
      "t.toml", problems);
  base::TableReader common(root, "schedule", problems);
  base::TableReader own = common.table("own");
  const FedCompassOptions options = read_fedcompass(common, own);
  EXPECT_EQ(problems.str(), "");
  EXPECT_EQ(options.compass.min_steps(), 5);
  EXPECT_EQ(options.compass.max_joining(), 50);
  EXPECT_EQ(options.compass.lateness, 2);
  EXPECT_EQ(options.clients.learning.aggregation.rule->name(), "fedcompass");
  EXPECT_EQ(CompassOptions{.max_steps = 3}.min_steps(), 1);
}

TEST(FedCompass, OtherStepsOfTheTrainingAreAnError) {
  const auto setting = setting_of(2);
  setting->local_steps = 7;
  EXPECT_THROW(FedCompass(setting, options_of(ten_steps)), base::UserError);
  setting->local_steps = 10;
  EXPECT_NO_THROW(FedCompass(setting, options_of(ten_steps)));
}

// Whatever comes in whatever order: a node has one task, of a possible number of steps; every
// update is taken once; nothing comes to rest while nodes are there.
TEST(FedCompass, AnyOrderOfEventsGoesOn) {
  EXPECT_TRUE(rc::check([] {
    const int workers = *rc::gen::inRange(1, 7);
    Desk desk(std::make_unique<FedCompass>(setting_of(workers), options_of(ten_steps)));
    std::vector<bool> away(workers + 1, false);
    std::set<TaskId> taken;
    std::size_t timers = 0;
    double now = 0;
    for (int step = 0; step < 150; ++step) {
      now += *rc::gen::inRange(0, 8) / 2.0;
      std::set<NodeId> busy;
      for (const auto& [task, node] : desk.open) {
        RC_ASSERT(busy.insert(node).second);
        RC_ASSERT(!away[node]);
      }
      const auto give = [&](std::vector<Event> events) {
        for (Event& event : events) event.time = now;
        desk.give(events);
      };
      // Timers that are due come first.
      if (timers < desk.timers.size() && desk.timers[timers].time <= now) {
        give({{.kind = EventKind::timer_fired, .timer = desk.timers[timers++].timer}});
        continue;
      }
      const int choice = *rc::gen::inRange(0, 10);
      const NodeId node = *rc::gen::inRange(1, workers + 1);
      if (choice == 0 && !away[node]) {
        std::vector<Event> events = {{.kind = EventKind::node_lost, .node = node}};
        for (const auto& [task, at] : std::map(desk.open)) {
          if (at == node) events.push_back(desk.failed(task, Cause::node_lost));
        }
        away[node] = true;
        give(events);
      } else if (choice == 1 && away[node]) {
        away[node] = false;
        give({{.kind = EventKind::node_joined, .node = node}});
      } else if ((choice < 5 || desk.open.empty()) && !desk.under_way.empty()) {
        for (const TaskId task : desk.under_way.front().consumes) {
          RC_ASSERT(taken.insert(task).second);
        }
        give({desk.aggregated()});
      } else if (!desk.open.empty()) {
        auto task = desk.open.begin();
        std::advance(task, *rc::gen::inRange<std::size_t>(0, desk.open.size()));
        give({desk.done(task->first)});
      } else {
        RC_ASSERT(std::count(away.begin() + 1, away.end(), true) == workers);
      }
    }
    for (const Assign& assign : desk.assigned) {
      const auto& train = std::get<engine::Train>(assign.graph->activities().at(1).work);
      RC_ASSERT(*train.steps >= 2 && *train.steps <= 12);
    }
  }));
}

}  // namespace
}  // namespace convoy::sim
