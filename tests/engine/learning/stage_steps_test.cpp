// Tests the steps of stages: each micro-batch of a step is in it once, their number may change from
// step to step, and what a node keeps for other tasks stays.

#include <gtest/gtest.h>

#include <functional>

#include "engine/learning/encoded_update.hpp"
#include "engine/learning/stage_session.hpp"
#include "tests/engine/learning/stage_chain.hpp"
#include "tests/support/expect_refused.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);

namespace convoy::engine {
namespace {

using convoy::test::expect_refused;
using Made = std::shared_ptr<const Artifact>;

std::shared_ptr<const Architecture> cnn() {
  ModelOptions model = test::options_of("cnn-small");
  model.classes = 4;
  model.exits = {1};
  return std::make_shared<const Architecture>(make_architecture(model));
}

// A node that has a model as one stage.
class StageSteps : public testing::Test {
 protected:
  void open(std::shared_ptr<const Architecture> architecture, int samples, TaskInput input = {}) {
    EngineOptions options;
    options.train = test::striped_images(samples, architecture->classes, architecture->height);
    options.test = options.train;
    options.parts = test::dealt(samples, 1);
    options.rules.transfer.weight = 0;
    options.rules.mask.selection = Selection::nested;
    options.training.optimizer.momentum = 0.9;
    options.architecture = std::move(architecture);
    options_ = options;
    engine.reset(convoy_make_engine(options));
    weights = engine->initial();
    layers = whole(trace(*options.architecture, full_submodel(*options.architecture))).last;
    input.node = 1;
    input.task = 7;
    input.brief.batch = 8;
    input.received = weights;
    input_ = input;
    session = engine->open(input, {});
  }
  Made forward(int m, int microbatches) {
    return session->run(Forward{0, layers, m, microbatches}, {{weights, nullptr}});
  }
  void backward(int m, const Made& end) { session->run(Backward{0, layers, m}, {{end, nullptr}}); }
  Made step() { return session->run(Step{0, layers}, {}); }
  // Gives the numbers over the task of its micro-batches.
  std::vector<int> whole_step(int microbatches) {
    std::vector<Made> ends;
    std::vector<int> counted;
    for (int m = 0; m < microbatches; ++m) {
      ends.push_back(forward(m, microbatches));
      counted.push_back(std::dynamic_pointer_cast<const Activation>(ends.back())->of.counted);
    }
    for (int m = 0; m < microbatches; ++m) backward(m, ends[static_cast<std::size_t>(m)]);
    last = step();
    return counted;
  }

  EngineOptions options_;
  TaskInput input_;
  std::unique_ptr<Engine> engine;
  std::shared_ptr<const Weights> weights;
  std::unique_ptr<Session> session;
  Made last;
  int layers = 0;
};

TEST_F(StageSteps, EachMicroBatchIsInItsStepOnce) {
  open(cnn(), 16);
  const Made first = forward(0, 4);
  expect_refused([&] { forward(0, 4); }, "micro-batch 0 comes to layer 0 twice");
  backward(0, first);
  expect_refused([&] { forward(0, 4); }, "micro-batch 0 comes to layer 0 twice");
  expect_refused([&] { forward(1, 2); }, "in a step of 4 micro-batches");
  expect_refused([&] { step(); }, "before the micro-batches 1 2 3 of 4 are back");
  backward(2, forward(2, 4));
  backward(1, forward(1, 4));
  expect_refused([&] { step(); }, "before the micro-batches 3 of 4 are back");
  const Made end = forward(3, 4);
  expect_refused([&] { step(); }, "before the micro-batches 3 of 4 are back");
  backward(3, end);
  EXPECT_EQ(std::dynamic_pointer_cast<const StageUpdate>(step())->steps, 1);
  expect_refused([&] { step(); }, "no micro-batch has come back since its last step");
}

// Numbers over the task tell dropout and running statistics apart.
TEST_F(StageSteps, WhereTheNumberOfMicroBatchesChangesTheirNumbersStayUnlike) {
  open(test::small_with_norms(4), 32);
  std::vector<int> all;
  for (const int microbatches : {4, 2, 1, 3, 4}) {
    for (const int number : whole_step(microbatches)) all.push_back(number);
  }
  for (int i = 0; i < static_cast<int>(all.size()); ++i) {
    EXPECT_EQ(all[static_cast<std::size_t>(i)], i);
  }
}

// 20 samples in batches of 8, 8 and 4: no six micro-batches of the last one.
TEST_F(StageSteps, ASmallLastBatchIsSplitIntoFewerMicroBatches) {
  open(cnn(), 20);
  const EpochPlan epoch = plan_epoch(20, 8, false);
  for (int pass = 0; pass < 2; ++pass) {
    for (std::int64_t b = 0; b < epoch.batches(); ++b) {
      const int microbatches = microbatches_of(epoch.size_of(b), 6, false);
      EXPECT_EQ(microbatches, b < epoch.whole ? 6 : 4);
      if (microbatches < 6) {
        expect_refused([&] { forward(0, 6); }, "cannot be split into 6 micro-batches, but into 4");
      }
      whole_step(microbatches);
    }
  }
  const auto alone = engine->open(input_, {});
  const auto wanted = as_update(alone->run(Train{.epochs = 2}, {{weights, nullptr}}));
  const auto got = as_update(session->run(JoinStages{}, {{last, nullptr}}));
  EXPECT_EQ(got->steps, wanted->steps);
  for (std::size_t i = 0; i < wanted->brings.size(); ++i) {
    EXPECT_LE((got->brings[i] - wanted->brings[i]).abs().max().item<double>(), 1e-5) << i;
  }
}

TEST_F(StageSteps, WhatTheNodeKeepsForOtherTasksStays) {
  const auto architecture = cnn();
  const Layout layout(architecture);
  auto before = std::make_shared<TensorState>();
  before->submodel = full_submodel(*architecture);
  before->logits.resize(architecture->groups.size());
  before->residual = initial_tensors(layout, 4);
  before->squares = initial_tensors(layout, 5);
  open(architecture, 16, {.state = before});
  whole_step(2);
  const auto after = session->outcome().state;
  ASSERT_TRUE(after);
  const TensorState& state = inside(*after);
  ASSERT_EQ(state.residual.size(), before->residual.size());
  ASSERT_EQ(state.squares.size(), before->squares.size());
  for (std::size_t i = 0; i < before->residual.size(); ++i) {
    EXPECT_TRUE(at::equal(state.residual[i], before->residual[i])) << i;
    EXPECT_TRUE(at::equal(state.squares[i], before->squares[i])) << i;
  }
}

// What was left of another submodel goes on where this task's has the same elements
// (residual_in() is tested by itself).
TEST_F(StageSteps, WhatTheNodeKeepsGoesOnInTheSubmodelOfTheTask) {
  base::Random random({8});
  ModelOptions model = test::options_of("cnn-small");
  model.classes = 4;
  const auto architecture = std::make_shared<const Architecture>(make_architecture(model));
  const Layout layout(architecture);
  Tensors full;
  for (const ParameterTensor& p : layout.tensors) full.push_back(at::rand(p.shape) + 0.5);
  for (const double rate : {0.5, 1.0}) {
    auto before = std::make_shared<TensorState>();
    before->submodel = test::random_submodel(*architecture, random);
    before->logits.resize(architecture->groups.size());
    before->residual = slice(full, layout, before->submodel, at::kCPU);
    open(architecture, 16, {.brief = {.rate = rate, .choose_masks = true}, .state = before});
    layers = whole(trace(*architecture, session->submodel())).last;
    whole_step(1);
    const auto after = session->outcome().state;
    const TensorState& state = inside(*after);
    ASSERT_NE(state.submodel.kept, before->submodel.kept);
    const Tensors wanted = residual_in(layout, before->residual, before->submodel, state.submodel);
    bool any = false;
    for (std::size_t i = 0; i < layout.size(); ++i) {
      ASSERT_EQ(state.residual[i].defined(), wanted[i].defined()) << i;
      if (!wanted[i].defined()) continue;
      const Kept kept = kept_of(layout.tensors[i], *architecture, state.submodel);
      EXPECT_EQ(state.residual[i].sizes().vec(), shape_in(layout.tensors[i], kept)) << i;
      EXPECT_TRUE(at::equal(state.residual[i], wanted[i])) << i;
      any = any || wanted[i].count_nonzero().item<std::int64_t>() > 0;
    }
    EXPECT_TRUE(any);
  }
}

TEST_F(StageSteps, ASessionTrainsTheWholeOrStages) {
  open(cnn(), 16);
  whole_step(1);
  const std::vector<Input> given = {{weights, nullptr}};
  expect_refused([&] { session->run(Train{}, given); }, "it trains a stage of the model already");
  session = engine->open(input_, {});
  session->run(Train{.steps = 1}, given);
  expect_refused([&] { forward(0, 1); }, "it trains the whole model already");
}

// The same of stages alone, which know only shares.
TEST(StageTraining, AStepIsByAWholeBatchAndCountsNothingTwice) {
  const test::Model model(test::options_of("cnn-small"));
  const Batch batch = model.batch(4);
  test::Chain chain(model, {cuts(model.traced)[2]}, test::stage_options());
  chain.forward(0, batch, 0.5);
  chain.backward(0);
  expect_refused([&] { chain.forward(0, batch, 0.5); }, "came back already since the last step");
  expect_refused([&] { chain.stages.back()->step(); }, "which are 0.5 of their batch");
  chain.forward(1, batch, 0.5);
  chain.backward(1);
  chain.step();
  chain.forward(2, batch, 1);
  chain.backward(2);
  EXPECT_NO_THROW(chain.step());
}

}  // namespace
}  // namespace convoy::engine
