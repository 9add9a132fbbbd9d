// Tests the schedules of pipelines by events: rounds, losses and returns at random, new plans,
// moves of weights, plans by hand, bad input.

#include "sim/schedule/pipeline_schedule.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/random.hpp"
#include "sim/schedule/kinds.hpp"
#include "sim/schedule/pipeline_moves.hpp"
#include "sim/task/peak_memory.hpp"
#include "sim/task/pipeline_label.hpp"
#include "tests/support/hand_machine.hpp"
#include "tests/support/read_kind.hpp"

namespace convoy::sim {
namespace {

using testing::AllOf;
using testing::HasSubstr;

struct Board {
  std::string name;
  double flops_per_s;
  double memory;
};

const std::vector<Board> five = {{"nano-1", 2e11, 3e9},
                                 {"nano-2", 2e11, 3e9},
                                 {"tx2-1", 5e11, 6e9},
                                 {"xavier-1", 1e12, 8e9},
                                 {"xavier-2", 1e12, 8e9}};

std::shared_ptr<Setting> setting_of(const std::vector<Board>& boards, double mbps = 1000) {
  auto setting = std::make_shared<Setting>();
  engine::ModelOptions model;
  model.architecture = "resnet18";
  model.image_size = 64;
  model.exits = {1};
  setting->architecture =
      std::make_shared<const engine::Architecture>(engine::make_architecture(model));
  const auto add = [&](const Board& board) {
    auto machine =
        std::make_shared<platforms::Machine>(convoy::test::hand_machine(board.flops_per_s, 2e10));
    machine->memory = board.memory;
    machine->context = 2e8;
    machine->device = board.name.substr(0, board.name.find('-')) + "-board";
    setting->nodes.push_back({board.name,
                              machine,
                              100,
                              8,
                              {"", "", platforms::Duplex::full, mbps * 1e6, mbps * 1e6, 0.001}});
  };
  add({"server", 1e13, 0});
  for (const Board& board : boards) add(board);
  return setting;
}

std::unique_ptr<Schedule> made(const ScheduleKind& kind, const std::shared_ptr<Setting>& setting,
                               const std::string& keys = "") {
  return read_kind(kind, keys).make(setting);
}

std::string refused(const ScheduleKind& kind, const std::shared_ptr<Setting>& setting,
                    const std::string& keys) {
  try {
    made(kind, setting, keys);
  } catch (const base::UserError& error) {
    return error.what();
  }
  return "nothing was refused";
}

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

  std::vector<Assign> rounds;  // that were published
  std::vector<Assign> moves;   // that were done
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
  const auto setting = setting_of(five);
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
  const auto setting = setting_of(five);
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
  const auto setting = setting_of(five);
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
  EXPECT_GT(moved, 50);
}

TEST_P(PipelineSchedules, AllNodesGoneAndBack) {
  const auto setting = setting_of(five);
  Played played(made(kind(), setting), 6);
  played.end();
  for (NodeId node = 1; node <= 5; ++node) played.lose(node);
  EXPECT_FALSE(played.at_work());
  for (NodeId node = 1; node <= 5; ++node) played.join(node);
  EXPECT_TRUE(played.at_work());
}

TEST_P(PipelineSchedules, RefuseAFleetOfOne) {
  EXPECT_THAT(refused(kind(), setting_of({five[3]}), ""),
              AllOf(HasSubstr(GetParam()), HasSubstr("at least two nodes"), HasSubstr("has 1")));
}

TEST_P(PipelineSchedules, RefuseWhatFitsNowhere) {
  std::vector<Board> small = five;
  for (Board& board : small) board.memory = 2.2e8;
  EXPECT_THAT(refused(kind(), setting_of(small), "[schedule.pipeline]\nmicrobatch = 64\n"),
              testing::Not(HasSubstr("nothing was refused")));
}

std::string list_of_kinds(const testing::TestParamInfo<const char*>& info) { return info.param; }
INSTANTIATE_TEST_SUITE_P(Kinds, PipelineSchedules,
                         testing::Values("asteroid", "dataparallel", "gpipe", "pipedream",
                                         "dapple"),
                         list_of_kinds);

constexpr const char* hand_made = R"([schedule.pipeline]
microbatch = 8
microbatches = 5
[[schedule.pipeline.stages]]
to = "block3"
nodes = ["nano", "tx2-1"]
samples = [1, 1, 6]
[[schedule.pipeline.stages]]
nodes = "xavier"
)";

TEST(PipelineByHand, IsRunAsGivenAndStandsBesideThePlanners) {
  const auto setting = setting_of(five);
  const auto schedule = made(schedules::asteroid(), setting, hand_made);
  const auto explained = std::get<PipelineExplanation>(schedule->explain(false).value());
  ASSERT_EQ(explained.plan.stages.size(), 2U);
  EXPECT_TRUE(explained.plan.by_hand);
  EXPECT_EQ(explained.plan.stages[0].last_name, "block3");
  EXPECT_EQ(explained.plan.stages[0].members[2].samples, 6);
  EXPECT_EQ(explained.plan.stages[1].members[0].samples, 4);  // equal devices
  EXPECT_EQ(explained.plan.stages[0].window, 3);
  ASSERT_TRUE(explained.planned);
  EXPECT_FALSE(explained.planned->by_hand);
}

TEST(PipelineByHand, BadPlansAreRefused) {
  const auto setting = setting_of(five);
  const auto said = [&](const std::string& stages) {
    return refused(schedules::asteroid(), setting, stages);
  };
  const std::string first =
      "[[schedule.pipeline.stages]]\nto = \"block3\"\nnodes = \"nano\"\n"
      "[[schedule.pipeline.stages]]\n";
  EXPECT_THAT(said(first + "nodes = \"tx2\"\nto = \"block6\"\n"),
              AllOf(HasSubstr("behind \"block6\""), HasSubstr("nobody has the layers")));
  EXPECT_THAT(said(first + "nodes = \"tx2\"\nto = \"block2\"\n"),
              AllOf(HasSubstr("stages.1.to"), HasSubstr("no layers")));
  EXPECT_THAT(said(first + "nodes = []\n"),
              AllOf(HasSubstr("stages.1.nodes"), HasSubstr("nobody computes")));
  EXPECT_THAT(said(first + "nodes = \"nano-2\"\n"), HasSubstr("nano-2 has a stage already"));
  EXPECT_THAT(said(first + "nodes = \"nono-2\"\n"), HasSubstr("did you mean"));
  EXPECT_THAT(said(first + "nodes = \"tx2\"\nto = \"blok4\"\n"), HasSubstr("did you mean"));
  EXPECT_THAT(said(first + "nodes = \"tx2\"\nsamples = [3, 5]\n"), HasSubstr("2 numbers"));
  EXPECT_THAT(said(first + "nodes = \"tx2\"\nsamples = [3]\n"),
              AllOf(HasSubstr("schedule.pipeline.stages"), HasSubstr("8")));
  EXPECT_THAT(said("[schedule.pipeline]\nmicrobatch = 4096\n" + first + "nodes = \"xavier\"\n"),
              AllOf(HasSubstr("stages.0"), HasSubstr("do not hold")));
}

TEST(PipelineMoves, BringEachDeviceTheLayersThatItLacks) {
  const auto setting = setting_of(five);
  const auto read = [&](const std::string& keys) {
    base::Diagnostics problems;
    const base::Value root = base::parse_toml("[pipeline]\n" + keys, "t", problems);
    base::TableReader reader(root, "schedule", problems);
    return read_pipeline_keys(reader);
  };
  const std::string names[] = {"nano-1", "nano-2", "tx2-1", "xavier-1", "xavier-2"};
  const auto planned = [&](const std::string& stages) {
    PipelinePlanner planner(
        setting, read(stages),
        {.kind = "test", .plan = [](const PipelineProblem&) { return PipelinePlan(); }});
    return std::pair(planner, planner.plan(planner.workers(), ByNode<double>(6, 1.0)));
  };
  const auto stage = [&](const std::string& to, const std::string& nodes) {
    return "[[pipeline.stages]]\nto = \"" + to + "\"\nnodes = [" + nodes + "]\n";
  };
  const auto [planner, from] =
      planned(stage("block2", "\"nano-1\"") + stage("block5", "\"tx2-1\", \"xavier-1\"") +
              stage("end", "\"xavier-2\""));
  const auto to =
      planned(stage("block3", "\"nano-2\"") + stage("end", "\"tx2-1\", \"xavier-2\"")).second;
  const PipelineModel& model = *planner.model();
  const int block2 = model.read("block2", "");
  const int block3 = model.read("block3", "");
  const int block5 = model.read("block5", "");
  const int all = model.layers();
  ByNode<bool> present(6, true);
  const auto moved = [&](bool replicates) {
    std::map<std::pair<NodeId, NodeId>, double> bytes;
    for (const NodeMove& move : direct_moves(model, {from, present, replicates}, to)) {
      EXPECT_FALSE(move.through_server);
      bytes[{move.from, move.to}] += move.bytes;
    }
    return bytes;
  };
  // nano-1 is 1, nano-2 is 2, tx2-1 is 3, xavier-1 is 4, xavier-2 is 5.
  std::map<std::pair<NodeId, NodeId>, double> expected = {
      {{1, 2}, model.copy_bytes({0, block2})},
      {{3, 2}, model.copy_bytes({block2, block3})},
      {{5, 3}, model.copy_bytes({block5, all})},
      {{3, 5}, model.copy_bytes({block3, block5})}};
  EXPECT_EQ(moved(false), expected);
  // A device of the group is left; of a single one there is a copy, or what the server has.
  present[1] = false;
  present[3] = false;
  expected = {{{4, 2}, model.copy_bytes({block2, block3})},
              {{5, 3}, model.copy_bytes({block5, all})},
              {{4, 5}, model.copy_bytes({block3, block5})},
              {{server_node, 2}, model.copy_bytes({0, block2})}};
  EXPECT_EQ(moved(true), expected);
  present[3] = true;
  expected[{3, 2}] = model.copy_bytes({0, block3});  // its copy of the first stage as well
  expected[{3, 5}] = model.copy_bytes({block3, block5});
  expected.erase({4, 2});
  expected.erase({4, 5});
  expected.erase({server_node, 2});
  EXPECT_EQ(moved(true), expected);
  // Through the server: each stage once, then to each device all of its stage.
  double up = 0;
  double down = 0;
  for (const NodeMove& move : gathering_moves(model, {from, present, false}, to)) {
    EXPECT_TRUE(move.through_server);
    (move.to == server_node ? up : down) += move.bytes;
  }
  EXPECT_EQ(up, model.copy_bytes({block2, all}));  // nobody has the first stage's
  EXPECT_EQ(down, model.copy_bytes({0, block3}) + 2 * model.copy_bytes({block3, all}));
}

TEST(PipelineReplan, FollowsASpeedOnlyWhereItIsWorthTheMove) {
  const auto setting = setting_of(five);
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

}  // namespace
}  // namespace convoy::sim
