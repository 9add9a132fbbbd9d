// Tests asynchronous schedules: buffers, staleness, the choice of the next node.

#include "sim/schedule/buffered.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <set>

#include "sim/schedule/kinds.hpp"
#include "tests/support/desk.hpp"
#include "tests/support/read_kind.hpp"

namespace convoy::sim {
namespace {

std::unique_ptr<Schedule> buffered(int workers, BufferedOptions options) {
  return std::make_unique<Buffered>(setting_of(workers), std::move(options));
}

TEST(Buffered, WhoEndsIsReplacedAtOnceAndAFullBufferIsAVersion) {
  Desk desk(buffered(3, {.buffer = 2}));
  ASSERT_EQ(desk.open.size(), 3);
  desk.give({desk.done(0)});
  EXPECT_EQ(desk.open.size(), 3);
  EXPECT_EQ(desk.base.at(3), 0) << "from the version that is there";
  EXPECT_TRUE(desk.under_way.empty());
  desk.give({desk.done(1)});
  ASSERT_EQ(desk.under_way.size(), 1);
  EXPECT_EQ(desk.under_way[0].consumes, (std::vector<TaskId>{0, 1}));
  EXPECT_EQ(desk.open.size(), 2) << "who completes a buffer waits for the version";
  desk.give({desk.done(2)});  // the next buffer
  EXPECT_EQ(desk.base.at(4), 0) << "begun while the version is made: from the one that is there";
  desk.give({desk.done(3)});  // aggregations overlap
  EXPECT_EQ(desk.under_way.size(), 2);
  desk.give({desk.aggregated()});
  EXPECT_EQ(desk.open.at(5), 2) << "who completed the first";
  EXPECT_EQ(desk.base.at(5), 1) << "begins with what it completed";
  EXPECT_EQ(desk.open.size(), 2) << "the other still waits";
  desk.give({desk.aggregated()});
  EXPECT_EQ(desk.last_staleness, (std::vector<std::int64_t>{1, 1}));
  EXPECT_EQ(desk.base.at(6), 2);
}

// All come at one instant: what goes into the version began together, and goes on together.
TEST(Buffered, WhoseUpdatesFillABufferAtOneInstantWaitForTheVersion) {
  Desk desk(buffered(3, {.buffer = 2}));
  desk.give({desk.done(0), desk.done(1), desk.done(2)});
  EXPECT_EQ(desk.open, (std::map<TaskId, NodeId>{{3, 3}})) << "whose update is still in the buffer";
  desk.give({desk.aggregated()});
  EXPECT_EQ(desk.open, (std::map<TaskId, NodeId>{{3, 3}, {4, 1}, {5, 2}}));
}

// Where fewer are at work than are there, it is the place that waits.
TEST(Buffered, NobodyElseTakesThePlaceOfWhoWaits) {
  Desk desk(buffered(5, {.at_work = {.number = 2}, .buffer = 1}));
  ASSERT_EQ(desk.open.size(), 2);
  desk.give({desk.done(0)});
  EXPECT_EQ(desk.open.size(), 1);
  desk.give({desk.aggregated()});
  EXPECT_EQ(desk.open.size(), 2);
  EXPECT_EQ(desk.base.at(2), 1);
}

TEST(Buffered, WhoIsLostWhileItWaitsIsAskedWhenItIsBack) {
  Desk desk(buffered(2, {.buffer = 1}));
  desk.give({desk.done(0)});
  desk.give({{.kind = EventKind::node_lost, .node = 1}});
  desk.give({desk.aggregated()});
  EXPECT_EQ(desk.open, (std::map<TaskId, NodeId>{{1, 2}}));
  desk.give({{.kind = EventKind::node_joined, .node = 1}});
  EXPECT_EQ(desk.open, (std::map<TaskId, NodeId>{{1, 2}, {2, 1}}));
}

// Only its own: with the version it came for, not with another's.
TEST(Buffered, WhoIsBackBeforeItsVersionStillWaitsForThat) {
  Desk desk(buffered(2, {.buffer = 1}));
  desk.give({desk.done(0)});
  desk.give({{.kind = EventKind::node_lost, .node = 1}});
  desk.give({{.kind = EventKind::node_joined, .node = 1}});
  EXPECT_EQ(desk.open, (std::map<TaskId, NodeId>{{1, 2}}));
  desk.give({desk.aggregated()});
  EXPECT_EQ(desk.base.at(2), 1);
}

// FLSim 7311f2d: clients with (gap, duration) (1, 3), (2, 5), (2, 1), one task each: they start at
// 1, 3, 5 and end at 4, 8, 6 with staleness 0, 2, 0; every update makes a version at once.
TEST(Buffered, OrderAndStalenessAreThoseOfTheAuthorsSimulator) {
  Desk desk(buffered(3, {.buffer = 1}));
  const auto event = [](double time, EventKind kind, NodeId node) {
    return Event{.time = time, .kind = kind, .node = node};
  };
  // At first no node is present. A node leaves when its task ends, so that it gets no further task.
  std::vector<Event> away;
  for (NodeId node = 1; node <= 3; ++node) away.push_back(event(0, EventKind::node_lost, node));
  for (TaskId task = 0; task < 3; ++task) away.push_back(desk.failed(task, Cause::node_lost));
  desk.give(away);
  std::vector<NodeId> ended;
  std::vector<std::int64_t> staleness;
  const auto start = [&](double time, NodeId node) {
    desk.give({event(time, EventKind::node_joined, node)});
  };
  const auto end = [&](double time, NodeId node) {
    const TaskId task = std::find_if(desk.open.begin(), desk.open.end(), [&](const auto& open) {
                          return open.second == node;
                        })->first;
    desk.give({desk.done(task), event(time, EventKind::node_lost, node)});
    ASSERT_EQ(desk.under_way.size(), 1);
    desk.give({desk.aggregated()});
    ended.push_back(node);
    staleness.push_back(desk.last_staleness.at(0));
  };
  start(1, 1);
  start(3, 2);
  end(4, 1);
  start(5, 3);
  end(6, 3);
  end(8, 2);
  EXPECT_EQ(ended, (std::vector<NodeId>{1, 3, 2}));
  EXPECT_EQ(staleness, (std::vector<std::int64_t>{0, 0, 2}));
}

TEST(Buffered, AnUpdateThatIsTooOldIsDropped) {
  Desk desk(buffered(2, {.buffer = 1, .max_staleness = 1}));
  for (int version = 0; version < 2; ++version) {
    const TaskId task = desk.open.rbegin()->first;  // the newest task, never task 0
    desk.give({desk.done(task)});
    desk.give({desk.aggregated()});
  }
  desk.give({desk.done(0)});  // two versions behind
  EXPECT_TRUE(desk.under_way.empty());
  EXPECT_EQ(desk.cancelled, std::vector<TaskId>{0});
  EXPECT_EQ(desk.open.size(), 2) << "its node goes on";
}

// Versions in the making when an update arrives count: it is applied after them.
TEST(Buffered, VersionsBeingMadeCountAsStaleness) {
  Desk desk(buffered(3, {.buffer = 1, .max_staleness = 1}));
  desk.give({desk.done(0), desk.done(1), desk.done(2)});
  EXPECT_EQ(desk.under_way.size(), 2);
  EXPECT_EQ(desk.cancelled, std::vector<TaskId>{2});
}

TEST(Buffered, APartialBufferIsFlushedWhenNobodyIsLeft) {
  Desk desk(buffered(2, {.buffer = 10}));
  desk.give({desk.done(0), {.kind = EventKind::node_lost, .node = 1}});
  EXPECT_TRUE(desk.under_way.empty()) << "the other is still at work";
  desk.give({{.kind = EventKind::node_lost, .node = 2}, desk.failed(1, Cause::node_lost)});
  ASSERT_EQ(desk.under_way.size(), 1);
  EXPECT_EQ(desk.under_way[0].consumes, std::vector<TaskId>{0});
}

TEST(Buffered, SoManyAreAtWorkAsMayBe) {
  Desk desk(buffered(10, {.at_work = {.number = 3}, .buffer = 5}));
  std::set<NodeId> asked;
  for (int task = 0; task < 20; ++task) {
    ASSERT_EQ(desk.open.size(), 3);
    for (const auto& [id, node] : desk.open) asked.insert(node);
    desk.give({desk.done(desk.open.begin()->first)});
    while (!desk.under_way.empty()) desk.give({desk.aggregated()});
  }
  EXPECT_EQ(asked.size(), 10);
  EXPECT_EQ(desk.version, 4);
}

TEST(Buffered, KindsHaveTheirRulesAndBuffers) {
  const auto rule_of = [](const ScheduleKind& kind, const std::string& toml) {
    base::Diagnostics problems;
    const base::Value root = base::parse_toml(toml, "t.toml", problems);
    base::TableReader common(root, "schedule", problems);
    base::TableReader own = common.table("own");
    const ScheduleSpec spec = kind.read(common, own);
    EXPECT_EQ(problems.str(), "");
    return spec.learning.aggregation.rule->name();
  };
  EXPECT_EQ(rule_of(schedules::fedbuff(), ""), "fedbuff");
  EXPECT_EQ(rule_of(schedules::fedasync(), ""), "fedasync");
  EXPECT_EQ(rule_of(schedules::fedbuff(), "aggregation = { rule = \"fedadam\" }"), "fedadam");
}

// For any events in any order: aggregations are full (except flushed ones), no update is in two of
// them or above the bound, no more nodes work than the limit, and the schedule never rests while
// nodes are present.
TEST(Buffered, HowOldAnUpdateMayBeIsWhatTheKindAllows) {
  const auto most = [](const ScheduleKind& kind, const std::string& keys = "") {
    return read_kind(kind, keys).make(setting_of(3))->max_staleness();
  };
  EXPECT_EQ(most(schedules::fedavg()), 0);
  EXPECT_EQ(most(schedules::cos2p()), 10);
  EXPECT_EQ(most(schedules::cos2p(), "[schedule.cos2p]\nmax_staleness = 4\n"), 4);
  EXPECT_EQ(most(schedules::fedbuff()), std::nullopt);
  EXPECT_EQ(most(schedules::teasq(), "[schedule.teasq]\nmax_staleness = 3\n"), 3);
  EXPECT_EQ(most(schedules::fedcompass()), std::nullopt);
}

TEST(Buffered, AnyOrderOfEventsKeepsTheBoundsAndGoesOn) {
  EXPECT_TRUE(rc::check([] {
    const int workers = *rc::gen::inRange(1, 9);
    BufferedOptions options;
    options.buffer = *rc::gen::inRange(1, 5);
    if (*rc::gen::arbitrary<bool>()) options.max_staleness = *rc::gen::inRange(0, 4);
    if (*rc::gen::arbitrary<bool>()) options.at_work.number = *rc::gen::inRange(1, 5);
    Desk desk(std::make_unique<Buffered>(setting_of(workers), options));
    std::set<TaskId> counted;
    std::vector<bool> away(workers + 1, false);
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
      } else if ((choice < 5 || desk.open.empty()) && !desk.under_way.empty()) {
        const std::vector<TaskId> taken = desk.under_way.front().consumes;
        RC_ASSERT(std::ssize(taken) <= options.buffer);
        const Event made = desk.aggregated();
        for (const TaskId task : taken) RC_ASSERT(counted.insert(task).second);
        for (const std::int64_t staleness : desk.last_staleness) {
          RC_ASSERT(!options.max_staleness || staleness <= *options.max_staleness);
        }
        desk.give({made});
      } else if (!desk.open.empty()) {
        auto task = desk.open.begin();
        std::advance(task, *rc::gen::inRange<std::size_t>(0, desk.open.size()));
        desk.give({desk.done(task->first)});
      } else {
        RC_ASSERT(std::count(away.begin() + 1, away.end(), true) == workers);
      }
    }
  }));
}

}  // namespace
}  // namespace convoy::sim
