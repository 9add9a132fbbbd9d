// What heterofl, fedrolex and depthfl ask of the engine, what their tasks cost beside those of
// fedavg, and which rates are drawn.

#include "sim/schedule/heterofl.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/model/costs.hpp"
#include "platforms/roofline.hpp"
#include "sim/schedule/kinds.hpp"
#include "tests/support/hand_machine.hpp"
#include "tests/support/read_kind.hpp"

namespace convoy::sim {
namespace {

using engine::Selection;

std::shared_ptr<Setting> setting_of(const std::vector<int>& memories_gb,
                                    const std::string& architecture, int classes = 10) {
  auto setting = std::make_shared<Setting>();
  setting->seed = 3;
  engine::ModelOptions model;
  model.architecture = architecture;
  model.classes = classes;
  setting->architecture =
      std::make_shared<const engine::Architecture>(engine::make_architecture(model));
  std::vector<int> all = memories_gb;
  all.insert(all.begin(), 64);  // the server
  for (const int gb : all) {
    auto machine = std::make_shared<platforms::Machine>(test::hand_machine(1e12, 1e11));
    machine->memory = 64e9;
    machine->memory_class_gb = gb;
    setting->nodes.push_back({"n", machine, 10, 5});
  }
  setting->nodes.front().samples = 0;  // of the server
  return setting;
}

// Orders of so many rounds, each of which everybody ends who was asked.
std::vector<std::vector<Assign>> orders_of(const ScheduleSpec& spec,
                                           const std::shared_ptr<const Setting>& setting,
                                           int rounds) {
  const auto schedule = spec.make(setting);
  std::vector<std::vector<Assign>> all;
  std::vector<Event> events = {{.kind = EventKind::run_started, .last = true}};
  while (std::ssize(all) < rounds) {
    all.emplace_back();
    while (!events.empty()) {
      std::vector<Event> next;
      for (const Event& event : events) {
        for (const Order& order : schedule->on(event)) {
          const auto* assign = std::get_if<Assign>(&order);
          if (assign == nullptr) continue;
          all.back().push_back(*assign);
          if (assign->kind == TaskKind::aggregation) continue;
          next.push_back(
              {.kind = EventKind::task_done, .node = assign->worker_node(), .task = assign->task});
        }
      }
      if (!next.empty()) next.back().last = true;
      events = std::move(next);
    }
    events = {{.kind = EventKind::published,
               .task = all.back().back().task,
               .version = std::ssize(all),
               .last = true}};
  }
  return all;
}

const Activity& activity(const Assign& task, const std::string& label) {
  for (const Activity& a : task.graph->activities()) {
    if (a.label == label) return a;
  }
  throw std::runtime_error("no activity " + label);
}
bool has_activity(const Assign& task, const std::string& label) {
  for (const Activity& a : task.graph->activities()) {
    if (a.label == label) return true;
  }
  return false;
}

TEST(HeteroFLSchedule, AsksForWhatItsCodeDoesUnlessToldOtherwise) {
  const engine::LearningRules theirs = read_kind(schedules::heterofl()).learning;
  EXPECT_TRUE(theirs.labels.masked);
  EXPECT_TRUE(theirs.labels.told);
  EXPECT_FALSE(theirs.scaled) << "diverges where there is neither norm nor clip";
  EXPECT_TRUE(theirs.static_norms);
  EXPECT_FALSE(theirs.ensemble);
  const engine::LearningRules plain =
      read_kind(schedules::heterofl(),
                "aggregation = { rule = \"holders\" }\n[schedule.heterofl]\nmasked_loss = false\n"
                "scaler = true\nbatch_norm = \"running\"\n")
          .learning;
  EXPECT_FALSE(plain.labels.masked || plain.labels.told || plain.static_norms);
  EXPECT_TRUE(plain.scaled);
  const engine::LearningRules rolex = read_kind(schedules::fedrolex()).learning;
  EXPECT_TRUE(rolex.labels.masked && rolex.labels.told);
  EXPECT_FALSE(rolex.scaled || rolex.static_norms);
  EXPECT_TRUE(
      read_kind(schedules::fedrolex(), "[schedule.fedrolex]\nscaler = true\n").learning.scaled);
  for (const ScheduleKind& kind : {schedules::fedavg(), schedules::ramfed(), schedules::cos2p()}) {
    const engine::LearningRules none = read_kind(kind).learning;
    EXPECT_FALSE(none.labels.masked || none.labels.told || none.scaled || none.static_norms ||
                 none.ensemble)
        << kind.name;
  }
  // Whoever takes the rule tells its labels.
  EXPECT_TRUE(read_kind(schedules::fedavg(), "aggregation = { rule = \"holders-by-label\" }\n")
                  .learning.labels.told);
}

TEST(HeteroFLSchedule, StatisticsFollowTheAggregationOnTheServer) {
  const auto setting = setting_of({64, 8}, "resnet18-cifar");
  setting->nodes[0].samples = 0;
  const engine::Architecture& a = *setting->architecture;
  const auto rounds = orders_of(
      read_kind(schedules::heterofl(), "[schedule.heterofl]\nstatistics_batch = 8\n"), setting, 2);
  for (const auto& round : rounds) {
    const Assign& server = round.back();
    ASSERT_EQ(server.kind, TaskKind::aggregation);
    ASSERT_EQ(server.graph->activities().size(), 2);
    EXPECT_EQ(server.graph->activities()[0].label, "aggregate");
    const Activity& pass = server.graph->activities()[1];
    EXPECT_EQ(pass.label, "statistics");
    EXPECT_EQ(std::get<engine::Statistics>(pass.work).batch, 8);
    EXPECT_EQ(server.publishes, pass.outputs[0]) << "the version has the statistics";
    // Two nodes of 10 samples: 8, 8 and 4 in one pass forward.
    const engine::Trace trace = engine::trace(a, engine::full_submodel(a));
    const platforms::Machine& machine = *setting->nodes[0].machine;
    const double seconds = 2 * platforms::seconds(engine::inference_step(trace, 8), machine) +
                           platforms::seconds(engine::inference_step(trace, 4), machine);
    EXPECT_NEAR(pass.seconds, seconds, 1e-12 * seconds);
    EXPECT_NEAR(pass.flops, 20 * engine::inference_step(trace, 1).flops(), 1e-9 * pass.flops);
    EXPECT_EQ(pass.memory, engine::inference_memory(trace, 8));
    EXPECT_TRUE(pass.watts.has_value());
  }
  for (const char* keys : {"[schedule.heterofl]\nbatch_norm = \"running\"\n"}) {
    const auto without = orders_of(read_kind(schedules::heterofl(), keys), setting, 1);
    EXPECT_FALSE(has_activity(without[0].back(), "statistics"));
  }
  const auto no_norms =
      orders_of(read_kind(schedules::heterofl()), setting_of({64}, "cnn-small"), 1);
  EXPECT_FALSE(has_activity(no_norms[0].back(), "statistics")) << "there is nothing to take";
}

TEST(HeteroFLSchedule, StatisticsAreTakenAsOftenAsSaid) {
  const auto rounds =
      orders_of(read_kind(schedules::heterofl(), "[schedule.heterofl]\nstatistics_every = 3\n"),
                setting_of({64}, "resnet18-cifar"), 7);
  std::vector<bool> taken;
  for (const auto& round : rounds) taken.push_back(has_activity(round.back(), "statistics"));
  EXPECT_EQ(taken, (std::vector<bool>{true, false, false, true, false, false, true}));
}

// The server's row of the pre-flight: a pass may need more than an aggregation.
TEST(HeteroFLSchedule, ThePlanHasTheLargerOfTheServersTwo) {
  const auto setting = setting_of({64}, "resnet18-cifar");
  const std::string large = "[schedule.heterofl]\nstatistics_batch = 100000\n";
  setting->nodes[1].samples = 100'000;
  const auto schedule = read_kind(schedules::heterofl(), large).make(setting);
  const PlannedTask server = schedule->plan().back();
  ASSERT_EQ(server.node, server_node);
  EXPECT_EQ(server.memory, server.graph->activities()[1].memory);
  EXPECT_GT(server.memory, server.graph->activities()[0].memory);
}

TEST(HeteroFLSchedule, TheScalerCostsOnlyNarrowNodes) {
  const auto setting = setting_of({64, 8}, "cnn-small");
  const auto with = orders_of(
      read_kind(schedules::heterofl(), "[schedule.heterofl]\nscaler = true\n"), setting, 1)[0];
  const auto without = orders_of(read_kind(schedules::heterofl()), setting, 1)[0];
  EXPECT_EQ(activity(with[0], "train").seconds, activity(without[0], "train").seconds);
  EXPECT_GT(activity(with[1], "train").seconds, activity(without[1], "train").seconds);
  EXPECT_LT(activity(with[1], "train").seconds, 1.5 * activity(without[1], "train").seconds);
  EXPECT_EQ(activity(with[1], "train").memory, activity(without[1], "train").memory);
}

// Each rate of the table that is not above the node's own, about as often as any other.
TEST(HeteroFLSchedule, DynamicRatesAreDrawnInEveryRound) {
  const auto setting = setting_of({64, 16, 8}, "cnn-small");
  const ScheduleSpec spec =
      read_kind(schedules::heterofl(), "[schedule.heterofl]\nmode = \"dynamic\"\n");
  const auto rounds = orders_of(spec, setting, 400);
  std::map<NodeId, std::map<double, int>> drawn;
  for (const auto& round : rounds) {
    for (const Assign& task : round) {
      if (task.kind == TaskKind::aggregation) continue;
      ++drawn[task.worker_node()][task.rate];
      EXPECT_EQ(task.brief.rate, task.rate);
      EXPECT_TRUE(task.brief.choose_masks);
      const engine::Architecture& a = *setting->architecture;
      EXPECT_EQ(
          activity(task, "download").bytes,
          engine::transfer_bytes(engine::trace(a, engine::nested_submodel(a, task.rate, true))));
    }
  }
  const std::map<NodeId, std::set<double>> wanted = {
      {1, {0.125, 0.25, 0.5, 1}}, {2, {0.125, 0.25}}, {3, {0.125}}};
  for (const auto& [node, rates] : wanted) {
    ASSERT_EQ(drawn[node].size(), rates.size()) << node;
    for (const double rate : rates) {
      EXPECT_NEAR(drawn[node][rate], 400.0 / static_cast<double>(rates.size()), 60)
          << node << " " << rate;
    }
  }
  const auto again = orders_of(spec, setting, 3);
  for (std::size_t r = 0; r < again.size(); ++r) {
    for (std::size_t i = 0; i < again[r].size(); ++i) {
      EXPECT_EQ(again[r][i].rate, rounds[r][i].rate);
    }
  }
}

// --- depthfl ------------------------------------------------------------------------------------

TEST(DepthFLSchedule, IsRoundsOfShallowSubmodelsThatTeachThemselves) {
  const ScheduleSpec spec = read_kind(schedules::depthfl());
  const engine::LearningRules& learning = spec.learning;
  EXPECT_EQ(learning.mask.selection, Selection::depth);
  EXPECT_EQ(learning.aggregation.rule->name(), "holders");
  EXPECT_TRUE(learning.ensemble);
  EXPECT_FALSE(learning.labels.masked || learning.labels.told || learning.scaled ||
               learning.static_norms);
  const engine::TransferOptions& t = learning.transfer;
  EXPECT_TRUE(t.mutual && t.by_batch && t.detached);
  EXPECT_EQ(t.weight, 1);
  EXPECT_EQ(t.temperature, 1);
  EXPECT_EQ(t.from_version, 0);
  EXPECT_EQ(t.ramp, 300);
  EXPECT_FALSE(read_kind(schedules::depthfl(), "[schedule.depthfl]\nprediction = \"deepest\"\n")
                   .learning.ensemble);

  // Whole blocks, with all exits among them.
  const auto setting = setting_of({64, 32, 16, 8}, "vit-micro");
  const engine::Architecture& a = *setting->architecture;
  const auto tasks = orders_of(spec, setting, 1)[0];
  ASSERT_EQ(tasks.size(), 5);
  for (std::size_t i = 0; i < 4; ++i) {
    engine::Submodel wanted = engine::depth_submodel(a, 1 - 0.25 * static_cast<double>(i));
    EXPECT_EQ(wanted.depth, a.exits[3 - i].after);
    EXPECT_EQ(activity(tasks[i], "download").bytes,
              engine::transfer_bytes(engine::trace(a, wanted)));
    EXPECT_EQ(tasks[i].brief.rate, 1 - 0.25 * static_cast<double>(i));
  }
}

// What a node with several exits does more, and one with a single exit does not.
TEST(DepthFLSchedule, TeachingCostsLaunches) {
  const auto setting = setting_of({64, 8}, "vit-micro");
  for (const NodeId node : {1, 2}) {
    auto machine = std::make_shared<platforms::Machine>(*setting->nodes[node].machine);
    machine->launch_overhead = 1e-5;
    machine->launches_ahead = false;
    setting->nodes[node].machine = machine;
  }
  const auto with = orders_of(read_kind(schedules::depthfl()), setting, 1)[0];
  const auto without =
      orders_of(read_kind(schedules::depthfl(), "transfer = { weight = 0 }\n"), setting, 1)[0];
  EXPECT_GT(activity(with[0], "train").seconds, activity(without[0], "train").seconds);
  EXPECT_EQ(activity(with[1], "train").seconds, activity(without[1], "train").seconds);
  EXPECT_EQ(activity(with[0], "train").flops, activity(without[0], "train").flops);
  EXPECT_EQ(activity(with[0], "train").memory, activity(without[0], "train").memory);
}

}  // namespace
}  // namespace convoy::sim
