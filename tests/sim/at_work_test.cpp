// Who is at work while updates are aggregated, as schedules say it (Assign::at_work).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "engine/rules/registry.hpp"
#include "sim/schedule/client_pool.hpp"
#include "tests/support/desk.hpp"
#include "tests/support/seed.hpp"

namespace convoy::sim {
namespace {

std::unique_ptr<Schedule> schedule_of(const std::string& kind, const std::string& rule,
                                      const std::shared_ptr<const Setting>& setting) {
  base::Diagnostics problems;
  const base::Value root = base::parse_toml(
      "[schedule]\nkind = \"" + kind + "\"\naggregation = { rule = \"" + rule + "\" }\n", "t.toml",
      problems);
  base::TableReader file(root, "", problems);
  try {
    const ScheduleSpec spec = read_schedule(file.table("schedule"));
    if (!problems.str().empty() || !spec.learning.aggregation.rule) return nullptr;
    if (spec.learning.aggregation.rule->name() != rule) return nullptr;
    return spec.make(setting);
  } catch (const base::UserError&) {
    return nullptr;  // a kind with a rule of its own
  }
}

// Tasks that end, fail with their node and are aggregated in an order that is drawn.
class Market {
 public:
  Market(std::unique_ptr<Schedule> schedule, std::uint64_t seed)
      : schedule_(std::move(schedule)), random_(static_cast<unsigned>(seed)) {
    give({{.kind = EventKind::run_started}});
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      ++time_;
      if (!under_way_.empty() && (open_.empty() || random_() % 4 == 0)) {
        const TaskId task = under_way_.front();
        under_way_.erase(under_way_.begin());
        give({{.kind = EventKind::published, .task = task, .version = ++version_}});
      } else if (!away_.empty() && (open_.empty() || random_() % 3 == 0)) {
        const NodeId node = *away_.begin();
        away_.erase(node);
        give({{.kind = EventKind::node_joined, .node = node}});
      } else if (!open_.empty()) {
        auto task = open_.begin();
        std::advance(task, random_() % open_.size());
        end(task->first, task->second, random_() % 5 == 0);
      } else {
        break;
      }
    }
  }

  int aggregations = 0;
  std::size_t most_at_work = 0;

 private:
  void end(TaskId task, NodeId node, bool with_its_node) {
    open_.erase(task);
    if (!with_its_node) {
      give({{.kind = EventKind::task_done, .node = node, .task = task}});
      return;
    }
    away_.insert(node);
    held_.erase(task);
    give({{.kind = EventKind::node_lost, .node = node},
          {.kind = EventKind::task_failed, .node = node, .task = task, .cause = Cause::node_lost}});
  }

  void give(std::vector<Event> events) {
    events.back().last = true;
    for (Event& event : events) {
      event.time = time_;
      for (const Order& order : schedule_->on(event)) {
        if (const auto* assign = std::get_if<Assign>(&order)) take(*assign);
        if (const auto* cancel = std::get_if<Cancel>(&order)) {
          open_.erase(cancel->task);
          held_.erase(cancel->task);
        }
      }
    }
  }

  void take(const Assign& assign) {
    if (assign.kind == TaskKind::update) {
      EXPECT_FALSE(assign.at_work);
      open_[assign.task] = assign.worker_node();
      held_[assign.task] = assign.worker_node();
      return;
    }
    std::set<NodeId> taken;
    for (const TaskId task : assign.consumes) {
      taken.insert(held_.at(task));
      held_.erase(task);
    }
    std::map<NodeId, TaskId> latest;
    for (const auto& [task, node] : held_) {
      if (!taken.contains(node)) latest[node] = std::max(task, latest[node]);
    }
    std::vector<TaskId> expected;
    for (const auto& [node, task] : latest) expected.push_back(task);
    ASSERT_TRUE(assign.at_work);
    EXPECT_THAT(*assign.at_work, testing::UnorderedElementsAreArray(expected));
    EXPECT_TRUE(std::ranges::is_sorted(*assign.at_work));
    under_way_.push_back(assign.task);
    ++aggregations;
    most_at_work = std::max(most_at_work, expected.size());
  }

  std::unique_ptr<Schedule> schedule_;
  std::minstd_rand random_;
  std::map<TaskId, NodeId> open_;  // under way
  std::map<TaskId, NodeId> held_;  // under way or waiting to be taken
  std::set<NodeId> away_;
  std::vector<TaskId> under_way_;  // aggregations
  std::int64_t version_ = 0;
  double time_ = 0;  // s
};

TEST(AtWork, AreTheTasksThatAreNeitherTakenNorLost) {
  int kinds = 0;
  int with_somebody = 0;
  for (const ScheduleKind& kind : schedule_kinds()) {
    auto schedule = schedule_of(kind.name, "in-flight", setting_of(8));
    if (dynamic_cast<FederatedSchedule*>(schedule.get()) == nullptr) continue;
    SCOPED_TRACE(kind.name);
    Market market(std::move(schedule), test::drawn_seed());
    market.run(400);
    EXPECT_GT(market.aggregations, 3);
    with_somebody += market.most_at_work > 0 ? 1 : 0;
    ++kinds;
  }
  EXPECT_GE(kinds, 8);
  EXPECT_GE(with_somebody, 4) << "those that do not wait for all";
}

TEST(AtWork, AreSaidOnlyWhereTheRuleAsks) {
  Desk desk(schedule_of("cos2p", "coverage", setting_of(4)));
  desk.give({desk.done(0), desk.done(1)});
  EXPECT_EQ(desk.aggregations.size(), 1);
  EXPECT_FALSE(desk.aggregations.front().at_work);
}

// The server reads what each of those at work holds, and has one number more for a parameter.
TEST(AtWork, CostTheServerTimeAndMemory) {
  const auto cost = [](const std::string& rule) {
    Desk desk(schedule_of("cos2p", rule, setting_of(8)));
    desk.give({desk.done(0), desk.done(1), desk.done(2), desk.done(3)});
    return desk.aggregations.at(0).graph->activities().front();
  };
  const Activity plain = cost("coverage");
  const Activity counted = cost("in-flight");
  EXPECT_GT(counted.seconds, plain.seconds);
  EXPECT_EQ(counted.memory, plain.memory * 4 / 3) << "model, sums, an update; and the weights";
}

}  // namespace
}  // namespace convoy::sim
