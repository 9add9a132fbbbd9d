// Tests the costs and the graph of a split task: against sums by hand, against one another, and
// against the time that a simulated task takes.

#include "sim/schedule/split_update.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "engine/model/stage_costs.hpp"
#include "platforms/roofline.hpp"
#include "sim/task/peak_memory.hpp"
#include "tests/support/expect_time.hpp"
#include "tests/support/hand_machine.hpp"
#include "tests/support/small_world.hpp"

namespace convoy::sim {
namespace {

using engine::Pass;
using engine::Stage;
using testing::HasSubstr;

std::shared_ptr<const engine::Architecture> model_of(const std::string& name,
                                                     std::vector<double> exits = {1}) {
  engine::ModelOptions model;
  model.architecture = name;
  model.classes = 10;
  model.image_size = 16;
  model.exits = std::move(exits);
  return std::make_shared<const engine::Architecture>(engine::make_architecture(model));
}

engine::Trace traced(const engine::Architecture& a) {
  return engine::trace(a, engine::full_submodel(a));
}

// A server and a slower node, which launch kernels and draw unlike.
Setting split_setting(const std::string& name, std::int64_t samples, int batch) {
  auto server = std::make_shared<platforms::Machine>(test::hand_machine(1e13, 1e12));
  server->busy_w = 300;
  server->idle_w = 50;
  server->launch_overhead = 2e-6;
  auto node = std::make_shared<platforms::Machine>(test::hand_machine(4e11, 2e10));
  node->memory = 8e9;
  node->context = 3e8;
  node->busy_w = 10;
  node->idle_w = 2;
  node->launch_overhead = 1e-5;
  node->launches_ahead = true;
  node->device = "board";
  Setting setting;
  setting.architecture = model_of(name);
  setting.nodes.push_back({"server", server, 0, batch});
  setting.nodes.push_back({"node", node, samples, batch});
  return setting;
}

struct Sums {
  double node_s = 0, server_s = 0, flops = 0, server_flops = 0, up = 0, down = 0, messages = 0;
};
Sums sums_of(const TaskGraph& graph) {
  Sums s;
  for (const Activity& a : graph.activities()) {
    if (a.kind == ActivityKind::transfer) {
      (a.to == 0 ? s.up : s.down) += a.bytes;
      ++s.messages;
    } else {
      (a.at == 0 ? s.server_s : s.node_s) += a.seconds;
      (a.at == 0 ? s.server_flops : s.flops) += a.flops;
    }
  }
  return s;
}

std::vector<const Activity*> labelled(const TaskGraph& graph, const std::string& label) {
  std::vector<const Activity*> found;
  for (const Activity& a : graph.activities()) {
    if (a.label == label) found.push_back(&a);
  }
  return found;
}

bool near(double a, double b) { return std::abs(a - b) <= 1e-12 * std::max(std::abs(b), 1e-30); }

// A split at random: where, how often, with what.
struct Drawn {
  Setting setting;
  LocalWork work;

  Drawn()
      : setting(split_setting(
            *rc::gen::element<std::string>("mlp", "cnn-small", "resnet18-cifar", "vit-micro"),
            *rc::gen::inRange(2, 60), *rc::gen::inRange(2, 20))) {
    setting.optimizer = *rc::gen::element(engine::Optimizer::sgd, engine::Optimizer::sgd_momentum,
                                          engine::Optimizer::adamw, engine::Optimizer::adan);
    setting.precision = *rc::gen::element(engine::Precision::fp32, engine::Precision::fp16_mixed);
    const std::vector<int> cuts = engine::cuts(traced(*setting.architecture));
    const auto at = *rc::gen::inRange<std::size_t>(0, cuts.size() - 1);
    SplitWork split{.cut = cuts[at]};
    if (*rc::gen::arbitrary<bool>()) {
      split.tail = cuts[*rc::gen::inRange<std::size_t>(at + 1, cuts.size())];
    }
    split.recompute = *rc::gen::arbitrary<bool>();
    split.own = *rc::gen::arbitrary<bool>();
    split.has_own = split.own && *rc::gen::arbitrary<bool>();
    if (*rc::gen::arbitrary<bool>()) split.up_bytes_per_s = 5e5;
    if (*rc::gen::arbitrary<bool>()) split.down_bytes_per_s = 2e5;
    split.at_least = *rc::gen::arbitrary<bool>();
    if (*rc::gen::arbitrary<bool>()) split.server_share = 0.25;
    work.split = split;
    work.weight_epochs = *rc::gen::inRange(1, 4);
    if (*rc::gen::arbitrary<bool>()) work.weight_steps = *rc::gen::inRange(1, 20);
  }
};

TEST(SplitUpdate, TheCostsAreTheSumsOfTheGraph) {
  EXPECT_TRUE(rc::check([] {
    const Drawn drawn;
    const Setting& setting = drawn.setting;
    const NodeSetting& node = setting.nodes[1];
    const SplitWork& split = *drawn.work.split;
    const SplitCost cost = split_cost(setting, node, drawn.work);
    const LocalUpdate update = make_split(setting, node, drawn.work);
    const Sums sums = sums_of(update.graph);
    RC_ASSERT(near(sums.node_s, cost.node_s));
    RC_ASSERT(near(sums.server_s, cost.server_s));
    RC_ASSERT(near(sums.flops, cost.flops));
    RC_ASSERT(near(sums.server_flops, cost.server_flops));
    RC_ASSERT(near(sums.up, cost.bytes_up));
    RC_ASSERT(near(sums.down, cost.bytes_down));
    RC_ASSERT(sums.messages == cost.messages);
    RC_ASSERT(near(peak_memory(update.graph, 1), cost.node_memory));
    RC_ASSERT(near(peak_memory(update.graph, 0), cost.server_memory));
    RC_ASSERT(update.memory == cost.node_memory);
    RC_ASSERT(update.server_memory == cost.server_memory);
    const double whole = engine::transfer_bytes(traced(*setting.architecture));
    RC_ASSERT(near(update.upload_bytes, whole - (split.own ? cost.part_bytes : 0)));
    RC_ASSERT(update.own_before == (split.own ? split.cut : 0));
    RC_ASSERT(update.own_from == (split.own ? split.tail : 0));
    for (const Activity& a : update.graph.activities()) {
      const bool is_transfer = a.kind == ActivityKind::transfer;
      const double rate = a.to == 0 ? split.up_bytes_per_s : split.down_bytes_per_s;
      RC_ASSERT(a.bytes_per_s == (is_transfer ? rate : 0));
      RC_ASSERT(a.at_least == (split.at_least && (a.bytes_per_s > 0 || a.share > 0)));
      const bool is_servers = !is_transfer && a.at == 0 && a.seconds > 0;
      if (is_servers) RC_ASSERT(a.share == split.server_share);
      if (!is_servers) RC_ASSERT(a.share == 0);
    }
  }));
}

// The formulas of papers on split learning, with the costs of stages.
TEST(SplitUpdate, ABatchCostsItsPassesAndWhatCrosses) {
  Setting setting = split_setting("cnn-small", 20, 8);  // 8, 8, 4
  setting.optimizer = engine::Optimizer::adamw;
  const engine::Trace trace = traced(*setting.architecture);
  const int layers = engine::whole(trace).last;
  for (const int cut : engine::cuts(trace)) {
    const Stage front{0, cut};
    const Stage rest{cut, layers};
    LocalWork work{.weight_epochs = 2, .split = SplitWork{.cut = cut}};
    const SplitCost cost = split_cost(setting, setting.nodes[1], work);
    double node_s = 0;
    double server_s = 0;
    double up = 0;
    double down = 0;
    const auto passes = [&](const Stage& stage, std::vector<Pass> each, int n,
                            const platforms::Machine& machine) {
      engine::StepCost step;
      for (const Pass pass : each) {
        for (const engine::Kernel& kernel :
             engine::stage_step(trace, stage, pass, setting.optimizer, n).kernels) {
          step.kernels.push_back(kernel);
        }
      }
      return platforms::seconds(step, machine);
    };
    for (const int n : {8, 8, 4, 8, 8, 4}) {
      const platforms::Machine& board = *setting.nodes[1].machine;
      node_s += passes(front, {Pass::forward}, n, board) +
                passes(front, {Pass::backward, Pass::update}, n, board);
      server_s +=
          passes(rest, {Pass::forward, Pass::backward, Pass::update}, n, *setting.nodes[0].machine);
      up += engine::bytes_forward(trace, cut, n) + 8 * n;
      down += engine::bytes_backward(trace, cut, n);
    }
    const double part = engine::transfer_bytes(trace, front);
    EXPECT_NEAR(cost.node_s, node_s, 1e-12 * node_s);
    EXPECT_NEAR(cost.server_s, server_s, 1e-12 * server_s);
    EXPECT_EQ(cost.bytes_up, up + part);
    EXPECT_EQ(cost.bytes_down, down + part);
    EXPECT_EQ(cost.part_bytes, part);
    EXPECT_EQ(cost.activation_bytes, engine::bytes_forward(trace, cut, 8) + 64);
    EXPECT_EQ(cost.gradient_bytes, engine::bytes_backward(trace, cut, 8));
    EXPECT_EQ(cost.messages, 2 + 2 * 6);
    const auto peak = [&](const Stage& stage) {
      return engine::stage_memory(trace, stage, setting.optimizer, {.microbatch = 8}).total();
    };
    EXPECT_NEAR(cost.node_memory, setting.nodes[1].machine->context + peak(front), 1);
    EXPECT_NEAR(cost.server_memory, peak(rest), 1);
  }
}

TEST(SplitUpdate, LabelsThatStayAreNotSentAndTheTailIsTheNodes) {
  const Setting setting = split_setting("cnn-small", 16, 8);
  const engine::Trace trace = traced(*setting.architecture);
  const int layers = engine::whole(trace).last;
  const std::vector<int> cuts = engine::cuts(trace);
  const int cut = cuts[1];
  const int tail = cuts.back();
  const LocalWork work{.split = SplitWork{.cut = cut, .tail = tail}};
  const SplitCost cost = split_cost(setting, setting.nodes[1], work);
  EXPECT_EQ(cost.activation_bytes,
            engine::bytes_forward(trace, cut, 8) + engine::bytes_backward(trace, tail, 8));
  EXPECT_EQ(cost.gradient_bytes,
            engine::bytes_forward(trace, tail, 8) + engine::bytes_backward(trace, cut, 8));
  EXPECT_EQ(cost.part_bytes,
            engine::transfer_bytes(trace) - engine::transfer_bytes(trace, Stage{cut, tail}));
  const TaskGraph graph = make_split(setting, setting.nodes[1], work).graph;
  const auto tails = labelled(graph, "tail");
  ASSERT_EQ(tails.size(), 2);
  EXPECT_EQ(tails[0]->at, 1);
  EXPECT_EQ(std::get<engine::TrainStage>(tails[0]->work).first, tail);
  EXPECT_EQ(std::get<engine::TrainStage>(tails[0]->work).last, layers);
  for (const Activity* a : labelled(graph, "forward")) {
    EXPECT_FALSE(std::get<engine::Forward>(a->work).labels);
  }
  EXPECT_TRUE(std::get<engine::Backward>(labelled(graph, "server backward")[0]->work).step);
  EXPECT_EQ(labelled(graph, "upload").size(), 2);
  // All of one batch before the next.
  std::vector<std::string> labels;
  for (const Activity& a : graph.activities()) labels.push_back(a.label);
  const std::vector<std::string> batch = {"forward",         "activations", "server forward",
                                          "activations",     "tail",        "gradients",
                                          "server backward", "gradients",   "backward"};
  EXPECT_TRUE(std::equal(batch.begin(), batch.end(), labels.begin() + 1));
  EXPECT_TRUE(std::equal(batch.begin(), batch.end(), labels.begin() + 10));
}

TEST(SplitUpdate, WhatIsComputedAgainIsNotKept) {
  const Setting setting = split_setting("resnet18-cifar", 16, 8);
  const std::vector<int> cuts = engine::cuts(traced(*setting.architecture));
  LocalWork work{.split = SplitWork{.cut = cuts[cuts.size() / 2]}};
  const SplitCost keeps = split_cost(setting, setting.nodes[1], work);
  const TaskGraph kept = make_split(setting, setting.nodes[1], work).graph;
  work.split->recompute = true;
  const SplitCost again = split_cost(setting, setting.nodes[1], work);
  const TaskGraph computed = make_split(setting, setting.nodes[1], work).graph;
  EXPECT_GT(again.flops, 1.2 * keeps.flops);
  EXPECT_EQ(again.server_flops, keeps.server_flops);
  EXPECT_EQ(again.bytes_up, keeps.bytes_up);
  EXPECT_LT(peak_held(computed, 1), peak_held(kept, 1));
  EXPECT_TRUE(std::get<engine::Forward>(labelled(computed, "forward")[0]->work).recompute);
}

// A process has one simulation.
struct LoneCase {
  const char* name;
  const char* model;
  bool has_tail;
  bool recompute;
  double bytes_per_s;
  double share;
};
class LoneSplit : public testing::TestWithParam<LoneCase> {};

TEST_P(LoneSplit, TakesTheTimeAndTheMemoryOfTheFormula) {
  const LoneCase& of = GetParam();
  const Setting setting = split_setting(of.model, 37, 8);
  const std::vector<int> cuts = engine::cuts(traced(*setting.architecture));
  SplitWork split{.cut = cuts[cuts.size() / 3], .recompute = of.recompute};
  if (of.has_tail) split.tail = cuts.back();
  split.up_bytes_per_s = split.down_bytes_per_s = of.bytes_per_s;
  split.server_share = of.share;
  const LocalWork work{.weight_epochs = 2, .split = split};
  const SplitCost cost = split_cost(setting, setting.nodes[1], work);
  const auto update =
      std::make_shared<const LocalUpdate>(make_split(setting, setting.nodes[1], work));
  WorldConfig config = test::simple_world(1);
  config.nodes[0].concurrent_computes = 0;
  config.nodes[0].memory = cost.server_memory * (1 + 1e-12);
  config.nodes[1].memory = cost.node_memory * (1 + 1e-12);
  config.nodes[1].link.latency_s = 0.01;
  test::Witness witness;
  World world(config, witness);
  world.start(0, std::shared_ptr<const TaskGraph>(update, &update->graph), {0, 1});
  world.run();
  const double rate = of.bytes_per_s > 0 ? of.bytes_per_s : 1e6;
  const double share = of.share > 0 ? of.share : 1;
  EXPECT_TIME(witness.end_of(EventKind::task_done), cost.node_s + cost.server_s / share +
                                                        (cost.bytes_up + cost.bytes_down) / rate +
                                                        cost.messages * 0.01);
  EXPECT_NEAR(world.usage(1).peak_memory, cost.node_memory, 1);
  EXPECT_NEAR(world.usage(0).peak_memory, cost.server_memory, 1);
}

INSTANTIATE_TEST_SUITE_P(SplitUpdate, LoneSplit,
                         testing::Values(LoneCase{"Plain", "cnn-small", false, false, 0, 0},
                                         LoneCase{"Tail", "cnn-small", true, false, 0, 0},
                                         LoneCase{"Recomputed", "resnet18-cifar", true, true, 0, 0},
                                         LoneCase{"Share", "vit-micro", false, false, 0, 0.25},
                                         LoneCase{"Limited", "mlp", false, true, 2e5, 0.5},
                                         LoneCase{"LimitedTail", "cnn-small", true, false, 3e5, 1}),
                         [](const auto& info) { return std::string(info.param.name); });

std::string refused(const std::function<void()>& call) {
  try {
    call();
  } catch (const base::UserError& e) {
    return e.what();
  }
  return "nothing";
}

TEST(SplitUpdate, WhereItCannotBeCutIsAnError) {
  Setting setting = split_setting("resnet18-cifar", 16, 8);
  const engine::Trace trace = traced(*setting.architecture);
  const auto with = [&](SplitWork split) {
    return refused([&] { split_cost(setting, setting.nodes[1], {.split = split}); });
  };
  EXPECT_THAT(with({.cut = 0}), HasSubstr("no position between two"));
  EXPECT_THAT(with({.cut = 1000}), HasSubstr("the nearest cut is"));
  const engine::WideCut wide = engine::wide_cuts(trace).front();
  EXPECT_THAT(with({.cut = wide.cut}), HasSubstr("2 tensors cross instead of one"));
  const std::vector<int> cuts = engine::cuts(trace);
  EXPECT_THAT(with({.cut = cuts[2], .tail = cuts[1]}), HasSubstr("the tail must begin behind"));
  EXPECT_THAT(with({.cut = cuts[2], .tail = wide.cut}), HasSubstr("tensors cross"));
  setting.architecture = model_of("resnet18-cifar", {0.5, 1});
  const std::vector<int> again = engine::cuts(traced(*setting.architecture));
  EXPECT_THAT(with({.cut = again[1], .tail = again.back()}), HasSubstr("has an exit between"));
  setting.fixed = FixedCost{};
  EXPECT_THAT(with({.cut = cuts[1]}), HasSubstr("training.fixed_cost"));
}

// Costs of one model, works of the other.
TEST(SplitUpdate, WhatIsLearnedInItsPlaceIsCutAtTheSameShareOfItsLayers) {
  Setting setting = split_setting("resnet18-cifar", 16, 8);
  const engine::Trace trace = traced(*setting.architecture);
  const std::vector<int> cuts = engine::cuts(trace);
  const auto learned = model_of("cnn-small");
  const engine::Trace small = traced(*learned);
  const std::vector<int> places = engine::cuts(small);
  const int layers = engine::whole(trace).last;
  for (const int cut : cuts) {
    const LocalWork work{.split =
                             SplitWork{.cut = cut, .tail = cut < cuts.back() ? cuts.back() : 0}};
    setting.learned_as = nullptr;
    const SplitCost alone = split_cost(setting, setting.nodes[1], work);
    setting.learned_as = learned;
    EXPECT_EQ(split_cost(setting, setting.nodes[1], work).node_s, alone.node_s);
    const TaskGraph graph = make_split(setting, setting.nodes[1], work).graph;
    const auto& forward = std::get<engine::Forward>(labelled(graph, "forward")[0]->work);
    EXPECT_EQ(forward.first, 0);
    EXPECT_TRUE(std::ranges::count(places, forward.last)) << forward.last;
    const double wanted = static_cast<double>(cut) / layers * engine::whole(small).last;
    for (const int place : places) {
      if (work.split->tail > 0 && place == places.back()) continue;
      EXPECT_LE(std::abs(forward.last - wanted), std::abs(place - wanted) + 1e-9);
    }
    // Every layer once.
    std::vector<Stage> stages;
    for (const Activity* a : labelled(graph, "take")) {
      const auto& take = std::get<engine::TakeStage>(a->work);
      stages.push_back({take.first, take.last});
    }
    std::ranges::sort(stages, {}, &Stage::first);
    int at = 0;
    for (const Stage& stage : stages) {
      EXPECT_EQ(stage.first, at);
      at = stage.last;
    }
    EXPECT_EQ(at, engine::whole(small).last);
  }
}

TEST(SplitUpdate, TheNearestCutThatFitsIsNamed) {
  Setting setting = split_setting("resnet18-cifar", 16, 8);
  auto board = std::make_shared<platforms::Machine>(*setting.nodes[1].machine);
  auto server = std::make_shared<platforms::Machine>(*setting.nodes[0].machine);
  setting.nodes[1].machine = board;
  setting.nodes[0].machine = server;
  const std::vector<int> cuts = engine::cuts(traced(*setting.architecture));
  LocalWork work{.split = SplitWork{.cut = cuts.back()}};
  const auto cost_at = [&](int cut) {
    LocalWork other = work;
    other.split->cut = cut;
    return split_cost(setting, setting.nodes[1], other);
  };
  EXPECT_EQ(nearest_fitting_cut(setting, setting.nodes[1], work), cuts.back());
  board->memory = cost_at(cuts[2]).node_memory;
  const int nearest = nearest_fitting_cut(setting, setting.nodes[1], work);
  EXPECT_LE(cost_at(nearest).node_memory, board->memory);
  for (const int cut : cuts) {
    if (cut > nearest) {
      EXPECT_GT(cost_at(cut).node_memory, board->memory);
    }
  }
  // The server's part has to fit as well.
  server->memory = cost_at(nearest).server_memory - 1;
  const int other = nearest_fitting_cut(setting, setting.nodes[1], work);
  EXPECT_TRUE(other == 0 || cost_at(other).server_memory <= server->memory);
  EXPECT_NE(other, nearest);
  board->memory = 1;
  EXPECT_EQ(nearest_fitting_cut(setting, setting.nodes[1], work), 0);
}

// With labels that stay on the node, an earlier cut may leave an exit to the server: no such one.
TEST(SplitCuts, TheNearestThatFitsLeavesNoExitToAServerWithoutLabels) {
  Setting setting = split_setting("resnet18-cifar", 32, 8);
  setting.architecture = model_of("resnet18-cifar", {0.5, 1});
  const engine::Trace trace = traced(*setting.architecture);
  const std::vector<int> cuts = engine::cuts(trace);
  auto board = std::make_shared<platforms::Machine>(*setting.nodes[1].machine);
  setting.nodes[1].machine = board;
  LocalWork work;
  work.split = SplitWork{.cut = 0, .tail = cuts.back()};
  const auto has_labels = [&](int cut) {
    return engine::exits_in(trace, {cut, work.split->tail}) == 0;
  };
  for (const int cut : cuts) {
    if (cut < cuts.back() && has_labels(cut) && work.split->cut == 0) work.split->cut = cut;
  }
  ASSERT_GT(work.split->cut, cuts.front()) << "an exit comes before";
  const double needed = split_cost(setting, setting.nodes[1], work).node_memory;
  std::set<int> found;
  for (int part = 0; part <= 40; ++part) {
    board->memory = needed * part / 20;
    found.insert(nearest_fitting_cut(setting, setting.nodes[1], work));
  }
  for (const int cut : found) EXPECT_TRUE(cut == 0 || has_labels(cut)) << cut;
  EXPECT_TRUE(found.contains(0));
  EXPECT_TRUE(found.contains(work.split->cut));
}

// A new plan has other rates for each node: the tasks of the old ones do not stay.
TEST(SplitTasks, OfOldPlansAreForgotten) {
  auto setting = std::make_shared<Setting>(split_setting("mlp", 400, 1));
  LocalUpdates updates(setting);
  const int cut = engine::cuts(traced(*setting->architecture)).front();
  const auto of_rate = [&](double rate) {
    LocalWork work;
    work.split = SplitWork{.cut = cut, .up_bytes_per_s = rate};
    return updates.of(1, work);
  };
  const std::shared_ptr<const LocalUpdate> held = of_rate(1);
  const std::size_t size = held->graph.activities().size();
  std::vector<std::weak_ptr<const LocalUpdate>> made;
  const std::size_t plans = 3 * LocalUpdates::most_planned_activities / size;
  for (std::size_t i = 0; i < plans; ++i) {
    made.push_back(of_rate(2 + static_cast<double>(i)));
    const auto alive = static_cast<std::size_t>(
        std::ranges::count_if(made, [](const auto& one) { return !one.expired(); }));
    ASSERT_LE(alive * size, LocalUpdates::most_planned_activities);
  }
  EXPECT_FALSE(made.back().expired());
  EXPECT_EQ(of_rate(1)->graph.activities().size(), size) << "made anew";
  EXPECT_EQ(held->graph.activities().size(), size) << "and what is at work stays";
}

}  // namespace
}  // namespace convoy::sim
