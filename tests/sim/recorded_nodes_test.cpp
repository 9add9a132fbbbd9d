// Tests recorded real nodes, and what the live nodes that continue them are asked.

#include "sim/run/recorded_nodes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/files.hpp"
#include "tests/support/idle_engine.hpp"

namespace convoy::sim {
namespace {

// Writes down what it is asked to do.
class Live : public RealNodes {
 public:
  void attach(ElasticClock& /*clock*/) override {}
  void begin(const RealActivity& activity) override { begun.push_back(activity.activity); }
  void give_up(TaskId /*task*/) override {}
  void use(std::shared_ptr<const engine::Engine> /*engine*/) override {}
  void assigned(const engine::TaskInput& input,
                std::shared_ptr<const TaskGraph> /*graph*/) override {
    tasks.push_back(input.task);
  }
  engine::Outcome outcome(TaskId /*task*/) override { return {}; }
  void taken_before(NodeId node, TaskId task) override { found.emplace_back(node, task); }
  bool has_outcome(TaskId /*task*/) override { return false; }
  [[nodiscard]] bool has_orders() const override { return false; }
  void flush_orders() override {}

  std::vector<int> begun;
  std::vector<TaskId> tasks;
  std::vector<std::pair<NodeId, TaskId>> found;
};

// Takes any file for an update.
class ReadingEngine : public test::IdleEngine {
 public:
  std::unique_ptr<engine::Unpacking> unpack(const std::string&, std::uint64_t,
                                            const std::string&) const override {
    return std::make_unique<test::EmptyBox>();
  }
  engine::Outcome unpack_update(engine::Unpacking&, const engine::TaskInput&) const override {
    return {};
  }
};

// Activities 0 to 2 of task 7: ended, under way when the run was stopped, cancelled. Activity 3 had
// not begun.
TEST(RecordedNodes, WhatWasUnderWayWhenTheRunWasStoppedGoesOn) {
  Recording recording;
  recording.end_s = 9;
  for (const Cause cause : {Cause::none, Cause::run_ended, Cause::cancelled}) {
    Recording::Activity a;
    a.task = 7;
    a.activity = static_cast<std::int64_t>(recording.activities.size());
    a.node = 1;
    a.real = true;
    a.end_s = 9;
    if (cause != Cause::none) a.cause = std::string(name_of(cause));
    recording.activities.push_back(a);
  }
  Live live;
  RecordedNodes nodes(recording, std::nullopt, &live);
  ElasticClock clock({}, [] { return WallTime(); });
  nodes.attach(clock);
  nodes.assigned({.node = 1, .task = 7}, std::make_shared<TaskGraph>(2));
  EXPECT_THAT(live.tasks, testing::IsEmpty());
  for (int activity = 0; activity < 4; ++activity) {
    RealActivity a;
    a.id = clock.begin({.node = 1});
    a.task = 7;
    a.activity = activity;
    a.node = 1;
    nodes.begin(a);
  }
  EXPECT_THAT(live.begun, testing::ElementsAre(1, 3));
  EXPECT_THAT(live.tasks, testing::ElementsAre(7)) << "once, when something of it goes on";
}

// The coordinator was killed between an update's writing and the record of its end: the activity
// ends, and who waits for a word of it is told when the run takes the update, not before.
TEST(RecordedNodes, AnUpdateThatIsFoundIsTakenAndItsNodeTold) {
  const test::TemporaryFolder folder;
  const UpdateFolder updates(folder.path());
  for (const TaskId task : {7, 8})
    updates.write(task, "{}", std::vector<std::span<const std::byte>>());
  Recording recording;
  recording.end_s = 9;
  Live live;
  RecordedNodes nodes(recording, updates, &live);
  ElasticClock clock({}, [] { return WallTime(); });
  nodes.attach(clock);
  nodes.use(std::make_shared<ReadingEngine>());
  for (const TaskId task : {7, 8}) {
    nodes.assigned({.node = 1, .task = task}, std::make_shared<TaskGraph>(2));
    for (const bool upload : {false, true}) {
      RealActivity a;
      a.id = clock.begin({.node = 1});
      a.task = task;
      a.activity = upload ? 2 : 1;
      a.node = 1;
      if (upload) a.peer = server_node;
      nodes.begin(a);
    }
  }
  EXPECT_THAT(live.begun, testing::IsEmpty());
  EXPECT_THAT(live.found, testing::IsEmpty());
  nodes.outcome(7);
  EXPECT_THAT(live.found, testing::ElementsAre(testing::Pair(1, 7)));
  nodes.give_up(8);
  nodes.taken_before(2, 5);  // known from the checkpoint
  EXPECT_THAT(live.found, testing::ElementsAre(testing::Pair(1, 7), testing::Pair(2, 5)));
}

}  // namespace
}  // namespace convoy::sim
