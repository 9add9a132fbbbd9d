// Tests costs and memory of stages: together the stages of any partition cost what the whole model
// does, and the whole model as one stage takes the memory of a training step.

#include "engine/model/stage_costs.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <set>
#include <stdexcept>
#include <tuple>

#include "engine/model/builder.hpp"
#include "tests/engine/traced_model.hpp"

namespace convoy::engine {
namespace {

constexpr std::array optimizers = {Optimizer::sgd, Optimizer::sgd_momentum, Optimizer::adamw,
                                   Optimizer::adan};

// A kernel as something that can be sorted and compared, to the last bit.
using Plain = std::tuple<OpClass, double, double, Number>;

std::vector<Plain> plain(const StepCost& cost) {
  std::vector<Plain> kernels;
  for (const Kernel& k : cost.kernels) kernels.emplace_back(k.op, k.flops, k.bytes, k.number);
  return kernels;
}

std::vector<Plain> sorted(std::vector<Plain> kernels) {
  std::sort(kernels.begin(), kernels.end());
  return kernels;
}

// All stages forward, all backward from the last one on, all updates.
std::vector<Plain> step_of(const Trace& trace, const std::vector<Stage>& stages,
                           Optimizer optimizer, int batch, Precision precision) {
  std::vector<Plain> all;
  const auto add = [&](const Stage& stage, Pass pass) {
    const auto more = plain(stage_step(trace, stage, pass, optimizer, batch, precision));
    all.insert(all.end(), more.begin(), more.end());
  };
  for (const Stage& stage : stages) add(stage, Pass::forward);
  for (auto stage = stages.rbegin(); stage != stages.rend(); ++stage) add(*stage, Pass::backward);
  for (const Stage& stage : stages) add(stage, Pass::update);
  return all;
}

std::vector<Stage> drawn_stages(const Trace& trace) {
  const auto drawn = *rc::gen::container<std::vector<int>>(rc::gen::inRange(1, whole(trace).last));
  const std::set<int> positions(drawn.begin(), drawn.end());
  return stages_between(trace, {positions.begin(), positions.end()});
}

class StagesOf : public testing::TestWithParam<std::string> {
 protected:
  const Architecture plain_ = named(GetParam());
  const Architecture with_exits_ = named(GetParam(), {0.25, 0.5, 1.0});
};

TEST_P(StagesOf, LaunchTogetherExactlyWhatTheWholeLaunches) {
  const Trace t = full(plain_);
  EXPECT_TRUE(rc::check([&] {
    const Optimizer optimizer = *rc::gen::elementOf(optimizers);
    const int batch = *rc::gen::inRange(1, 20);
    const auto precision = *rc::gen::element(Precision::fp32, Precision::fp32_strict);
    const StepCost step = training_step(t, optimizer, Phase::weights, batch, precision);
    // In the same order, too, as the only exit is at the end.
    RC_ASSERT(step_of(t, drawn_stages(t), optimizer, batch, precision) == plain(step));
  }));
}

TEST_P(StagesOf, LaunchTogetherExactlyWhatTheWholeLaunchesWithExitsInside) {
  const Trace t = full(with_exits_);
  EXPECT_TRUE(rc::check([&] {
    const int batch = *rc::gen::inRange(1, 20);
    const StepCost step = training_step(t, Optimizer::adamw, Phase::weights, batch);
    const auto parts = step_of(t, drawn_stages(t), Optimizer::adamw, batch, Precision::fp32);
    RC_ASSERT(sorted(parts) == sorted(plain(step)));
  }));
}

// Under autocast each stage with parameters unscales its own gradients.
TEST_P(StagesOf, UnscaleTheirOwnGradientsUnderAutocast) {
  const Trace t = full(with_exits_);
  const auto step =
      sorted(plain(training_step(t, Optimizer::sgd, Phase::weights, 4, Precision::fp16_mixed)));
  const double all = t.parameters();
  const Plain whole_unscaling = {OpClass::elementwise, all, 2 * all * 4, Number::fp32};
  EXPECT_TRUE(rc::check([&] {
    const std::vector<Stage> stages = drawn_stages(t);
    auto parts = sorted(step_of(t, stages, Optimizer::sgd, 4, Precision::fp16_mixed));
    for (const Stage& stage : stages) {
      const double own = parameters(t, stage);
      const Plain unscaling = {OpClass::elementwise, own, 2 * own * 4, Number::fp32};
      if (own == 0) continue;
      const auto found = std::lower_bound(parts.begin(), parts.end(), unscaling);
      RC_ASSERT(found != parts.end() && *found == unscaling);
      parts.erase(found);
    }
    parts.push_back(whole_unscaling);
    RC_ASSERT(sorted(parts) == step);
  }));
}

TEST_P(StagesOf, TheWholeWithOneStashTakesTheMemoryOfAStep) {
  const Trace t = full(with_exits_);
  for (const Precision precision : {Precision::fp32, Precision::fp16_mixed}) {
    for (const Optimizer optimizer : optimizers) {
      const MemoryCost step = training_memory(t, optimizer, Phase::weights, 3, false, precision);
      const MemoryCost stage = stage_memory(t, whole(t), optimizer, {.microbatch = 3}, precision);
      EXPECT_EQ(stage.weights, step.weights);
      EXPECT_EQ(stage.gradients, step.gradients);
      EXPECT_EQ(stage.optimizer, step.optimizer);
      EXPECT_EQ(stage.activations, step.activations);
      EXPECT_EQ(stage.workspace, step.workspace);
    }
  }
}

TEST_P(StagesOf, MemoryGrowsByAStashForEachMicroBatchInFlight) {
  const Trace t = full(with_exits_);
  EXPECT_TRUE(rc::check([&] {
    const std::vector<Stage> stages = drawn_stages(t);
    const Stage stage = *rc::gen::elementOf(stages);
    const auto precision = *rc::gen::element(Precision::fp32, Precision::fp16_mixed);
    StageLoad load = {.microbatch = *rc::gen::inRange(1, 9)};
    load.accumulates = *rc::gen::arbitrary<bool>();
    load.recompute = *rc::gen::arbitrary<bool>();
    const MemoryCost one = stage_memory(t, stage, Optimizer::sgd, load, precision);
    load.stashes = *rc::gen::inRange(2, 9);
    const MemoryCost more = stage_memory(t, stage, Optimizer::sgd, load, precision);
    const MemoryCost kept = stash(t, stage, load.microbatch, load.recompute, precision);
    const double others = load.stashes - 1;
    RC_ASSERT(more.activations == one.activations + others * kept.activations);
    RC_ASSERT(more.weights == one.weights + others * kept.weights);
    RC_ASSERT(more.gradients == one.gradients);
    RC_ASSERT(more.optimizer == one.optimizer);
    RC_ASSERT(more.workspace == one.workspace);
    RC_ASSERT(kept.gradients == 0 && kept.optimizer == 0 && kept.workspace == 0);
  }));
}

TEST_P(StagesOf, ARecomputedStashIsWhatWasReceived) {
  const Trace t = full(with_exits_);
  for (const int cut : cuts(t)) {
    const Stage stage = {cut, whole(t).last};
    const double labels = 8 * 5;
    EXPECT_EQ(stash(t, stage, 5, true).total(), bytes_forward(t, cut, 5) + labels);
    EXPECT_LE(stash(t, stage, 5, true).total(), stash(t, stage, 5).total());
  }
}

INSTANTIATE_TEST_SUITE_P(Stages, StagesOf, testing::ValuesIn(architecture_names()),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::erase_if(name, [](char c) { return c == '-' || c == '.'; });
                           return name;
                         });

// --- by hand: the linear layer of 784 to 200 and its ReLU, of mlp --------------------------------

class HiddenLayer : public testing::Test {
 protected:
  static constexpr double parameters_ = 784 * 200 + 200;
  static constexpr double in_ = 4.0 * 784;  // bytes a sample
  static constexpr double out_ = 4.0 * 200;
  const Architecture architecture_ = named("mlp");
  const Trace trace_ = full(architecture_);
  const Stage stage_ = {cut_after(trace_, "stem"), cut_after(trace_, "block0")};

  [[nodiscard]] std::vector<Plain> pass(Pass which, int batch = 8) const {
    return plain(stage_step(trace_, stage_, which, Optimizer::sgd, batch));
  }
  [[nodiscard]] double memory(Optimizer optimizer, const StageLoad& load) const {
    return stage_memory(trace_, stage_, optimizer, load).total();
  }
};

TEST_F(HiddenLayer, HasTheseKernelsInEachPass) {
  const double product = 2.0 * 784 * 200 * 8;
  const double moved = 8 * (in_ + out_) + 4 * parameters_;
  const double y = 8 * 200;
  constexpr auto elementwise = OpClass::elementwise;
  EXPECT_EQ(pass(Pass::forward),
            (std::vector<Plain>{{OpClass::matrix_product, product + y, moved, Number::fp32},
                                {elementwise, y, 4 * 2 * y, Number::fp32}}));
  // No gradient of the image.
  EXPECT_EQ(pass(Pass::backward),
            (std::vector<Plain>{{elementwise, y, 4 * 3 * y, Number::fp32},
                                {OpClass::matrix_product, product, moved, Number::fp32},
                                {elementwise, y, 4 * y, Number::fp32}}));
  // Weight and bias: two values are read and one is written a parameter.
  const double half = parameters_ / 2;
  const Plain sum = {elementwise, half, 12 * half, Number::fp32};
  EXPECT_EQ(pass(Pass::accumulate), (std::vector<Plain>{sum, sum}));
  EXPECT_EQ(pass(Pass::update).size(), 2);
}

TEST_F(HiddenLayer, PaysEveryMicroBatchAndOneUpdate) {
  const auto round = [&](bool recompute) {
    return plain(stage_round(trace_, stage_, Optimizer::sgd, {3, 3, 2}, recompute));
  };
  std::vector<Plain> expected;
  const auto add = [&](Pass which, int batch) {
    const auto more = pass(which, batch);
    expected.insert(expected.end(), more.begin(), more.end());
  };
  for (const int batch : {3, 3, 2}) add(Pass::forward, batch);
  for (const int batch : {3, 3, 2}) add(Pass::backward, batch);
  for (int i = 0; i < 2; ++i) add(Pass::accumulate, 0);
  add(Pass::update, 0);
  EXPECT_EQ(sorted(round(false)), sorted(expected));
  for (const int batch : {3, 3, 2}) add(Pass::forward, batch);
  EXPECT_EQ(sorted(round(true)), sorted(expected));
}

// Kept: the image for the weights' gradient, and the ReLU's output, which is sent, too.
TEST_F(HiddenLayer, KeepsItsInputAndItsOutput) {
  EXPECT_EQ(stash(trace_, stage_, 8).total(), 8 * (in_ + out_));
  EXPECT_EQ(stash(trace_, stage_, 8, true).total(), 8 * in_);
  // Without the ReLU the output is kept because backward starts from it.
  const Stage linear = {stage_.first, stage_.first + 1};
  EXPECT_EQ(stash(trace_, linear, 8).total(), 8 * (in_ + out_));
}

// At the peak, in backward: the gradient that arrived, that of the product, those of the weights.
TEST_F(HiddenLayer, TakesThisMemory) {
  const double model = 4 * parameters_;
  const double step = 8 * (in_ + out_) + 2 * 8 * out_;
  EXPECT_EQ(memory(Optimizer::sgd, {.microbatch = 8}), 2 * model + step);
  EXPECT_EQ(memory(Optimizer::sgd_momentum, {.microbatch = 8}), 3 * model + step);
  // Three in flight.
  const double others = 2 * 8 * (in_ + out_);
  EXPECT_EQ(memory(Optimizer::sgd, {.microbatch = 8, .stashes = 3}), 2 * model + step + others);
  // Gradients of before stay beside the new ones.
  EXPECT_EQ(memory(Optimizer::sgd, {.microbatch = 8, .stashes = 3, .accumulates = true}),
            3 * model + step + others);
  // The stashes of the others are their inputs alone.
  EXPECT_EQ(memory(Optimizer::sgd, {.microbatch = 8, .stashes = 3, .recompute = true}),
            2 * model + step + 2 * 8 * in_);
}

TEST_F(HiddenLayer, UpdatesWhenNothingIsInFlight) {
  // Adan's state is four times the weights; its temporary is the weight's size and comes when the
  // boundary's tensors and the other stashes are gone.
  const double model = 4 * parameters_;
  const double in_update = (1 + 1 + 4) * model + 4 * 784.0 * 200;
  EXPECT_EQ(memory(Optimizer::adan, {.microbatch = 1, .stashes = 2}), in_update);
}

TEST_F(HiddenLayer, NeedsAMicroBatchInFlight) {
  EXPECT_THROW(stage_memory(trace_, stage_, Optimizer::sgd, {.stashes = 0}), std::out_of_range);
}

TEST_F(HiddenLayer, IsNotTrainedInHalfPrecisionAlone) {
  constexpr auto half = Precision::fp16;
  EXPECT_NO_THROW(stage_step(trace_, stage_, Pass::forward, Optimizer::sgd, 1, half));
  for (const Pass pass : {Pass::backward, Pass::accumulate, Pass::update}) {
    EXPECT_THROW(stage_step(trace_, stage_, pass, Optimizer::sgd, 1, half), std::invalid_argument);
  }
  EXPECT_THROW(stage_round(trace_, stage_, Optimizer::sgd, {1}, false, half),
               std::invalid_argument);
  EXPECT_THROW(stash(trace_, stage_, 1, false, half), std::invalid_argument);
  EXPECT_THROW(stage_memory(trace_, stage_, Optimizer::sgd, {}, half), std::invalid_argument);
}

// A stage in the middle of a residual block keeps what it only passes on.
TEST(StageMemory, CarriesWhatPassesBy) {
  Architecture a;
  a.name = "hand-made";
  a.classes = 10;
  a.channels = 3;
  a.height = a.width = 8;
  BlockBuilder stem("stem");
  stem.conv("conv", 4, 3, 1, false);
  a.stem = stem.done();
  BlockBuilder b("block0");
  b.conv("conv1", 8, 3, 1, false);
  b.plain(LayerKind::relu, "relu");
  const int wide = b.conv("conv2", 4, 3, 1, false);
  b.plain(LayerKind::add, "residual", {Layer::block_input, wide});
  a.blocks.push_back(b.done());
  add_exits(a, {1.0}, [&](BlockBuilder& head, int) { add_pooled_head(head, a.classes); });
  const Trace t = full(a);
  const Stage relu = {cut_after(t, "block0.conv1"), cut_after(t, "block0.relu")};
  const double map = 4.0 * 8 * 8;  // bytes a channel
  // The shortcut, what conv1 gave, and what the ReLU gives.
  EXPECT_EQ(stash(t, relu, 2).total(), 2 * map * (4 + 8 + 8));
  // With the gradients of both that were sent and that of the ReLU's input.
  EXPECT_EQ(stage_memory(t, relu, Optimizer::sgd, {.microbatch = 2}).total(),
            2 * map * (20 + 4 + 8 + 8));
}

}  // namespace
}  // namespace convoy::engine
