// TEASQ-Fed: how many are at work, the cache, and what tasks are told.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/schedule/kinds.hpp"
#include "tests/support/desk.hpp"
#include "tests/support/read_kind.hpp"

namespace convoy::sim {
namespace {

using testing::HasSubstr;

Desk desk_of(int workers, const std::string& keys = "") {
  return Desk(read_kind(schedules::teasq(), keys).make(setting_of(workers)));
}

TEST(Teasq, NoMoreAreAtWorkThanTheShareRoundedUp) {
  EXPECT_EQ(desk_of(10).open.size(), 5);
  EXPECT_EQ(desk_of(7).open.size(), 4);
  EXPECT_EQ(desk_of(10, "[schedule.teasq]\nat_work = 0.1\n").open.size(), 1);
  EXPECT_EQ(desk_of(11, "[schedule.teasq]\nat_work = 0.1\n").open.size(), 2);
  Desk desk = desk_of(10, "[schedule.teasq]\ncache = 1.0\n");
  for (int task = 0; task < 8; ++task) {
    desk.give({desk.done(desk.open.begin()->first)});
    EXPECT_EQ(desk.open.size(), 5) << "an idle device is given the next task";
  }
}

// C and gamma are of all that take part: who is away leaves the numbers as they are.
TEST(Teasq, SharesAreOfAllThatTakePart) {
  Desk desk = desk_of(10, "[schedule.teasq]\nat_work = 0.4\n");
  ASSERT_EQ(desk.open.size(), 4);
  std::vector<Event> events;
  for (NodeId node = 5; node <= 10; ++node) {
    events.push_back({.kind = EventKind::node_lost, .node = node});
  }
  for (const auto& [task, node] : std::map(desk.open)) {
    if (node >= 5) events.push_back(desk.failed(task, Cause::node_lost));
  }
  desk.give(events);
  EXPECT_EQ(desk.open.size(), 4);
}

TEST(Teasq, ACacheOfTheShareRoundedUpMakesAVersion) {
  Desk desk = desk_of(10);  // ceil(2.5)
  desk.give({desk.done(0)});
  desk.give({desk.done(1)});
  EXPECT_TRUE(desk.under_way.empty());
  desk.give({desk.done(2)});
  ASSERT_EQ(desk.under_way.size(), 1);
  EXPECT_EQ(desk.under_way[0].consumes, (std::vector<TaskId>{0, 1, 2}));
  EXPECT_EQ(read_kind(schedules::teasq()).learning.aggregation.rule->name(), "teasq");
}

TEST(Teasq, EveryTaskIsPulledTowardsWhatItReceived) {
  EXPECT_EQ(desk_of(4).assigned.at(0).brief.proximal, 0.01);
  EXPECT_EQ(desk_of(4, "[schedule.teasq]\nmu = 0.5\n").assigned.at(0).brief.proximal, 0.5);
  EXPECT_FALSE(desk_of(4, "[schedule.teasq]\nmu = 0\n").assigned.at(0).brief.proximal);
  const auto setting = setting_of(4);
  setting->proximal = 0.2;
  EXPECT_THROW(read_kind(schedules::teasq()).make(setting), base::UserError);
}

// What is sent, both ways, changes with the version that a task starts from.
TEST(Teasq, RatesDecayOverTheRun) {
  Desk desk = desk_of(4,
                      "[schedule.teasq]\ncache = 0.25\n"
                      "[schedule.compression]\nkeep = 0.4\nbits = 8\n"
                      "decay = { every = 2, factor = 0.5, keep_to = 0.1 }\n"
                      "download = { keep = 0.5, decay = { every = 1, bits_to = 8 } }\n");
  for (int version = 0; version < 6; ++version) {
    const Assign& newest = desk.assigned.back();
    ASSERT_EQ(desk.base.at(newest.task), version);
    const double keep = version < 2 ? 0.4 : version < 4 ? 0.2 : 0.1;
    EXPECT_EQ(newest.brief.compression, (engine::Compression{.keep = keep, .bits = 8}));
    EXPECT_EQ(newest.brief.download(),
              (engine::Compression{.keep = 0.5, .bits = version < 1 ? 32 : 8, .feedback = false}));
    desk.give({desk.done(desk.open.begin()->first)});
    desk.give({desk.aggregated()});
  }
}

TEST(Teasq, SaysWhereNothingIsCompressed) {
  const auto setting = setting_of(4);
  const std::vector<std::string> said = read_kind(schedules::teasq()).make(setting)->remarks();
  ASSERT_EQ(said.size(), 1);
  EXPECT_THAT(said[0], HasSubstr("TEA-Fed"));
  EXPECT_TRUE(read_kind(schedules::teasq(), "compression = { keep = 0.1 }\n")
                  .make(setting)
                  ->remarks()
                  .empty());
}

}  // namespace
}  // namespace convoy::sim
