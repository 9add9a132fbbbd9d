// PruneFL's and FedPM's rounds: who is asked for what, what the server is told, what is sent, and
// what cannot be had with them.

#include "sim/schedule/prunefl.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <vector>

#include "engine/api/element_costs.hpp"
#include "engine/model/pruning.hpp"
#include "sim/schedule/kinds.hpp"
#include "tests/support/hand_machine.hpp"
#include "tests/support/read_kind.hpp"

namespace convoy::sim {
namespace {

using testing::HasSubstr;

std::shared_ptr<Setting> setting_of(int workers, const std::string& architecture = "mlp") {
  auto machine = std::make_shared<platforms::Machine>(test::hand_machine(1e12, 1e11));
  machine->memory = 64e9;
  machine->memory_class_gb = 64;
  auto setting = std::make_shared<Setting>();
  setting->seed = 3;
  engine::ModelOptions model;
  model.architecture = architecture;
  setting->architecture =
      std::make_shared<const engine::Architecture>(engine::make_architecture(model));
  platforms::Link link;
  link.down_bps = 8e6;
  link.up_bps = 4e6;
  link.latency_s = 0.01;
  for (int i = 0; i <= workers; ++i) {
    setting->nodes.push_back({fmt::format("n{}", i), machine, 10 + i, 5, link});
  }
  setting->nodes[0].link.down_bps = setting->nodes[0].link.up_bps = 1e9;
  return setting;
}

struct Round {
  std::vector<Assign> tasks;
  std::optional<Assign> aggregation;
  std::vector<double> timers;
};

// So many rounds in which everybody replies.
std::vector<Round> prunefl_rounds(Schedule& schedule, int rounds, NodeId lost = no_node) {
  std::vector<Round> all;
  std::vector<Event> events;
  events.push_back({.kind = EventKind::run_started});
  if (lost != no_node) events.push_back({.kind = EventKind::node_lost, .node = lost});
  events.back().last = true;
  for (std::int64_t round = 0; round < rounds; ++round) {
    Round now;
    while (!now.aggregation) {
      std::vector<Event> replies;
      for (const Event& event : events) {
        for (const Order& order : schedule.on(event)) {
          if (const auto* timer = std::get_if<SetTimer>(&order)) now.timers.push_back(timer->time);
          const auto* assign = std::get_if<Assign>(&order);
          if (assign == nullptr) continue;
          if (assign->kind == TaskKind::aggregation) {
            now.aggregation = *assign;
            continue;
          }
          now.tasks.push_back(*assign);
          replies.push_back(
              {.kind = EventKind::task_done, .node = assign->worker_node(), .task = assign->task});
        }
      }
      if (replies.empty() && !now.aggregation) return all;
      if (!replies.empty()) replies.back().last = true;
      events = replies;
    }
    events = {{.kind = EventKind::published,
               .task = now.aggregation->task,
               .version = round + 1,
               .last = true}};
    all.push_back(std::move(now));
  }
  return all;
}

std::vector<Round> prunefl_rounds(const ScheduleSpec& spec,
                                  const std::shared_ptr<const Setting>& setting, int rounds,
                                  NodeId lost = no_node) {
  const auto schedule = spec.make(setting);
  return prunefl_rounds(*schedule, rounds, lost);
}

const engine::Reconfigure* reconfiguration_of(const Round& round) {
  for (const Activity& a : round.aggregation->graph->activities()) {
    if (const auto* work = std::get_if<engine::Reconfigure>(&a.work)) return work;
  }
  return nullptr;
}

double bytes_of(const Assign& task, const std::string& label) {
  for (const Activity& a : task.graph->activities()) {
    if (a.label == label) return a.bytes;
  }
  return -1;
}

TEST(PruneFL, AdjustsEverySoManyRounds) {
  const auto setting = setting_of(3);
  const ScheduleSpec spec =
      read_kind(schedules::prunefl(), "[schedule.prunefl]\nevery = 3\nhalf_life = 3\n");
  EXPECT_EQ(spec.learning.elements.kind, engine::ElementKind::pruned);
  EXPECT_EQ(spec.learning.aggregation.rule->name(), "coverage");
  const auto rounds = prunefl_rounds(spec, setting, 7);
  ASSERT_EQ(rounds.size(), 7);
  for (std::size_t r = 0; r < rounds.size(); ++r) {
    const bool adjusts = (r + 1) % 3 == 0;
    ASSERT_EQ(rounds[r].tasks.size(), 3);
    for (const Assign& task : rounds[r].tasks) {
      EXPECT_EQ(task.brief.gather_squares, 0);
      EXPECT_EQ(task.brief.bring_squares.value_or(false), adjusts);
      EXPECT_EQ(task.label, adjusts ? "adjust" : "train");
      EXPECT_EQ(task.rate, 1);
    }
    const engine::Reconfigure* work = reconfiguration_of(rounds[r]);
    ASSERT_EQ(work != nullptr, adjusts) << r;
    if (work == nullptr) continue;
    EXPECT_DOUBLE_EQ(work->removal, 0.3 * std::pow(0.5, (r + 1) / 3.0));
    EXPECT_EQ(work->max_density, 1);
    // What is published is what was reconfigured.
    const TaskGraph& graph = *rounds[r].aggregation->graph;
    EXPECT_EQ(rounds[r].aggregation->publishes, graph.result());
    EXPECT_EQ(graph.activities().back().label, "reconfigure");
    EXPECT_EQ(graph.activities().back().inputs.size(), 4);
    EXPECT_GT(graph.activities().back().seconds, 0);
    EXPECT_EQ(
        graph.activities().back().memory,
        engine::reconfiguration_memory(
            engine::trace(*setting->architecture, engine::full_submodel(*setting->architecture))
                .parameters()));
  }
  const auto last = prunefl_rounds(
      read_kind(schedules::prunefl(), "[schedule.prunefl]\nevery = 3\ngradients = \"last\"\n"),
      setting, 3);
  EXPECT_FALSE(last[0].tasks[0].brief.gather_squares);
  EXPECT_EQ(last[2].tasks[0].brief.gather_squares, 0);
}

TEST(PruneFL, OneNodeMayBegin) {
  const auto setting = setting_of(4);
  const std::string keys =
      "[schedule.prunefl]\nevery = 2\ndeadline_s = 5\nmax_density = 0.5\n"
      "initial = { adjustments = 2, steps = 30 }\n";
  const auto rounds = prunefl_rounds(read_kind(schedules::prunefl(), keys), setting, 5);
  ASSERT_EQ(rounds.size(), 5);
  for (const std::size_t r : {0, 1}) {
    ASSERT_EQ(rounds[r].tasks.size(), 1);
    EXPECT_EQ(rounds[r].tasks[0].worker_node(), 4);  // it has the most samples
    EXPECT_EQ(rounds[r].tasks[0].brief.gather_squares, 1);
    EXPECT_TRUE(rounds[r].tasks[0].brief.bring_squares.value_or(false));
    EXPECT_EQ(rounds[r].tasks[0].samples, 10 * 14) << "30 steps: ten times 5, 5 and 4";
    EXPECT_TRUE(rounds[r].timers.empty()) << "its work is not that of a round";
    ASSERT_NE(reconfiguration_of(rounds[r]), nullptr);
    EXPECT_EQ(reconfiguration_of(rounds[r])->removal, 0.3);
    EXPECT_EQ(reconfiguration_of(rounds[r])->max_density, 1);
  }
  for (const std::size_t r : {2, 3, 4}) {
    EXPECT_EQ(rounds[r].tasks.size(), 4);
    EXPECT_EQ(rounds[r].timers.size(), 1);
    EXPECT_EQ(reconfiguration_of(rounds[r]) != nullptr, r == 3);
  }
  EXPECT_EQ(reconfiguration_of(rounds[3])->max_density, 0.5);
  EXPECT_EQ(prunefl_rounds(read_kind(schedules::prunefl(),
                                     "[schedule.prunefl]\ninitial = { adjustments = 1, node = "
                                     "\"n2\" }\n"),
                           setting, 1)[0]
                .tasks[0]
                .worker_node(),
            2);
  // Where it is away another one begins.
  EXPECT_EQ(prunefl_rounds(read_kind(schedules::prunefl(),
                                     "[schedule.prunefl]\ninitial = { adjustments = 1, node = "
                                     "\"n2\" }\n"),
                           setting, 1, 2)[0]
                .tasks[0]
                .worker_node(),
            4);
  EXPECT_THROW(
      read_kind(schedules::prunefl(), "[schedule.prunefl]\ninitial.node = \"n9\"\n").make(setting),
      base::UserError);
}

TEST(PruneFL, WhatIsSentFollowsFromWhatIsKept) {
  const auto setting = setting_of(2);
  const engine::Architecture& a = *setting->architecture;
  const auto schedule =
      read_kind(schedules::prunefl(), "[schedule.prunefl]\nevery = 2\n").make(setting);
  const auto rounds = prunefl_rounds(*schedule, 4);
  const auto half = engine::elements_at(a, 0.5);
  const std::vector<std::int64_t> all;
  EXPECT_EQ(bytes_of(rounds[0].tasks[0], "download"), engine::pruned_down_bytes(a, all));
  EXPECT_EQ(bytes_of(rounds[0].tasks[0], "upload"), engine::pruned_up_bytes(a, all, false));
  EXPECT_EQ(bytes_of(rounds[1].tasks[0], "upload"), engine::pruned_up_bytes(a, all, true));
  // From the first reconfiguration on by the assumed density.
  EXPECT_EQ(bytes_of(rounds[2].tasks[0], "download"), engine::pruned_down_bytes(a, half));
  EXPECT_EQ(bytes_of(rounds[3].tasks[0], "upload"), engine::pruned_up_bytes(a, half, true));
  EXPECT_LT(bytes_of(rounds[2].tasks[0], "upload"), 0.6 * bytes_of(rounds[0].tasks[0], "upload"));
  // Where something is learned, by the version.
  engine::Submodel kept = engine::full_submodel(a);
  kept.elements = engine::elements_at(a, 0.25);
  EXPECT_NEAR(engine::kept_share(a, kept), 0.25, 1e-3);
  const auto fresh =
      read_kind(schedules::prunefl(), "[schedule.prunefl]\nevery = 1\n").make(setting);
  const Assign task = prunefl_rounds(*fresh, 1)[0].tasks[0];
  const Orders orders = fresh->on({.kind = EventKind::published, .version = 2, .last = true});
  const auto& next = std::get<Assign>(orders.front());
  for (const Activity& activity : next.graph->activities()) {
    EXPECT_EQ(activity.sized_late, activity.kind == ActivityKind::transfer);
    if (activity.kind != ActivityKind::transfer) continue;
    const double wanted = activity.to == 0 ? engine::pruned_up_bytes(a, kept.elements, true)
                                           : engine::pruned_down_bytes(a, kept.elements);
    EXPECT_EQ(fresh->sized(next.task, activity, kept).bytes, wanted);
  }
}

// A node's seconds by hand: an mlp of products on a machine that reaches its peak.
TEST(PruneFL, AWeightCostsItsTransfersAndItsMultiplications) {
  const auto setting = setting_of(2);
  const engine::Architecture& a = *setting->architecture;
  PruneFLOptions options;
  options.clients.learning.elements.kind = engine::ElementKind::pruned;
  const PruneFL schedule(setting, options);
  const double moves = 4 * 8 / 8e6 + 4 * 8 / 4e6;
  const double samples = 12;  // of the node that takes longest
  std::size_t l = 0;
  double sum = 0;
  for (const engine::ParameterTensor& p : engine::parameter_tensors(a)) {
    if (!engine::is_prunable(p)) continue;
    const int passes = l == 0 ? 2 : 3;
    // The bias is added in the same kernel.
    const double flops = 2.0 + 1.0 / static_cast<double>(p.shape[1]);
    ASSERT_LT(l, schedule.round_time().each.size());
    EXPECT_NEAR(schedule.round_time().each[l], moves + passes * flops * samples / 1e12, 1e-15)
        << p.name;
    sum += schedule.round_time().each[l] * static_cast<double>(p.elements());
    ++l;
  }
  EXPECT_EQ(l, schedule.round_time().each.size());
  EXPECT_GT(schedule.round_time().rest_s, 4 * 0.01);
  // All of it is a round of the whole model.
  double whole = schedule.round_time().rest_s + sum;
  for (const PlannedTask& task : schedule.plan()) {
    if (task.node != 2 || task.label != "train") continue;
    for (const Activity& activity : task.graph->activities()) whole -= activity.seconds;
  }
  const double bytes = engine::transfer_bytes(engine::trace(a, engine::full_submodel(a)));
  EXPECT_NEAR(whole, 4 * 0.01 + bytes * moves / 4, 1e-9);
  options.counts_compute = false;
  EXPECT_NEAR(PruneFL(setting, options).round_time().each.back(), moves, 1e-15);
  // Without a link that takes time nothing is left to weigh.
  setting->nodes.change_all([](NodeSetting& node) { node.link = {}; });
  EXPECT_THROW(PruneFL(setting, options), base::UserError);
}

TEST(PruneFL, SquaredGradientsTakeMemoryAndTime) {
  const auto setting = setting_of(1);
  const auto rounds = prunefl_rounds(
      read_kind(schedules::prunefl(), "[schedule.prunefl]\nevery = 2\ngradients = \"last\"\n"),
      setting, 2);
  const auto train_of = [](const Assign& task) { return task.graph->activities()[1]; };
  const Activity plain = train_of(rounds[0].tasks[0]);
  const Activity gathers = train_of(rounds[1].tasks[0]);
  const engine::Architecture& a = *setting->architecture;
  const double parameters = engine::trace(a, engine::full_submodel(a)).parameters();
  EXPECT_NEAR(gathers.memory - plain.memory, 2 * 4 * parameters, 1);
  EXPECT_GT(gathers.seconds, plain.seconds);
  // A mask of a byte for each prunable weight, beside what fedavg needs.
  const auto fedavg = prunefl_rounds(read_kind(schedules::fedavg()), setting, 1);
  double prunable = 0;
  for (const engine::ParameterTensor& p : engine::parameter_tensors(a)) {
    if (engine::is_prunable(p)) prunable += static_cast<double>(p.elements());
  }
  EXPECT_NEAR(plain.memory - train_of(fedavg[0].tasks[0]).memory, prunable, 1);
}

TEST(FedPM, SendsScoresDownAndABitForEachUp) {
  const auto setting = setting_of(3, "resnet18-cifar");
  const ScheduleSpec spec =
      read_kind(schedules::fedpm(), "[schedule.fedpm]\nparticipants = 2\ntest = \"threshold\"\n");
  EXPECT_EQ(spec.learning.elements.kind, engine::ElementKind::sampled);
  EXPECT_TRUE(spec.learning.elements.threshold);
  EXPECT_EQ(spec.learning.elements.learning_rate, 0.1);
  EXPECT_EQ(spec.learning.aggregation.rule->name(), "fedpm");
  const auto rounds = prunefl_rounds(spec, setting, 2);
  ASSERT_EQ(rounds.size(), 2);
  const engine::Architecture& a = *setting->architecture;
  for (const Round& round : rounds) {
    ASSERT_EQ(round.tasks.size(), 2);
    for (const Assign& task : round.tasks) {
      EXPECT_EQ(bytes_of(task, "download"), engine::sampled_down_bytes(a));
      EXPECT_EQ(bytes_of(task, "upload"), engine::sampled_up_bytes(a));
      EXPECT_LT(bytes_of(task, "upload"), bytes_of(task, "download") / 30);
    }
  }
  // Scores, Adam's two slots, constants and what takes part: four more values than plain SGD.
  const auto fedavg = prunefl_rounds(read_kind(schedules::fedavg()), setting, 1);
  double sampled = 0;
  for (const engine::ParameterTensor& p : engine::parameter_tensors(a)) {
    if (engine::is_sampled(p)) sampled += static_cast<double>(p.elements());
  }
  const double more = rounds[0].tasks[0].graph->activities()[1].memory -
                      fedavg[0].tasks[0].graph->activities()[1].memory;
  EXPECT_NEAR(more / (4 * 4 * sampled), 1, 0.1);
}

TEST(ElementSchedules, RefuseByNameWhatTheyCannotUse) {
  const auto said = [](const ScheduleKind& kind, const std::string& keys,
                       const std::function<void(Setting&)>& change = {}) -> std::string {
    const auto setting = setting_of(2);
    if (change) change(*setting);
    try {
      read_kind(kind, keys).make(setting);
    } catch (const base::UserError& e) {
      return e.what();
    }
    return "";
  };
  for (const ScheduleKind& kind : {schedules::prunefl(), schedules::fedpm()}) {
    EXPECT_EQ(said(kind, ""), "");
    EXPECT_THAT(said(kind, "compression.bits = 8\n"),
                testing::AllOf(HasSubstr("schedule.compression"), HasSubstr(kind.name)));
    EXPECT_THAT(said(kind, "", [](Setting& s) { s.fixed = FixedCost(); }),
                testing::AllOf(HasSubstr("training.fixed_cost"), HasSubstr(kind.name)));
    // Not read at all: a warning says so.
    std::string problems;
    read_kind(kind, "rates = 0.5\n", &problems);
    EXPECT_THAT(problems, HasSubstr("schedule.rates: is not used"));
  }
  EXPECT_THAT(said(schedules::fedpm(), "", [](Setting& s) { s.proximal = 0.1; }),
              HasSubstr("training.proximal"));
  EXPECT_EQ(said(schedules::prunefl(), "", [](Setting& s) { s.proximal = 0.1; }), "");
  std::string problems;
  read_kind(schedules::fedpm(), "aggregation = { rule = \"median\" }\n", &problems);
  EXPECT_THAT(problems, HasSubstr("schedule.aggregation: is not used"));
}

}  // namespace
}  // namespace convoy::sim
