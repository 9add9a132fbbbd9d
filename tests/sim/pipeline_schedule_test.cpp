// Tests the schedules of pipelines by events: rounds, losses and returns at random, new plans.

#include "sim/schedule/pipeline_schedule.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "base/random.hpp"
#include "sim/schedule/kinds.hpp"
#include "sim/task/peak_memory.hpp"
#include "sim/task/pipeline_label.hpp"
#include "tests/support/pipeline_fleet.hpp"

namespace convoy::sim {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Plays a schedule: what it orders goes on until it ends or one of its nodes is lost.
class Played {
 public:
  Played(std::unique_ptr<Schedule> schedule, std::size_t nodes)
      : schedule_(std::move(schedule)), present_(nodes, true) {
    give({{.kind = EventKind::run_started}});
  }

  [[nodiscard]] bool at_work() const { return work_.has_value(); }
  [[nodiscard]] const Assign& work() const { return *work_; }
  [[nodiscard]] bool present(NodeId node) const { return present_[node]; }

  // The task under way ends.
  void end() {
    std::vector<Event> events = {
        {.kind = EventKind::task_done, .node = work_->worker_node(), .task = work_->task}};
    if (work_->publishes >= 0) {
      events.push_back({.kind = EventKind::published, .task = work_->task, .version = ++versions});
      for (const TaskId taken : work_->consumes) {
        EXPECT_EQ(waiting_.erase(taken), 1U) << "a result is there, and is taken once";
      }
      rounds.push_back(*work_);
    } else {
      waiting_.insert(work_->task);
      moves.push_back(*work_);
    }
    work_.reset();
    give(std::move(events));
  }
  void lose(NodeId node) {
    present_[node] = false;
    std::vector<Event> events = {{.kind = EventKind::node_lost, .node = node}};
    if (work_ && std::ranges::count(work_->members, node) > 0) {
      events.push_back({.kind = EventKind::task_failed,
                        .node = node,
                        .task = work_->task,
                        .cause = Cause::node_lost});
      work_.reset();
      ++interrupted;
    }
    give(std::move(events));
  }
  void join(NodeId node) {
    present_[node] = true;
    give({{.kind = EventKind::node_joined, .node = node}});
  }
  void change(NodeId node, double speed) {
    give({{.kind = EventKind::node_changed, .node = node, .speed = speed}});
  }

  // Time goes on to this, and a timer that was set for it fires.
  void wait_until(double time) {
    now_ = time - 1;
    const auto timer = timers.find(time);
    if (timer == timers.end()) return;
    give({{.kind = EventKind::timer_fired, .timer = timer->second}});
  }
  [[nodiscard]] double now() const { return now_; }

  std::map<double, std::int64_t> timers;  // by time
  std::vector<Assign> rounds;             // that were published
  std::vector<Assign> moves;              // that were done
  std::vector<std::string> plans;
  std::int64_t versions = 0;
  int interrupted = 0;

 private:
  void give(std::vector<Event> events) {
    events.back().last = true;
    for (Event& event : events) {
      event.time = ++now_;
      for (Order& order : schedule_->on(event)) {
        if (auto* assign = std::get_if<Assign>(&order)) {
          ASSERT_FALSE(work_) << "one task at a time";
          EXPECT_TRUE(begun_.insert(assign->task).second);
          for (const NodeId node : assign->members) EXPECT_TRUE(present_[node]);
          const std::set<NodeId> unlike(assign->members.begin(), assign->members.end());
          EXPECT_EQ(unlike.size(), assign->members.size());
          work_ = std::move(*assign);
        } else if (const auto* cancel = std::get_if<Cancel>(&order)) {
          EXPECT_EQ(waiting_.erase(cancel->task), 1U);
        } else if (const auto* timer = std::get_if<SetTimer>(&order)) {
          EXPECT_GT(timer->time, now_);
          timers[timer->time] = timer->timer;
        } else {
          plans.push_back(std::get<Planned>(order).plan);
        }
      }
    }
  }

  std::unique_ptr<Schedule> schedule_;
  ByNode<bool> present_;
  std::optional<Assign> work_;
  std::set<TaskId> begun_;
  std::set<TaskId> waiting_;
  double now_ = 0;
};

// Each stage computes each micro-batch once at each of its devices, forward and back.
void expect_whole_round(const Assign& round, int microbatches) {
  std::map<std::pair<int, int>, int> forwards;  // by stage and micro-batch
  std::map<std::pair<int, int>, int> backwards;
  std::map<int, std::set<int>> devices;  // by stage
  for (const Activity& a : round.graph->activities()) {
    const auto label = read_pipeline_label(a.label);
    if (a.kind != ActivityKind::compute || !label || label->microbatch < 0) continue;
    if (label->kind == PipelineLabel::Kind::forward) {
      ++forwards[{label->stage, label->microbatch}];
      devices[label->stage].insert(a.at);
    }
    if (label->kind == PipelineLabel::Kind::backward) {
      ++backwards[{label->stage, label->microbatch}];
    }
  }
  EXPECT_EQ(forwards, backwards);
  std::size_t roles = 0;
  for (const auto& [stage, at] : devices) {
    roles += at.size();
    for (int m = 0; m < microbatches; ++m) {
      EXPECT_EQ((forwards[{stage, m}]), static_cast<int>(at.size())) << stage << " " << m;
    }
  }
  EXPECT_EQ(forwards.size(), devices.size() * static_cast<std::size_t>(microbatches));
  EXPECT_GT(roles, 0U);
}

class PipelineSchedules : public testing::TestWithParam<const char*> {
 protected:
  static const ScheduleKind& kind() {
    return *std::ranges::find(schedule_kinds(), std::string(GetParam()), &ScheduleKind::name);
  }
};

TEST_P(PipelineSchedules, RoundsFollowEachOther) {
  const auto setting = boards_setting(five);
  Played played(made(kind(), setting, "[schedule.pipeline]\nmicrobatches = 6\nmicrobatch = 12\n"),
                6);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(played.at_work());
    EXPECT_EQ(played.work().samples, 72);
    EXPECT_EQ(played.work().kind, TaskKind::update);
    expect_whole_round(played.work(), 6);
    played.end();
  }
  EXPECT_EQ(played.rounds[0].graph, played.rounds[2].graph) << "made once";
  EXPECT_TRUE(played.moves.empty());
}

// What a device needs at a moment is what the plan says at most, and no more than it has.
TEST_P(PipelineSchedules, MemoryIsWithinTheDevices) {
  const auto setting = boards_setting(five);
  const auto schedule = made(kind(), setting, "[schedule.pipeline]\nmicrobatch = 16\n");
  const auto explained = std::get<PipelineExplanation>(schedule->explain(false).value());
  const PipelineTable& table = explained.plan;
  for (std::size_t s = 0; s < table.stages.size(); ++s) {
    for (std::size_t m = 0; m < table.stages[s].members.size(); ++m) {
      const PipelineMemberRow& row = table.stages[s].members[m];
      EXPECT_LE(row.needed, row.available);
      EXPECT_LE(peak_memory(*table.task.graph, table.task.roles[s][m]), row.needed * (1 + 1e-9));
    }
  }
  EXPECT_GT(table.round_s, 0);
  EXPECT_GE(table.bubble, 0);
  EXPECT_LT(table.bubble, 1);
}

TEST_P(PipelineSchedules, AtRandomLossesNothingIsLeftOutOrCountedTwice) {
  int interrupted = 0;
  int moved = 0;
  const auto setting = boards_setting(five);
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    base::Random random({seed, 0x70697065ULL});
    Played played(made(kind(), setting, "[schedule.pipeline]\nmicrobatches = 4\n"), 6);
    std::vector<NodeId> away;
    for (int step = 0; step < 30; ++step) {
      const auto draw = random.below(4);
      if (draw == 0 && away.size() < 3) {
        const auto node = static_cast<NodeId>(1 + random.below(5));
        if (!played.present(node)) continue;
        away.push_back(node);
        played.lose(node);
      } else if (draw == 1 && !away.empty()) {
        played.join(away.back());
        away.pop_back();
      } else if (played.at_work()) {
        played.end();
      }
      ASSERT_TRUE(played.at_work()) << "two nodes are always there";
    }
    EXPECT_EQ(std::ssize(played.rounds), played.versions);
    for (const Assign& round : played.rounds) expect_whole_round(round, 4);
    interrupted += played.interrupted;
    moved += static_cast<int>(played.moves.size());
  }
  EXPECT_GT(interrupted, 50);
  EXPECT_GT(moved, 10);  // with the whole model everywhere only to those that come back
}

TEST_P(PipelineSchedules, AllNodesGoneAndBack) {
  const auto setting = boards_setting(five);
  Played played(made(kind(), setting), 6);
  played.end();
  for (NodeId node = 1; node <= 5; ++node) played.lose(node);
  EXPECT_FALSE(played.at_work());
  for (NodeId node = 1; node <= 5; ++node) played.join(node);
  EXPECT_TRUE(played.at_work());
}

// Whatever was lost in between.
TEST_P(PipelineSchedules, ARoundBeginsBehindTheSamplesOfThoseThatWerePublished) {
  Played played(made(kind(), boards_setting(five), "[schedule.pipeline]\nrounds = 2\n"), 6);
  for (int published = 0; published < 4; ++published) {
    if (published % 2 == 1) {
      played.lose(played.work().members.front());
      while (played.at_work() && played.work().publishes < 0) played.end();  // a move
      for (NodeId node = 1; node <= 5; ++node) played.join(node);
    }
    ASSERT_TRUE(played.at_work());
    while (played.work().publishes < 0) played.end();
    EXPECT_EQ(played.work().brief.samples_before, 2.0 * 8 * 8 * published);
    EXPECT_EQ(played.work().samples, 2.0 * 8 * 8);
    EXPECT_TRUE(played.work().in_time);
    played.end();
  }
}

TEST_P(PipelineSchedules, RefuseWhatNoStageCanDo) {
  auto setting = boards_setting(five);
  setting->clip = 1;
  EXPECT_THAT(refused(kind(), setting, ""),
              HasSubstr(GetParam() == std::string("dataparallel") ? "nothing was refused"
                                                                  : "training.clip: a stage"));
  setting = boards_setting(five);
  setting->proximal = 0.1;
  EXPECT_THAT(refused(kind(), setting, ""), HasSubstr("training.proximal: the nodes"));
  setting = boards_setting(five);
  setting->test_locally = true;
  EXPECT_THAT(refused(kind(), setting, ""), HasSubstr("evaluation.local: the nodes"));
}

TEST_P(PipelineSchedules, RefuseAFleetOfOne) {
  EXPECT_THAT(refused(kind(), boards_setting({five[3]}), ""),
              AllOf(HasSubstr(GetParam()), HasSubstr("at least two nodes"), HasSubstr("has 1")));
}

TEST_P(PipelineSchedules, RefuseWhatFitsNowhere) {
  std::vector<Board> small = five;
  for (Board& board : small) board.memory = 2.2e8;
  EXPECT_THAT(refused(kind(), boards_setting(small), "[schedule.pipeline]\nmicrobatch = 64\n"),
              testing::Not(HasSubstr("nothing was refused")));
}

std::string list_of_kinds(const testing::TestParamInfo<const char*>& info) { return info.param; }
INSTANTIATE_TEST_SUITE_P(Kinds, PipelineSchedules,
                         testing::Values("asteroid", "dataparallel", "gpipe", "pipedream",
                                         "dapple"),
                         list_of_kinds);

double bytes_from(const Assign& move, NodeId node) {
  double bytes = 0;
  for (const Activity& a : move.graph->activities()) {
    if (a.kind != ActivityKind::transfer) continue;
    if (move.members[static_cast<std::size_t>(a.at)] == node) bytes += a.bytes;
  }
  return bytes;
}

// Copies go out at the end of a round: before the first of a plan has ended nobody has any.
TEST(PipelineReplicas, CountWhenTheyHaveBeenSent) {
  const std::string keys = R"([schedule.pipeline]
replicate = true
[[schedule.pipeline.stages]]
to = "block3"
nodes = "nano-1"
[[schedule.pipeline.stages]]
nodes = ["tx2-1", "xavier-1", "xavier-2"]
)";
  for (const bool has_ended : {false, true}) {
    Played played(made(schedules::asteroid(), boards_setting(five), keys), 6);
    if (has_ended) played.end();
    played.lose(1);
    ASSERT_TRUE(played.at_work());
    ASSERT_LT(played.work().publishes, 0) << "the lost layers move";
    EXPECT_EQ(bytes_from(played.work(), server_node) == 0, has_ended);
  }
}

// The optimizer's state goes where the weights go.
TEST(PipelineMoves, TakeTheOptimizersStateAlong) {
  std::vector<double> moved;
  for (const engine::Optimizer optimizer : {engine::Optimizer::sgd, engine::Optimizer::adamw}) {
    const auto setting = boards_setting(five);
    setting->optimizer = optimizer;
    const std::string keys =
        "[[schedule.pipeline.stages]]\nto = \"block3\"\nnodes = \"nano-1\"\n"
        "[[schedule.pipeline.stages]]\nnodes = [\"tx2-1\", \"xavier-1\", \"xavier-2\"]\n";
    Played played(made(schedules::gpipe(), setting, keys), 6);
    played.end();
    played.lose(1);
    ASSERT_LT(played.work().publishes, 0);
    double all = 0;
    for (NodeId node = 0; node <= 5; ++node) all += bytes_from(played.work(), node);
    moved.push_back(all);
  }
  EXPECT_GT(moved[1], 2 * moved[0]);  // two more values a parameter; plans may differ
}

TEST(PipelineReplan, FollowsASpeedOnlyWhereItIsWorthTheMove) {
  const auto setting = boards_setting(five);
  const auto plans_after = [&](const std::string& keys, double speed) {
    Played played(made(schedules::asteroid(), setting, "[schedule.pipeline.replan]\n" + keys), 6);
    played.end();
    played.change(4, speed);
    played.end();
    const std::size_t moves = played.moves.size();
    if (played.at_work() && played.work().publishes < 0) played.end();
    EXPECT_GE(played.moves.size(), moves);
    return std::pair(played.plans.size(), played.moves.size());
  };
  EXPECT_EQ(plans_after("", 0.9), (std::pair<std::size_t, std::size_t>(1, 0)));
  EXPECT_EQ(plans_after("", 0.2), (std::pair<std::size_t, std::size_t>(2, 1)));
  EXPECT_EQ(plans_after("change = 10\n", 0.2), (std::pair<std::size_t, std::size_t>(1, 0)));
  // Looked at, and kept.
  EXPECT_EQ(plans_after("horizon_rounds = 0\n", 0.2), (std::pair<std::size_t, std::size_t>(2, 0)));
}

constexpr const char* heartbeats = "[schedule.pipeline.heartbeat]\nperiod_s = 10\nbytes = 50\n";

// Heartbeats at 0, 10, 20, ... s: three of them have not come 30 s after the last that came.
TEST(PipelineHeartbeats, ALossIsNoticedWhenThreeHaveNotCome) {
  const auto setting = boards_setting(five);
  Played played(made(schedules::asteroid(), setting, heartbeats), 6);
  played.wait_until(24);
  played.lose(played.work().members.front());
  EXPECT_FALSE(played.at_work());
  ASSERT_EQ(played.timers.size(), 1U);
  EXPECT_EQ(played.timers.begin()->first, 50);
  played.wait_until(50);
  EXPECT_TRUE(played.at_work());
  EXPECT_THAT(played.plans, testing::Contains(AllOf(HasSubstr("lost: "), HasSubstr("noticed"))));
  // Of the next loss the server knows later, too.
  while (played.work().publishes < 0) played.end();
  const double now = played.now();
  played.lose(played.work().members.front());
  EXPECT_FALSE(played.at_work());
  EXPECT_EQ(played.timers.rbegin()->first, 10 * (std::floor((now + 1) / 10) + 3));
}

TEST(PipelineHeartbeats, ADeviceThatComesBackSaysSo) {
  Played played(made(schedules::asteroid(), boards_setting(five), heartbeats), 6);
  const NodeId node = played.work().members.front();
  played.lose(node);
  EXPECT_FALSE(played.at_work());
  played.join(node);
  EXPECT_TRUE(played.at_work()) << "before the time-out";
  EXPECT_TRUE(played.moves.empty());
  played.wait_until(played.timers.begin()->first);  // which changes nothing
  EXPECT_TRUE(played.at_work());
}

// Of each pass: as many bytes as its heartbeats have, of every device of the plan.
TEST_P(PipelineSchedules, HeartbeatsGoToTheServer) {
  const auto setting = boards_setting(five);
  const auto schedule = made(kind(), setting, heartbeats);
  const auto with = schedule->plan();
  const double round_s =
      std::get<PipelineExplanation>(schedule->explain(false).value()).plan.round_s;
  const auto without = made(kind(), setting)->plan();
  ASSERT_FALSE(with.empty());
  EXPECT_EQ(with.size(), without.size());
  const PlannedTask& task = with.front();
  std::set<NodeId> tell;
  for (const Activity& a : task.graph->activities()) {
    if (a.label != "heartbeat") continue;
    EXPECT_EQ(a.kind, ActivityKind::transfer);
    EXPECT_EQ(task.members[static_cast<std::size_t>(a.to)], server_node);
    EXPECT_NEAR(a.bytes / (50 * round_s / 10), 1, 1e-9);
    tell.insert(task.members[static_cast<std::size_t>(a.at)]);
  }
  for (const NodeId node : task.members) EXPECT_TRUE(node == server_node || tell.contains(node));
  for (const Activity& a : without.front().graph->activities()) EXPECT_NE(a.label, "heartbeat");
}

}  // namespace
}  // namespace convoy::sim
