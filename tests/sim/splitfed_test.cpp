// Tests the orders of splitfed and splitlearning: who trains which part, when, and what becomes of
// it; and what they refuse.

#include "sim/schedule/splitfed.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <set>

#include "engine/model/stage.hpp"
#include "sim/schedule/kinds.hpp"
#include "sim/schedule/split_update.hpp"
#include "sim/schedule/splitlearning.hpp"
#include "tests/support/desk.hpp"
#include "tests/support/read_kind.hpp"

namespace convoy::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::shared_ptr<Setting> setting_with(int workers, const std::string& architecture = "cnn-small",
                                      std::vector<double> exits = {1}) {
  auto setting = setting_of(workers);
  engine::ModelOptions model;
  model.architecture = architecture;
  model.image_size = 16;
  model.classes = 10;
  model.exits = std::move(exits);
  setting->architecture =
      std::make_shared<const engine::Architecture>(engine::make_architecture(model));
  return setting;
}

engine::Trace traced(const Setting& setting) {
  return engine::trace(*setting.architecture, engine::full_submodel(*setting.architecture));
}

// The last layer of the node's part, and the first of those that it has at the end (0: none).
std::pair<int, int> part_of(const Assign& task) {
  std::pair<int, int> part;
  for (const Activity& a : task.graph->activities()) {
    if (const auto* forward = std::get_if<engine::Forward>(&a.work); forward && a.at == 1) {
      part.first = forward->last;
    }
    if (const auto* tail = std::get_if<engine::TrainStage>(&a.work); tail && a.at == 1) {
      part.second = tail->first;
    }
  }
  return part;
}

std::string refused(const ScheduleKind& kind, const std::string& keys,
                    const std::shared_ptr<const Setting>& setting) {
  try {
    read_kind(kind, keys).make(setting);
  } catch (const base::UserError& e) {
    return e.what();
  }
  return "nothing";
}

// --- splitfed -----------------------------------------------------------------------------------

TEST(SplitFed, TheSameNodesAreDrawnAsByFedAvgAndTheirUpdatesAreWholeModels) {
  const auto setting = setting_with(6);
  const std::string keys = "participants = 3\n";
  Desk split(read_kind(schedules::splitfed(), "[schedule.splitfed]\n" + keys).make(setting));
  Desk usual(read_kind(schedules::fedavg(), "[schedule.fedavg]\n" + keys).make(setting));
  for (int round = 0; round < 5; ++round) {
    EXPECT_EQ(split.open, usual.open);
    for (Desk* desk : {&split, &usual}) {
      std::vector<Event> events;
      for (const auto& [task, node] : std::map(desk->open)) events.push_back(desk->done(task));
      desk->give(events);
      ASSERT_EQ(desk->aggregating.size(), 3);
    }
    const Assign& a = split.aggregations.back();
    const Assign& b = usual.aggregations.back();
    EXPECT_EQ(a.graph->activities()[0].seconds, b.graph->activities()[0].seconds);
    EXPECT_EQ(a.graph->artifacts()[1].bytes, b.graph->artifacts()[1].bytes);
    split.give({split.aggregated()});
    usual.give({usual.aggregated()});
  }
  for (const Assign& task : split.assigned) {
    EXPECT_EQ(task.label, "split");
    EXPECT_EQ(task.rate, 1);
    EXPECT_EQ(task.samples, 10);
    EXPECT_EQ(task.publishes, -1);
  }
}

TEST(SplitFed, IsCutBehindTheFirstBlockUnlessTold) {
  const auto setting = setting_with(1, "resnet18-cifar");
  const engine::Trace trace = traced(*setting);
  const auto part = [&](const std::string& keys) {
    return part_of(
        Desk(read_kind(schedules::splitfed(), "[schedule.splitfed]\n" + keys).make(setting))
            .assigned.at(0));
  };
  const int last = engine::whole(trace).last;
  EXPECT_EQ(engine::name_of_cut(trace, part("").first), "block1");
  EXPECT_EQ(part("cut = \"block3\"\n"), std::pair(engine::cut_after(trace, "block3"), 0));
  EXPECT_EQ(part("cut = " + std::to_string(part("").first) + "\n"), part(""));
  const auto cuts = engine::cuts(trace);
  EXPECT_EQ(part("labels = \"device\"\n"), std::pair(part("").first, cuts.back()));
  EXPECT_EQ(part("labels = \"device\"\ntail = \"block5\"\n").second,
            engine::cut_after(trace, "block5"));
  EXPECT_LT(cuts.back(), last);
}

TEST(SplitFed, ACutThatIsNoneNamesTheNearestAndItsKey) {
  const auto setting = setting_with(1, "resnet18-cifar");
  const engine::Trace trace = traced(*setting);
  const auto error = [&](const std::string& keys) {
    return refused(schedules::splitfed(), "[schedule.splitfed]\n" + keys, setting);
  };
  EXPECT_THAT(error("cut = \"blok3\"\n"), HasSubstr("schedule.splitfed.cut: \"blok3\" is no part"));
  EXPECT_THAT(error("cut = 100000\n"), HasSubstr("the nearest cut is"));
  const int wide = engine::wide_cuts(trace).front().cut;
  EXPECT_THAT(error("cut = " + std::to_string(wide) + "\n"), HasSubstr("2 tensors cross"));
  EXPECT_THAT(error("cut = \"block5\"\nlabels = \"device\"\ntail = \"block3\"\n"),
              HasSubstr("schedule.splitfed.tail: the device has all layers up to \"block5\""));
  std::string problems;
  read_kind(schedules::splitfed(), "[schedule.splitfed]\ntail = \"block3\"\n", &problems);
  EXPECT_THAT(problems, HasSubstr("tail"));
  read_kind(schedules::splitfed(), "[schedule.splitfed]\ncut = 0\n", &problems);
  EXPECT_THAT(problems, HasSubstr("schedule.splitfed.cut"));
}

TEST(SplitFed, WhoseMemoryDoesNotHoldItsPartStaysOutAndTheErrorNamesACutThatFits) {
  const auto setting = setting_with(2, "resnet18-cifar");
  const std::vector<int> cuts = engine::cuts(traced(*setting));
  const auto cost = [&](int cut) {
    const LocalWork work{.split = SplitWork{.cut = cut}};
    return split_cost(*setting, setting->nodes[1], work);
  };
  auto small = std::make_shared<platforms::Machine>(*setting->nodes[1].machine);
  small->device = "board";
  small->memory = cost(cuts.front()).node_memory;
  setting->nodes[2].machine = small;
  const std::string keys = "[schedule.splitfed]\ncut = \"block6\"\n";
  const auto schedule = read_kind(schedules::splitfed(), keys).make(setting);
  EXPECT_EQ(Desk(read_kind(schedules::splitfed(), keys).make(setting)).assigned.size(), 1);
  const std::string error = refused(schedules::splitfed(), "unfit = \"error\"\n" + keys, setting);
  EXPECT_THAT(error, HasSubstr("and board has"));
  EXPECT_THAT(error, HasSubstr("with the cut at \"block6\""));
  EXPECT_THAT(error, HasSubstr("the nearest cut that fits is"));
  small->memory = 1;
  setting->nodes[1].machine = small;
  EXPECT_THAT(refused(schedules::splitfed(), keys, setting), HasSubstr("no cut fits"));
}

TEST(SplitFed, TheServersMemoryIsJudgedAsWell) {
  const auto setting = setting_with(3, "resnet18-cifar");
  const int cut = engine::cuts(traced(*setting))[3];
  const LocalWork work{.split = SplitWork{.cut = cut}};
  const double needed = split_cost(*setting, setting->nodes[1], work).server_memory;
  auto server = std::make_shared<platforms::Machine>(*setting->nodes[0].machine);
  server->device = "desktop";
  setting->nodes[0].machine = server;
  const std::string keys = "[schedule.splitfed]\ncut = " + std::to_string(cut) + "\n";
  server->memory = needed - 1;
  EXPECT_THAT(refused(schedules::splitfed(), keys, setting),
              HasSubstr("of memory at the server, and that (desktop) has"));
  server->memory = needed;  // of one: that several wait is said before a run (full_server_test.cpp)
  EXPECT_EQ(Desk(read_kind(schedules::splitfed(), keys).make(setting)).assigned.size(), 3);
}

// Transfers of weights in a task of version v3, and the layers that its node keeps.
struct Own {
  std::vector<std::string> downloads;
  std::vector<std::string> uploads;
  std::optional<int> before;
  std::optional<int> from;

  explicit Own(const Assign& task) : before(task.brief.own_before), from(task.brief.own_from) {
    for (const Activity& a : task.graph->activities()) {
      if (a.label == "download") downloads.push_back(a.label);
      if (a.label == "upload") uploads.push_back(a.label);
    }
  }
};

TEST(SplitFed, InV3PartsStayOnTheirDevicesAndComeToThemOnce) {
  const auto setting = setting_with(2, "resnet18-cifar");
  for (const std::string labels : {"server", "device"}) {
    Desk desk(read_kind(schedules::splitfed(),
                        "[schedule.splitfed]\nversion = \"v3\"\nlabels = \"" + labels + "\"\n")
                  .make(setting));
    const auto [cut, tail] = part_of(desk.assigned.at(0));
    const auto expect = [&](std::size_t task, std::size_t downloads) {
      const Own own(desk.assigned.at(task));
      EXPECT_EQ(own.downloads.size(), downloads) << task;
      EXPECT_TRUE(own.uploads.empty());
      EXPECT_EQ(own.before, cut);
      EXPECT_EQ(own.from, tail > 0 ? std::optional(tail) : std::nullopt);
      const auto& activities = desk.assigned.at(task).graph->activities();
      const auto* join = std::get_if<engine::JoinStages>(&activities.back().work);
      ASSERT_NE(join, nullptr);
      EXPECT_TRUE(join->partial);
      EXPECT_EQ(activities.back().at, server_node);
    };
    expect(0, 1);
    expect(1, 1);
    // Node 1 is lost in its first task and has nothing to go on with; node 2 ends its own.
    desk.give({{.kind = EventKind::node_lost, .node = 1}, desk.failed(0, Cause::node_lost)});
    desk.give({desk.done(1)});
    EXPECT_THAT(desk.aggregating, ElementsAre(1));
    desk.give({{.kind = EventKind::node_joined, .node = 1}, desk.aggregated()});
    ASSERT_EQ(desk.assigned.size(), 4);
    expect(2, 1);
    expect(3, 0);
    // From here on both have layers of their own, also when node 1 is lost again.
    desk.give({desk.done(2)});
    desk.give({desk.done(3)});
    desk.give({desk.aggregated()});
    expect(4, 0);
    expect(5, 0);
    desk.give({{.kind = EventKind::node_lost, .node = 1}, desk.failed(4, Cause::node_lost)});
    desk.give({desk.done(5)});
    desk.give({{.kind = EventKind::node_joined, .node = 1}, desk.aggregated()});
    expect(6, 0);
    const double bytes = desk.aggregations.back().graph->artifacts()[1].bytes;
    const engine::Trace trace = traced(*setting);
    const engine::Stage servers{cut, tail > 0 ? tail : engine::whole(trace).last};
    EXPECT_EQ(bytes, engine::transfer_bytes(trace, servers)) << "the server's part alone";
  }
}

TEST(SplitFed, OtherVersionsHaveNoOwnLayers) {
  const auto setting = setting_with(2);
  for (const std::string version : {"v1", "v2"}) {
    const std::string keys = "[schedule.splitfed]\nversion = \"" + version + "\"\n";
    const ScheduleSpec kind = read_kind(schedules::splitfed(), keys);
    EXPECT_FALSE(kind.learning.own_layers);
    EXPECT_EQ(Own(Desk(kind.make(setting)).assigned.at(0)).before, std::nullopt);
  }
  EXPECT_TRUE(read_kind(schedules::splitfed(), "[schedule.splitfed]\nversion = \"v3\"\n")
                  .learning.own_layers);
}

// Each by its key, before the run.
TEST(SplitFed, WhatAPartOfAModelCannotHaveIsRefused) {
  const auto error = [&](const std::string& keys, const std::function<void(Setting&)>& change = {},
                         const std::vector<double>& exits = {1}) {
    auto setting = setting_with(2, "cnn-small", exits);
    if (change) change(*setting);
    return refused(schedules::splitfed(), keys, setting);
  };
  EXPECT_EQ(error(""), "nothing");
  EXPECT_EQ(error("rates = 1.0\n"), "nothing");
  EXPECT_THAT(error("rates = 0.5\n"), HasSubstr("schedule.rates: "));
  EXPECT_THAT(error("rates = 0.5\nmask = { selection = \"learned\" }\n"),
              HasSubstr("schedule.rates: "));
  EXPECT_THAT(error("compression = { keep = 0.1 }\n"), HasSubstr("schedule.compression: "));
  EXPECT_THAT(error("compression = { download = { bits = 8 } }\n"),
              HasSubstr("schedule.compression: "));
  EXPECT_THAT(error("aggregation = { rule = \"holders-by-label\" }\n"),
              HasSubstr("schedule.aggregation: "));
  EXPECT_THAT(error("", [](Setting& s) { s.proximal = 0.1; }), HasSubstr("training.proximal: "));
  EXPECT_THAT(error("", [](Setting& s) { s.clip = 1; }), HasSubstr("training.clip: "));
  EXPECT_THAT(error("", [](Setting& s) { s.keeps_optimizer = true; }),
              HasSubstr("training.optimizer_state = \"kept\": "));
  EXPECT_THAT(error("", [](Setting& s) { s.test_locally = true; }),
              HasSubstr("evaluation.local: "));
  EXPECT_THAT(error("", [](Setting& s) { s.fixed = FixedCost{}; }),
              HasSubstr("training.fixed_cost: "));
  EXPECT_THAT(error("transfer = { weight = 0.5 }\n", {}, {0.5, 1}),
              HasSubstr("schedule.transfer.weight: "));
  EXPECT_EQ(error("", {}, {0.5, 1}), "nothing");
  EXPECT_EQ(error("transfer = { weight = 0.5 }\n"), "nothing") << "there is one exit";
}

// --- splitlearning ------------------------------------------------------------------------------

// One task at a time, which publishes its own result.
class InTurn {
 public:
  explicit InTurn(const std::string& keys, const std::shared_ptr<const Setting>& setting)
      : desk(read_kind(schedules::splitlearning(), "[schedule.splitlearning]\n" + keys)
                 .make(setting)) {}

  // The task under way ends and makes a version, at one instant.
  void end() {
    const TaskId task = desk.open.begin()->first;
    const Event done = desk.done(task);
    desk.give({done,
               {.kind = EventKind::published,
                .node = server_node,
                .task = task,
                .version = ++desk.version}});
  }
  NodeId node() const {
    EXPECT_EQ(desk.open.size(), 1);
    return desk.open.empty() ? no_node : desk.open.begin()->second;
  }
  std::vector<NodeId> nodes(int tasks) {
    std::vector<NodeId> all;
    for (int i = 0; i < tasks; ++i) {
      all.push_back(node());
      end();
    }
    return all;
  }

  Desk desk;
};

TEST(SplitLearning, OneDeviceAfterAnotherMakesAVersion) {
  InTurn turns("", setting_with(3));
  EXPECT_THAT(turns.nodes(7), ElementsAre(1, 2, 3, 1, 2, 3, 1));
  EXPECT_TRUE(turns.desk.aggregations.empty());
  for (const Assign& task : turns.desk.assigned) {
    EXPECT_EQ(task.publishes, task.graph->result());
    EXPECT_EQ(task.kind, TaskKind::update);
    EXPECT_TRUE(std::holds_alternative<engine::JoinStages>(task.graph->activities().back().work));
  }
  for (std::size_t i = 0; i < turns.desk.assigned.size(); ++i) {
    EXPECT_EQ(turns.desk.base.at(static_cast<TaskId>(i)), static_cast<std::int64_t>(i))
        << "each starts from what the one before made";
  }
}

TEST(SplitLearning, ARandomOrderIsDrawnForEachRound) {
  InTurn turns("order = \"random\"\n", setting_with(6));
  std::set<std::vector<NodeId>> orders;
  for (int round = 0; round < 10; ++round) {
    std::vector<NodeId> nodes = turns.nodes(6);
    orders.insert(nodes);
    std::ranges::sort(nodes);
    EXPECT_THAT(nodes, ElementsAre(1, 2, 3, 4, 5, 6));
  }
  EXPECT_GT(orders.size(), 8);
  InTurn again("order = \"random\"\n", setting_with(6));
  EXPECT_TRUE(orders.contains(again.nodes(6)));
}

TEST(SplitLearning, AnAbsentDeviceIsLeftOutAndComesBack) {
  InTurn turns("", setting_with(4));
  const TaskId first = turns.desk.open.begin()->first;
  // Node 1 is lost in the middle of its task, node 3 before its turn.
  turns.desk.give({{.kind = EventKind::node_lost, .node = 1},
                   {.kind = EventKind::node_lost, .node = 3},
                   turns.desk.failed(first, Cause::node_lost)});
  EXPECT_EQ(turns.desk.version, 0);
  EXPECT_THAT(turns.nodes(3), ElementsAre(2, 4, 2)) << "a round without the absent ones";
  turns.desk.give({{.kind = EventKind::node_joined, .node = 1}});
  EXPECT_THAT(turns.nodes(4), ElementsAre(4, 1, 2, 4));
  EXPECT_EQ(turns.desk.base.at(1), 0) << "nothing of the lost task counts";
}

TEST(SplitLearning, WaitsWhileNobodyIsThere) {
  InTurn turns("", setting_with(1));
  const TaskId first = turns.desk.open.begin()->first;
  turns.desk.give(
      {{.kind = EventKind::node_lost, .node = 1}, turns.desk.failed(first, Cause::node_lost)});
  EXPECT_TRUE(turns.desk.open.empty());
  turns.desk.give({{.kind = EventKind::node_joined, .node = 1}});
  EXPECT_EQ(turns.node(), 1);
}

TEST(SplitLearning, HasNoAggregation) {
  const auto setting = setting_with(2);
  EXPECT_THAT(
      refused(schedules::splitlearning(), "aggregation = { rule = \"fedavgm\" }\n", setting),
      HasSubstr("schedule.aggregation: in splitlearning"));
  EXPECT_THAT(
      refused(schedules::splitlearning(), "[schedule.splitlearning]\ncut = \"nowhere\"\n", setting),
      HasSubstr("schedule.splitlearning.cut: "));
  const auto schedule = read_kind(schedules::splitlearning()).make(setting);
  for (const PlannedTask& task : schedule->plan()) {
    EXPECT_NE(task.node, server_node);
    EXPECT_EQ(task.label, "split");
  }
  EXPECT_EQ(schedule->plan().size(), 2);
  EXPECT_EQ(schedule->max_staleness(), 0);
}

}  // namespace
}  // namespace convoy::sim
