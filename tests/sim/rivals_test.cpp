// Tests kinds with FedAvg's rounds and their own submodels: their tasks, and that choosing a
// submodel by a window costs nothing.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "sim/schedule/kinds.hpp"
#include "tests/support/hand_machine.hpp"
#include "tests/support/read_kind.hpp"

namespace convoy::sim {
namespace {

using engine::Selection;

std::shared_ptr<Setting> rival_setting(int workers, int memory_gb,
                                       const std::string& architecture = "mlp") {
  auto machine = std::make_shared<platforms::Machine>(test::hand_machine(1e12, 1e11));
  machine->memory = 64e9;
  machine->memory_class_gb = memory_gb;
  auto setting = std::make_shared<Setting>();
  setting->seed = 3;
  engine::ModelOptions model;
  model.architecture = architecture;
  setting->architecture =
      std::make_shared<const engine::Architecture>(engine::make_architecture(model));
  for (int i = 0; i <= workers; ++i) setting->nodes.push_back({"n", machine, 10, 5});
  return setting;
}

// The local updates of a number of rounds in which every asked node replies.
std::vector<std::vector<Assign>> rounds_of(const ScheduleSpec& spec,
                                           const std::shared_ptr<const Setting>& setting,
                                           int rounds) {
  const auto schedule = spec.make(setting);
  std::vector<std::vector<Assign>> all;
  std::vector<Event> events = {{.kind = EventKind::run_started, .last = true}};
  for (std::int64_t round = 0; round < rounds; ++round) {
    all.emplace_back();
    TaskId aggregation = no_task;
    while (aggregation == no_task) {
      std::vector<Event> replies;
      for (const Event& event : events) {
        for (const Order& order : schedule->on(event)) {
          const auto* assign = std::get_if<Assign>(&order);
          if (assign == nullptr) continue;
          if (assign->kind == TaskKind::aggregation) {
            aggregation = assign->task;
            continue;
          }
          all.back().push_back(*assign);
          replies.push_back(
              {.kind = EventKind::task_done, .node = assign->worker_node(), .task = assign->task});
        }
      }
      if (!replies.empty()) replies.back().last = true;
      events = replies;
      if (replies.empty() && aggregation == no_task) return all;
    }
    events = {
        {.kind = EventKind::published, .task = aggregation, .version = round + 1, .last = true}};
  }
  return all;
}

TEST(Rivals, AreTheRoundsOfFedAvgWithOtherDefaults) {
  struct Wanted {
    ScheduleKind kind;
    Selection selection;
    std::string rule;
  };
  for (const Wanted& w : {Wanted{schedules::heterofl(), Selection::nested, "holders-by-label"},
                          Wanted{schedules::fedrolex(), Selection::rolling, "holders-by-label"},
                          Wanted{schedules::ramfed(), Selection::staggered, "coverage"}}) {
    SCOPED_TRACE(w.kind.name);
    const ScheduleSpec spec = read_kind(w.kind);
    EXPECT_EQ(spec.learning.mask.selection, w.selection);
    EXPECT_TRUE(spec.learning.mask.all_blocks);
    EXPECT_EQ(spec.learning.aggregation.rule->name(), w.rule);
    EXPECT_EQ(spec.learning.transfer.weight, 0);
    const std::map<int, double> rates = {{64, 1.0}, {32, 0.5}, {16, 0.25}, {8, 0.125}};
    for (const auto& [gb, rate] : rates) {
      EXPECT_EQ(rounds_of(spec, rival_setting(1, gb), 1)[0][0].rate, rate) << gb;
    }
    EXPECT_EQ(rounds_of(read_kind(w.kind, "[schedule." + w.kind.name + "]\nparticipants = 3\n"),
                        rival_setting(8, 64), 2)[1]
                  .size(),
              3);
    // The scenario's values replace the defaults.
    const ScheduleSpec other = read_kind(w.kind,
                                         "mask = { selection = \"random\", blocks = \"rate\" }\n"
                                         "aggregation = { rule = \"median\" }\nrates = 0.75\n");
    EXPECT_EQ(other.learning.mask.selection, Selection::random);
    EXPECT_FALSE(other.learning.mask.all_blocks);
    EXPECT_EQ(other.learning.aggregation.rule->name(), "median");
    EXPECT_EQ(rounds_of(other, rival_setting(1, 64), 1)[0][0].rate, 0.75);
  }
}

TEST(Rivals, OrderWhatFedAvgOrdersWhereEverybodyHoldsTheModel) {
  const auto setting = rival_setting(9, 64);
  const auto wanted = rounds_of(
      read_kind(schedules::fedavg(), "[schedule.fedavg]\nparticipants = 4\n"), setting, 5);
  for (const ScheduleKind& kind :
       {schedules::heterofl(), schedules::fedrolex(), schedules::ramfed()}) {
    const auto made =
        rounds_of(read_kind(kind, "[schedule." + kind.name + "]\nparticipants = 4\n"), setting, 5);
    ASSERT_EQ(made.size(), wanted.size());
    for (std::size_t r = 0; r < made.size(); ++r) {
      ASSERT_EQ(made[r].size(), wanted[r].size());
      for (std::size_t i = 0; i < made[r].size(); ++i) {
        EXPECT_EQ(made[r][i].task, wanted[r][i].task);
        EXPECT_EQ(made[r][i].worker_node(), wanted[r][i].worker_node());
        EXPECT_FALSE(made[r][i].brief.choose_masks);
      }
    }
  }
}

TEST(Rivals, SubmodelsAreAsDeepAsTheModel) {
  const auto setting = rival_setting(1, 32, "vit-micro");
  const engine::Architecture& a = *setting->architecture;
  const double wanted = engine::transfer_bytes(
      engine::trace(a, engine::nested_submodel(a, 0.5, /*all_blocks=*/true)));
  for (const ScheduleKind& kind :
       {schedules::heterofl(), schedules::fedrolex(), schedules::ramfed()}) {
    const Assign task = rounds_of(read_kind(kind), setting, 1)[0][0];
    for (const Activity& activity : task.graph->activities()) {
      if (activity.kind != ActivityKind::transfer) continue;
      EXPECT_EQ(activity.bytes, wanted) << kind.name;
    }
  }
  const Assign shallow =
      rounds_of(read_kind(schedules::heterofl(), "mask.blocks = \"rate\"\n"), setting, 1)[0][0];
  EXPECT_LT(shallow.graph->activities().front().bytes, wanted);
}

// In every task, whatever the mask keys say; the tasks' costs are those of nested submodels.
TEST(Rivals, ChooseTheirWindowInEveryTaskForNothing) {
  const auto setting = rival_setting(3, 16);
  const auto nested = rounds_of(read_kind(schedules::heterofl()), setting, 6);
  for (const std::string keys : {"", "mask = { tasks = 0, refresh = 0 }\n"}) {
    for (const ScheduleKind& kind : {schedules::fedrolex(), schedules::ramfed()}) {
      const std::string own =
          kind.name == "fedrolex" ? "[schedule.fedrolex]\nscaler = false\n" : "";
      const auto made = rounds_of(read_kind(kind, keys + own), setting, 6);
      ASSERT_EQ(made.size(), 6);
      for (std::size_t r = 0; r < 6; ++r) {
        ASSERT_EQ(made[r].size(), 3);
        for (std::size_t i = 0; i < 3; ++i) {
          EXPECT_TRUE(made[r][i].brief.choose_masks) << kind.name << " in round " << r;
          EXPECT_EQ(made[r][i].label, "train");
          const auto& there = nested[r][i].graph->activities();
          const auto& here = made[r][i].graph->activities();
          ASSERT_EQ(here.size(), there.size());
          for (std::size_t k = 0; k < here.size(); ++k) {
            EXPECT_EQ(here[k].bytes, there[k].bytes);
            EXPECT_EQ(here[k].seconds, there[k].seconds);
            EXPECT_EQ(here[k].memory, there[k].memory);
          }
        }
      }
    }
  }
}

TEST(Rivals, StaggeredNodesKnowTheirPlace) {
  const auto setting = rival_setting(5, 32);
  setting->nodes[2].samples = 0;  // does not take part
  const auto made = rounds_of(read_kind(schedules::ramfed()), setting, 3);
  for (const auto& round : made) {
    std::map<NodeId, double> places;
    for (const Assign& task : round) places[task.worker_node()] = task.brief.place.value();
    EXPECT_EQ(places, (std::map<NodeId, double>{{1, 0}, {3, 0.25}, {4, 0.5}, {5, 0.75}}));
  }
  for (const ScheduleKind& kind : {schedules::heterofl(), schedules::fedrolex()}) {
    EXPECT_FALSE(rounds_of(read_kind(kind), setting, 1)[0][0].brief.place) << kind.name;
  }
}

TEST(Rivals, NothingIsLeftToCutWithAllBlocksAndAllMembers) {
  const std::string depth = "mask = { selection = \"depth\" }\n";
  EXPECT_FALSE(read_kind(schedules::heterofl(), depth).learning.mask.all_blocks);
  EXPECT_FALSE(read_kind(schedules::fedavg(), depth).learning.mask.all_blocks);
  base::Diagnostics problems;
  const base::Value root = base::parse_toml(
      "[schedule]\nmask = { selection = \"depth\", blocks = \"all\" }\n", "t.toml", problems);
  base::TableReader file(root, "", problems);
  read_schedule(file.table("schedule"), {});
  EXPECT_THAT(problems.str(), testing::HasSubstr("schedule.mask.blocks: leaves selection"));
}

}  // namespace
}  // namespace convoy::sim
