// Pipelines in the world: exact times, and who sends what to whom.

#include "sim/schedule/pipeline_graph.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/diagnostics.hpp"
#include "sim/task/pipeline_label.hpp"
#include "tests/support/expect_time.hpp"
#include "tests/support/hand_pipeline.hpp"

namespace convoy::sim {
namespace {

using test::equal_costs;
using test::hand_problem;
using test::HandCosts;
using test::made_of;
using test::pipedream;
using test::PipelineRuns;
using test::straight;
using test::two_groups;
using test::Windows;
using test::worker;
using enum PipelineOrder;

// Without time on links all three orders take (M + P - 1)(f + b): the bubble is (P - 1) of that
// many parts.
TEST(PipelineGraph, EqualStagesWithoutLinkTimeHaveGPipesBubble) {
  PipelineRuns runs;
  std::vector<std::pair<double, double>> expected;  // s, busy s of a stage
  for (const int stages : {1, 2, 3, 4, 6}) {
    for (const int microbatches : {1, 2, 5, 8}) {
      for (const auto order : {one_f_one_b, gpipe, gpipe_reverse}) {
        const auto plan = straight(stages, microbatches, Windows::remaining, order);
        runs.add(made_of(equal_costs(stages), plan), worker(1e9));
        expected.emplace_back((microbatches + stages - 1) * 3.0, microbatches * 3.0);
      }
    }
  }
  runs.run();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto task = static_cast<TaskId>(i);
    EXPECT_TIME(runs.end_of(task), expected[i].first);
    const int stages = static_cast<int>(runs.made[i].devices.size());
    for (int p = 0; p < stages; ++p) {
      EXPECT_TIME(runs.usage(task, p).busy_s, expected[i].second);
      const double microbatches = expected[i].second / 3;
      EXPECT_TIME(1 - runs.usage(task, p).busy_s / runs.end_of(task),
                  (stages - 1) / (microbatches + stages - 1));
    }
  }
}

// One_f_one_b_windows_ours.json: links that only delay, any number of messages at once.
TEST(PipelineGraph, WindowsByHand) {
  struct Case {
    std::vector<double> forward;
    int microbatches;
    double delay;
    double remaining, doubled, gpipe;  // s
  };
  const std::vector<Case> cases = {
      {{1, 1}, 4, 0, 15, 15, 15},         {{1, 1, 1}, 6, 0, 24, 24, 24},
      {{1, 1, 1, 1}, 8, 0, 33, 33, 33},   {{1, 2, 1}, 6, 0, 40, 39, 42},
      {{1, 1, 1, 1}, 8, 0.5, 41, 36, 36}, {{1, 1, 1, 1}, 8, 1.5, 57, 42, 42},
      {{2, 1, 1}, 8, 0.5, 52, 48, 56},    {{1, 1, 2}, 8, 0.5, 56, 56, 56},
  };
  PipelineRuns runs;
  std::vector<double> expected;
  for (const Case& one : cases) {
    HandCosts costs;
    costs.forward = one.forward;
    for (const double f : one.forward) costs.backward.push_back(2 * f);
    const int stages = costs.layers();
    const auto node = worker(1e9, one.delay / 2, 0);
    runs.add(made_of(costs, straight(stages, one.microbatches, Windows::remaining)), node);
    runs.add(made_of(costs, straight(stages, one.microbatches, Windows::doubled)), node);
    runs.add(made_of(costs, straight(stages, one.microbatches, Windows::remaining, gpipe)), node);
    expected.insert(expected.end(), {one.remaining, one.doubled, one.gpipe});
  }
  runs.run();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_TIME(runs.end_of(static_cast<TaskId>(i)), expected[i]) << "case " << i / 3;
  }
}

// The same cases, and more, as the file has them.
TEST(PipelineGraph, WindowsOfTheFile) {
  const auto file = test::reference_file("one_f_one_b_windows_ours.json");
  if (file.is_null()) GTEST_SKIP() << "shared/data/references is not there";
  PipelineRuns runs;
  std::vector<double> expected;
  for (const auto& one : file["cases"]) {
    HandCosts costs;
    costs.forward = one["f"].get<std::vector<double>>();
    costs.backward = one["b"].get<std::vector<double>>();
    const int stages = one["P"];
    const int microbatches = one["M"];
    const auto node = worker(1e9, one["link_delay"].get<double>() / 2, 0);
    runs.add(made_of(costs, straight(stages, microbatches, Windows::remaining)), node);
    runs.add(made_of(costs, straight(stages, microbatches, Windows::doubled)), node);
    runs.add(made_of(costs, straight(stages, microbatches, Windows::remaining, gpipe)), node);
    expected.push_back(one["window_P_minus_p"]);
    expected.push_back(one["window_2P_minus_2p_minus_1"]);
    expected.push_back(one["gpipe_forward_order"]);
  }
  EXPECT_EQ(expected.size(), 24);
  runs.run();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_TIME(runs.end_of(static_cast<TaskId>(i)), expected[i]) << "case " << i / 3;
  }
}

// A half-duplex link of fixed durations, on which one micro-batch is at a time, is a stage like
// others, of a pipeline of S = 2P - 1: with windows S - x at its x-th, which are 2(P - p) - 1 at
// the computing ones.
TEST(PipelineGraph, TheStepRecurrenceWithLinksAsStages) {
  const auto vectors = test::reference_file("pipeline_recurrence_vectors.json");
  if (vectors.is_null()) GTEST_SKIP() << "shared/data/references is not there";
  ASSERT_EQ(vectors.size(), 40);
  PipelineRuns runs;
  for (const auto& one : vectors) {
    HandCosts costs;
    costs.forward = one["F"].get<std::vector<double>>();
    costs.backward = one["B"].get<std::vector<double>>();
    const auto plan = straight(costs.layers(), one["M"].get<int>(), Windows::remaining);
    for (int x = 0; x < costs.layers(); ++x) {
      EXPECT_EQ(plan.stages[x].window, std::min(one["K"][x].get<int>(), one["M"].get<int>()));
    }
    runs.add(made_of(costs, plan), worker(1e9));
  }
  runs.run();
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    EXPECT_TIME(runs.end_of(static_cast<TaskId>(i)), vectors[i]["makespan_fifo"].get<double>())
        << vectors[i]["name"];
    EXPECT_GE(runs.end_of(static_cast<TaskId>(i)) + 1e-9,
              vectors[i]["makespan_as_published"].get<double>());
  }
}

// Stages of 1 s + 2 s, activations of 1 MB and gradients of 2 MB over 1 MB/s, two micro-batches.
// F0 at stage 0 until 1; sent until 2; stage 1: F0 until 3, B0 until 5; F1 came at 3, until 6, B1
// until 8. Gradients: until 7 and, behind them, until 10; B0 until 9, B1 until 12; the step 0.5.
TEST(PipelineGraph, TransfersTakeTheirTime) {
  HandCosts costs = equal_costs(2);
  costs.ahead = 1e6;
  costs.back = 2e6;
  costs.step = 0.5;
  PipelineRuns runs;
  const TaskId task = runs.add(made_of(costs, straight(2, 2, Windows::remaining)), worker(1e6));
  runs.run();
  const auto end = [&](const std::string& label) { return runs.witness.record(task, label).end_s; };
  EXPECT_TIME(end("F0@0"), 1);
  EXPECT_TIME(end("F0@0>1"), 2);
  EXPECT_TIME(end("F0@1"), 3);
  EXPECT_TIME(end("B0@1"), 5);
  EXPECT_TIME(end("F1@0>1"), 3);
  EXPECT_TIME(end("F1@1"), 6);
  EXPECT_TIME(end("B1@1"), 8);
  EXPECT_TIME(end("step@1"), 8.5);
  EXPECT_TIME(end("B0@1>0"), 7);
  EXPECT_TIME(end("B1@1>0"), 10);
  EXPECT_TIME(end("B0@0"), 9);
  EXPECT_TIME(end("B1@0"), 12);
  EXPECT_TIME(end("step@0"), 12.5);
  EXPECT_TIME(runs.end_of(task), 12.5);
}

// Each round begins when the one before has ended.
TEST(PipelineGraph, RoundsFollowEachOther) {
  const HandCosts costs = equal_costs(3);
  PipelineRuns runs;
  const TaskId task =
      runs.add(made_of(costs, straight(3, 4, Windows::doubled), {.rounds = 5}), worker(1e9));
  runs.run();
  EXPECT_TIME(runs.end_of(task), 5 * (4 + 3 - 1) * 3);
  EXPECT_EQ(runs.witness.records.at({task, "F3@2"}).size(), 5);
}

TEST(PipelineGraph, EveryMemberGetsItsSamplesFromThoseWhoHaveThem) {
  const auto plan = two_groups(1);
  const auto ahead = pieces_between(plan.stages[0].members, 0, plan.stages[1].members);
  // Samples 0 to 2 are at the first device, 3 at the second, 4 and 5 at the third.
  ASSERT_EQ(ahead.size(), 2);
  ASSERT_EQ(ahead[0].size(), 1);
  EXPECT_EQ(ahead[0][0].from, 0);
  EXPECT_EQ(ahead[0][0].has, (SampleRange{0, 3}));
  EXPECT_EQ(ahead[0][0].taken, (SampleRange{0, 2}));
  ASSERT_EQ(ahead[1].size(), 3);
  EXPECT_EQ(ahead[1][0].taken, (SampleRange{2, 3}));
  EXPECT_EQ(ahead[1][1].taken, (SampleRange{3, 4}));
  EXPECT_EQ(ahead[1][2].taken, (SampleRange{4, 6}));

  HandCosts costs = equal_costs(2);
  costs.ahead = 1000;
  costs.back = 100;
  costs.weights = 4000;
  const PipelineGraph made = make_pipeline(hand_problem(costs, 5), plan);
  std::map<std::pair<int, int>, double> bytes;
  for (const Activity& a : made.graph->activities()) {
    if (a.kind == ActivityKind::transfer && !a.label.starts_with("all"))
      bytes[{a.at, a.to}] += a.bytes;
  }
  const std::map<std::pair<int, int>, double> expected = {
      {{0, 3}, 2000}, {{0, 4}, 1000}, {{1, 4}, 1000}, {{2, 4}, 2000},
      {{3, 0}, 200},  {{4, 0}, 100},  {{4, 1}, 100},  {{4, 2}, 200}};
  EXPECT_EQ(bytes, expected);
  EXPECT_EQ(made.devices, (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_EQ(made.roles, (std::vector<std::vector<int>>{{0, 1, 2}, {3, 4}}));
}

// Three devices of one stage, 2 samples each, gradients of 3 MB over 1 MB/s: forward and backward 2
// and 4 s, a ring of 2 x 2 chunks of 1 s, and a step of 1 s.
TEST(PipelineGraph, AGroupSumsItsGradientsByARing) {
  HandCosts costs = equal_costs(1);
  costs.weights = 3e6;
  costs.step = 1;
  const PipelinePlan plan{.stages = {{{0, 1}, {{0, 2}, {1, 2}, {2, 2}}, 1}},
                          .microbatch = 6,
                          .microbatches = 2,
                          .planner = ""};
  PipelineRuns runs;
  const TaskId task = runs.add(make_pipeline(hand_problem(costs, 3), plan), worker(1e6));
  const TaskId adding =
      runs.add(make_pipeline(hand_problem(costs, 3), plan, {.add_s = 1e-7}), worker(1e6));
  runs.run();
  EXPECT_TIME(runs.end_of(task), 2 * 6 + 4 + 1);
  EXPECT_TIME(runs.end_of(adding), 2 * 6 + 4 + 2 * 0.1 + 1);  // two chunks are added to
  EXPECT_EQ(runs.witness.records.at({task, "all-reduce@0"}).size(), 3 * 2 * 2);
}

// Stage 1, of two devices, is done at 6 + 3 s, and stage 0 with 2 x 3 s at 12 s; the all-reduce
// takes 2 x 1 s.
TEST(PipelineGraph, TheAllReduceRunsWhileOthersStillGoBackUnlessToldNotTo) {
  HandCosts costs = equal_costs(2);
  costs.weights = 2e6;
  const PipelinePlan plan{.stages = {{{0, 1}, {{0, 2}}, 2}, {{1, 2}, {{1, 1}, {2, 1}}, 1}},
                          .microbatch = 2,
                          .microbatches = 2,
                          .planner = ""};
  PipelineRuns runs;
  const TaskId task = runs.add(make_pipeline(hand_problem(costs, 3), plan), worker(1e6));
  const TaskId behind =
      runs.add(make_pipeline(hand_problem(costs, 3), plan, {.overlaps = false}), worker(1e6));
  runs.run();
  // F0@0 2, F1@0 4; F0@1 3, B0@1 5, F1@1 6, B1@1 8; B0@0 9, B1@0 13.
  EXPECT_TIME(runs.witness.record(task, "B1@1").end_s, 8);
  EXPECT_TIME(runs.witness.record(task, "step@1").end_s, 10);
  EXPECT_TIME(runs.end_of(task), 13);
  EXPECT_TIME(runs.witness.record(behind, "step@1").end_s, 15);
  EXPECT_TIME(runs.end_of(behind), 15);
}

TEST(PipelineGraph, TheFirstOfEachGroupSendsItsPartToOne) {
  HandCosts costs = equal_costs(2);
  costs.weights = 1e6;
  PipelineRuns runs;
  const TaskId task = runs.add(
      make_pipeline(hand_problem(costs, 5), two_groups(2), {.collect_at = 0}), worker(1e9));
  runs.run();
  EXPECT_GT(runs.end_of(task), 0);
  const PipelineGraph& made = runs.made[0];
  EXPECT_EQ(made.result, made.graph->result());
  EXPECT_EQ(runs.witness.records.at({task, "collect@1"}).size(), 1);
  EXPECT_EQ(runs.witness.record(task, "collect@1").what->bytes, 1e6);
  EXPECT_FALSE(runs.witness.records.contains({task, "collect@0"}));
  const Activity& join = *runs.witness.record(task, "join@0").what;
  EXPECT_EQ(join.inputs.size(), 2);
}

// The works of the computes are asked for with what the graph gives them.
TEST(PipelineGraph, WorksAreToldWhatTheirInputsAre) {
  HandCosts costs = equal_costs(2);
  costs.weights = 600;
  PipelineOptions options{.collect_at = 4};
  options.collect_bytes = [](LayerRange) { return 5.0; };
  std::map<std::pair<std::string, int>, PipelineCompute> asked;  // by label and role
  options.works.forward = [&](const PipelineCompute& c) {
    asked[{"F" + std::to_string(c.instruction.microbatch), c.role}] = c;
    return engine::Forward{.first = c.layers.first, .last = c.layers.last};
  };
  options.works.backward = [&](const PipelineCompute& c) {
    asked[{"B" + std::to_string(c.instruction.microbatch), c.role}] = c;
    return engine::Backward{.first = c.layers.first, .last = c.layers.last};
  };
  options.works.add = [&](const PipelineCompute& c, int chunk, int chunks) {
    EXPECT_EQ(chunks, c.stage == 0 ? 3 : 2);
    return engine::Forward{.first = c.role, .microbatch = chunk, .microbatches = chunks};
  };
  options.works.step = [](const PipelineCompute& c) {
    EXPECT_EQ(c.instruction.kind, PipelineInstruction::Kind::step);
    return engine::Step{c.layers.first, c.layers.last};
  };
  options.works.give = [](const PipelineCompute& c) {
    EXPECT_EQ(c.member, 0);
    return engine::TakeStage{c.layers.first, c.layers.last};
  };
  options.works.join = [] { return engine::JoinStages{}; };
  const PipelineGraph made = make_pipeline(hand_problem(costs, 5), two_groups(3), options);
  for (const Activity& a : made.graph->activities()) {
    const PipelineLabel label = read_pipeline_label(a.label).value();
    if (a.kind == ActivityKind::transfer) {
      EXPECT_TRUE(label.kind != PipelineLabel::Kind::collect || a.bytes == 5);
      continue;
    }
    EXPECT_FALSE(engine::is_nothing(a.work)) << a.label;
    const bool forward = label.kind == PipelineLabel::Kind::forward;
    const bool backward = label.kind == PipelineLabel::Kind::backward;
    const bool is_step = label.kind == PipelineLabel::Kind::step;
    EXPECT_TRUE(!is_step || a.inputs.size() == (label.stage == 0 ? 3 : 2));
    if (!forward && !backward) continue;
    const std::string name = a.label.substr(0, a.label.find('@'));
    const PipelineCompute& compute = asked.at({name, a.at});
    EXPECT_EQ(compute.stage, label.stage);
    ASSERT_EQ(a.inputs.size(), compute.pieces.size() + (backward ? 1 : 0)) << a.label;
    int samples = 0;
    for (std::size_t i = 0; i < compute.pieces.size(); ++i) {
      const int input = a.inputs[i + (backward ? 1 : 0)];
      const Activity& sent = made.graph->activities()[made.graph->producer(input)];
      EXPECT_EQ(sent.at, compute.pieces[i].from);
      samples += compute.pieces[i].taken.count();
    }
    const bool at_an_end = label.stage == (forward ? 0 : 1);
    EXPECT_EQ(samples, at_an_end ? 0 : compute.samples.count());
  }
  EXPECT_EQ(made.graph->artifacts()[made.result].place, 4);
}

TEST(PipelineGraph, RefusesWindowsThatWouldWaitForEachOther) {
  const HandCosts costs = equal_costs(3);
  PipelinePlan plan = straight(3, 4, Windows::remaining);
  plan.stages[0].window = 1;
  try {
    made_of(costs, plan);
    FAIL();
  } catch (const base::UserError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("stage 2 of the pipeline waits for 2"));
    EXPECT_THAT(error.what(), testing::HasSubstr("stage 1 one of at least 2"));
  }
  plan.order = gpipe;  // reads no window
  EXPECT_EQ(made_of(costs, plan).roles.size(), 3);
  EXPECT_THROW(made_of(costs, pipedream(3, 4), {.rounds = 2}), std::invalid_argument);
  EXPECT_THROW(made_of(costs, straight(3, 4, Windows::doubled), {.rounds = 0}),
               std::invalid_argument);
}

}  // namespace
}  // namespace convoy::sim
