// Tests schedules as pure functions: events in, orders out, without a world.

#include "sim/schedule/schedule.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "sim/schedule/cos2p.hpp"
#include "sim/schedule/fedprox.hpp"
#include "tests/support/desk.hpp"

namespace convoy::sim {
namespace {

TEST(FedAvg, SamplesAsManyParticipantsAsAskedForAndDifferentOnes) {
  RoundsOptions options;
  options.participants.number = 4;
  Desk desk(std::make_unique<Rounds>(setting_of(20), options));
  std::set<NodeId> seen;
  for (int round = 0; round < 30; ++round) {
    ASSERT_EQ(desk.open.size(), 4);
    std::vector<Event> events;
    for (const auto& [task, node] : std::map(desk.open)) {
      seen.insert(node);
      events.push_back(desk.done(task));
    }
    desk.give(events);
    ASSERT_EQ(desk.aggregating.size(), 4);
    desk.give({desk.aggregated()});
  }
  EXPECT_EQ(seen.size(), 20);
}

TEST(FedAvg, AShareOfThoseThatAreThere) {
  RoundsOptions options;
  options.participants.share = 0.25;
  Desk desk(std::make_unique<Rounds>(setting_of(20), options));
  EXPECT_EQ(desk.open.size(), 5);
  const auto end_round = [&] {
    std::vector<Event> events;
    for (const auto& [task, node] : std::map(desk.open)) events.push_back(desk.done(task));
    desk.give(events);
    desk.give({desk.aggregated()});
  };
  // Nodes 1 to 8 leave and lose their tasks.
  std::vector<Event> events;
  for (NodeId node = 1; node <= 8; ++node) {
    events.push_back({.kind = EventKind::node_lost, .node = node});
  }
  for (const auto& [task, node] : std::map(desk.open)) {
    if (node <= 8) events.push_back(desk.failed(task, Cause::node_lost));
  }
  desk.give(events);
  for (int round = 0; round < 20; ++round) {
    end_round();
    EXPECT_EQ(desk.open.size(), 3) << "a quarter of twelve";
    for (const auto& [task, node] : desk.open) EXPECT_GT(node, 8);
  }
  // Four of them return: a quarter of sixteen. A quarter of one present node is one node.
  events.clear();
  for (NodeId node = 1; node <= 4; ++node) {
    events.push_back({.kind = EventKind::node_joined, .node = node});
  }
  desk.give(events);
  EXPECT_EQ(desk.open.size(), 3) << "who comes back is in the next round";
  end_round();
  EXPECT_EQ(desk.open.size(), 4);
}

TEST(FedAvg, GivesUpStragglersAtTheDeadline) {
  RoundsOptions options;
  options.deadline_s = 10;
  Desk desk(std::make_unique<Rounds>(setting_of(3), options));
  ASSERT_EQ(desk.timers.size(), 1);
  EXPECT_EQ(desk.timers[0].time, 10);
  desk.give({desk.done(1)});
  desk.give({{.time = 10, .kind = EventKind::timer_fired, .timer = desk.timers[0].timer}});
  EXPECT_EQ(desk.cancelled, (std::vector<TaskId>{0, 2}));
  EXPECT_EQ(desk.aggregating, std::vector<TaskId>{1});
}

TEST(FedAvg, ARoundWithoutARespondentIsFollowedByAnother) {
  RoundsOptions options;
  options.deadline_s = 1;
  Desk desk(std::make_unique<Rounds>(setting_of(2), options));
  desk.give({{.time = 1, .kind = EventKind::timer_fired, .timer = desk.timers.back().timer}});
  EXPECT_EQ(desk.cancelled.size(), 2);
  EXPECT_EQ(desk.open.size(), 2);
  EXPECT_EQ(desk.timers.back().time, 2);
}

TEST(FedAvg, ARoundThatClosesEarlyTakesItsDeadlineDown) {
  RoundsOptions options;
  options.deadline_s = 100;
  Desk desk(std::make_unique<Rounds>(setting_of(1), options));
  desk.give({desk.done(0)});
  EXPECT_EQ(desk.timers_cancelled, 1);
}

TEST(FedAvg, WaitsForNodesWhenAllAreAway) {
  Desk desk(std::make_unique<Rounds>(setting_of(1), RoundsOptions{}));
  desk.give({{.kind = EventKind::node_lost, .node = 1}, desk.failed(0, Cause::node_lost)});
  EXPECT_TRUE(desk.open.empty());
  desk.give({{.kind = EventKind::node_joined, .node = 1}});
  EXPECT_EQ(desk.open.size(), 1);
}

TEST(CoS2P, AggregatesAtTheQuorumOfWhatIsInFlight) {
  Desk desk(std::make_unique<CoS2P>(setting_of(5), CoS2POptions{}));
  desk.give({desk.done(0)});
  desk.give({desk.done(1)});
  EXPECT_TRUE(desk.aggregating.empty());
  desk.give({desk.done(2)});  // ceil(0.5 x 5) = 3
  EXPECT_EQ(desk.aggregating, (std::vector<TaskId>{0, 1, 2}));
  desk.give({desk.done(3)});  // arrives during the aggregation: waits for the next
  EXPECT_EQ(desk.aggregating.size(), 3);
  EXPECT_EQ(desk.open.size(), 1);
  desk.give({desk.aggregated()});
  EXPECT_EQ(desk.open.size(), 4);  // the three get new tasks; the fourth waits in the buffer
}

// The smallest number of updates that is a quorum, exact in decimal numbers: 0.55 x 20 is 11 and
// 0.28 x 25 is 7, in spite of binary rounding.
TEST(CoS2P, AQuorumIsNotRoundedUpBeyondItsShare) {
  for (const int workers : {1, 2, 3, 7, 10, 20, 25}) {
    const auto setting = setting_of(workers);
    for (int percent = 1; percent <= 100; ++percent) {
      CoS2POptions options;
      options.quorum = percent / 100.0;
      Desk desk(std::make_unique<CoS2P>(setting, options));
      const int wanted = (percent * workers + 99) / 100;
      for (TaskId task = 0; task < wanted; ++task) {
        EXPECT_TRUE(desk.aggregating.empty()) << percent << " % of " << workers;
        desk.give({desk.done(task)});
      }
      EXPECT_EQ(desk.aggregating.size(), wanted) << percent << " % of " << workers;
    }
  }
}

TEST(CoS2P, TakesAllUpdatesOfAnInstantTogether) {
  Desk desk(std::make_unique<CoS2P>(setting_of(4), CoS2POptions{}));
  desk.give({desk.done(0), desk.done(1), desk.done(2), desk.done(3)});
  EXPECT_EQ(desk.aggregating.size(), 4);
}

// n counts the tasks under way and the buffered updates: 2 and 1, then 2 and 2.
TEST(CoS2P, WhoHasAnsweredMakesRoomForTheNext) {
  CoS2POptions options;
  options.at_work.number = 2;
  Desk desk(std::make_unique<CoS2P>(setting_of(4), options));
  ASSERT_EQ(desk.open.size(), 2);
  desk.give({desk.done(0)});
  EXPECT_EQ(desk.open.size(), 2);
  EXPECT_TRUE(desk.aggregating.empty());  // ceil(0.5 x 3) = 2
  desk.give({desk.done(1)});
  EXPECT_EQ(desk.aggregating, (std::vector<TaskId>{0, 1}));  // ceil(0.5 x 4) = 2
  std::set<NodeId> asked;
  for (const Assign& assign : desk.assigned) asked.insert(assign.worker_node());
  EXPECT_EQ(asked.size(), 4) << "who began the fewest goes first";
}

TEST(CoS2P, ALostNodeLowersTheQuorum) {
  Desk desk(std::make_unique<CoS2P>(setting_of(4), CoS2POptions{}));
  desk.give({desk.done(0)});
  desk.give({{.kind = EventKind::node_lost, .node = 3}, desk.failed(2, Cause::node_lost)});
  EXPECT_TRUE(desk.aggregating.empty());  // ceil(1.5) = 2
  desk.give({{.kind = EventKind::node_lost, .node = 4}, desk.failed(3, Cause::node_lost)});
  EXPECT_EQ(desk.aggregating, std::vector<TaskId>{0});  // ceil(1) = 1
}

TEST(CoS2P, LearnsMasksInANodesFirstTwoTasksAndAgainWhenRefreshed) {
  CoS2POptions options;
  options.clients.rates = ByMemoryClass<double>({{64, 0.5}});
  options.clients.learning.mask.refresh = 3;
  Desk desk(std::make_unique<CoS2P>(setting_of(1), options));
  std::vector<std::string> labels;
  for (TaskId task = 0; task < 9; ++task) {
    labels.push_back(desk.labels.at(task));
    desk.give({desk.done(task)});
    desk.give({desk.aggregated()});
  }
  EXPECT_EQ(labels, (std::vector<std::string>{"mask", "mask", "train", "train", "mask", "train",
                                              "train", "mask", "train"}));
}

TEST(CoS2P, AMaskPhaseThatFailedIsDoneAgain) {
  CoS2POptions options;
  options.clients.rates = ByMemoryClass<double>({{64, 0.5}});
  options.clients.learning.mask.tasks = 1;
  Desk desk(std::make_unique<CoS2P>(setting_of(1), options));
  desk.give({{.kind = EventKind::node_lost, .node = 1}, desk.failed(0, Cause::node_lost)});
  desk.give({{.kind = EventKind::node_joined, .node = 1}});
  EXPECT_EQ(desk.labels.at(1), "mask");
}

TEST(ClientPool, NobodyFitsIsAClearError) {
  auto setting = std::make_shared<Setting>(*setting_of(2));
  auto machine = std::make_shared<platforms::Machine>(*setting->nodes[1].machine);
  machine->memory = 1000;
  setting->nodes.change_all([&](NodeSetting& node) { node.machine = machine; });
  EXPECT_THROW(Rounds(setting, RoundsOptions{}), base::UserError);
}

TEST(ClientPool, OneThatDoesNotFitStaysOutOrIsAnError) {
  auto setting = std::make_shared<Setting>(*setting_of(2));
  auto machine = std::make_shared<platforms::Machine>(*setting->nodes[1].machine);
  machine->memory = 1000;
  setting->nodes[1].machine = machine;
  const Desk desk(std::make_unique<Rounds>(setting, RoundsOptions{}));
  EXPECT_EQ(desk.open.size(), 1);
  RoundsOptions strict;
  strict.clients.skip_unfit = false;
  EXPECT_THROW(Rounds(setting, strict), base::UserError);
}

// For any events in any order: every aggregated update is within the bound, no update is aggregated
// twice, no node has two tasks, and the schedule never rests while nodes are present.
void any_order_of_events(bool drop) {
  const int workers = *rc::gen::inRange(1, 9);
  CoS2POptions options;
  options.quorum = *rc::gen::inRange(1, 11) / 10.0;
  options.max_staleness = *rc::gen::inRange(drop ? 1 : 0, 4);
  options.drop_stale = drop;
  if (*rc::gen::arbitrary<bool>()) options.at_work.number = *rc::gen::inRange(1, 5);
  Desk desk(std::make_unique<CoS2P>(setting_of(workers), options));
  std::set<TaskId> counted;
  std::vector<bool> away(workers + 1, false);
  const auto take_aggregation = [&] {
    for (const TaskId task : desk.aggregating) {
      RC_ASSERT(counted.insert(task).second);
      RC_ASSERT(desk.version - desk.base.at(task) <= options.max_staleness);
    }
    desk.give({desk.aggregated()});
  };
  for (int step = 0; step < 200; ++step) {
    std::set<NodeId> busy;
    for (const auto& [task, node] : desk.open) RC_ASSERT(busy.insert(node).second);
    if (options.at_work.number) RC_ASSERT(std::ssize(desk.open) <= *options.at_work.number);
    const int choice = *rc::gen::inRange(0, 10);
    const NodeId node = *rc::gen::inRange(1, workers + 1);
    if (choice == 0 && !away[node]) {
      std::vector<Event> events = {{.kind = EventKind::node_lost, .node = node}};
      for (const auto& [task, at] : std::map(desk.open)) {
        if (at == node) events.push_back(desk.failed(task, Cause::node_lost));
      }
      away[node] = true;
      desk.give(events);
    } else if (choice == 1 && away[node]) {
      away[node] = false;
      desk.give({{.kind = EventKind::node_joined, .node = node}});
    } else if (choice < 5 && !desk.aggregating.empty()) {
      take_aggregation();
    } else if (!desk.open.empty()) {
      auto task = desk.open.begin();
      std::advance(task, *rc::gen::inRange<std::size_t>(0, desk.open.size()));
      desk.give({desk.done(task->first)});
    } else if (!desk.aggregating.empty()) {
      take_aggregation();
    } else {
      RC_ASSERT(std::count(away.begin() + 1, away.end(), true) == workers);
    }
  }
}

TEST(CoS2P, AnyOrderOfEventsKeepsTheBoundAndGoesOn) {
  EXPECT_TRUE(rc::check([] { any_order_of_events(false); }));
}

TEST(CoS2P, AnyOrderOfEventsKeepsTheBoundAndGoesOnWhenStaleTasksAreDropped) {
  EXPECT_TRUE(rc::check([] { any_order_of_events(true); }));
}

}  // namespace
}  // namespace convoy::sim
