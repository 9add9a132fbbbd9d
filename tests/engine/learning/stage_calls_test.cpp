// Tests what a stage keeps, what it refuses, and what it says of itself.

#include <functional>
#include <limits>

#include "tests/engine/learning/stage_chain.hpp"

namespace convoy::engine {
namespace {

using namespace test;  // NOLINT(*-using-namespace)

TEST(StageTraining, RecomputingKeepsNothingButTheInputs) {
  const Model model(options_of("cnn-small"));
  const TensorWeights weights(model.all, {});
  StageTraining stage(model.layout, model.submodel, {0, cuts(model.traced)[2]}, weights, at::kCPU,
                      stage_options());
  const Batch batch = model.batch(4);
  const Boundary kept = stage.forward(0, {{0, batch.input}});
  const Boundary recomputed = stage.forward(1, {{0, batch.input}}, {}, true);
  EXPECT_GT(kept.begin()->second.storage().use_count(), 1) << "of the output's memory";
  EXPECT_EQ(recomputed.begin()->second.storage().use_count(), 1) << "of the output's memory";
}

TEST(StageTraining, RunningStatisticsTakeEachMicroBatchOnceAndInOrder) {
  const Model model(test::small_with_norms(7));
  const std::vector<Batch> parts = {model.batch(4, 1), model.batch(4, 2), model.batch(4, 3)};
  // The running statistics depend on no gradient.
  Tensors weights = leaves_of(model);
  const Network network(model.layout, model.submodel);
  const Mode mode{.training = true, .update_statistics = true};
  for (const Batch& part : parts) static_cast<void>(network.forward(weights, part.input, mode));

  const int middle = cuts(model.traced)[3];
  Chain chain(model, {middle}, stage_options());
  for (int m = 0; m < 3; ++m) chain.forward(m, parts[static_cast<std::size_t>(m)], 1.0 / 3, m > 0);
  for (const auto& stage : chain.stages) stage->discard(1);  // lost, and sent again
  chain.forward(1, parts[1], 1.0 / 3);
  for (const int m : {2, 1, 0}) chain.backward(m);
  const Tensors staged = chain.weights();
  int buffers = 0;
  for (std::size_t i = 0; i < staged.size(); ++i) {
    if (!model.layout.tensors[i].buffer || !staged[i].defined()) continue;
    EXPECT_TRUE(at::equal(staged[i], weights[i])) << model.layout.tensors[i].name;
    ++buffers;
  }
  EXPECT_GT(buffers, 0);
  chain.forward(7, parts[0]);
  EXPECT_THROW(chain.forward(5, parts[0]), base::UserError);
}

TEST(StageTraining, WhatIsDiscardedIsFreed) {
  const Model model(options_of("cnn-small"));
  const Batch batch = model.batch(4);
  const TensorWeights weights(model.all, {});
  const int cut = cuts(model.traced)[2];
  StageTraining stage(model.layout, model.submodel, {0, cut}, weights, at::kCPU, stage_options());
  for (const bool recompute : {false, true}) {
    const int number = recompute ? 1 : 0;
    const Tensor input = batch.input.clone();
    const auto before = input.storage().use_count();
    const Boundary first = stage.forward(number, {{0, input}}, {}, recompute);
    EXPECT_EQ(stage.stashed(), 1);
    EXPECT_GT(input.storage().use_count(), before);
    stage.discard(number);
    EXPECT_EQ(stage.stashed(), 0);
    EXPECT_EQ(input.storage().use_count(), before);
    expect_near(stage.forward(number, {{0, input}}, {}, recompute), first, 0, "again");
    const Tensor& out = first.begin()->second;
    stage.backward(number, {{first.begin()->first, at::ones_like(out)}});
    EXPECT_EQ(stage.stashed(), 0);
    EXPECT_EQ(input.storage().use_count(), before);
  }
}

TEST(StageTraining, OnlyValuesGetGradients) {
  const Model model(options_of("bert-small"));
  const std::vector<int> positions = cuts(model.traced);
  const int cut = positions[positions.size() / 2];
  Chain chain(model, {cut}, stage_options());
  chain.forward(0, model.batch(3));
  chain.backward(0);
  const Boundary& sent = chain.sent.at(0).front();
  ASSERT_TRUE(sent.contains(0)) << "without token numbers padding would count";
  EXPECT_EQ(sent.at(0).scalar_type(), at::kLong);
  const Boundary& came = chain.came.at(0).front();
  EXPECT_FALSE(came.contains(0));
  EXPECT_EQ(came.size() + 1, sent.size());
  for (const auto& [number, tensor] : sent) EXPECT_FALSE(tensor.requires_grad()) << number;
  for (const auto& [number, tensor] : came) EXPECT_FALSE(tensor.requires_grad()) << number;
  EXPECT_TRUE(chain.came.at(0).back().empty()) << "nobody needs the gradient of the input";
}

TEST(StageTraining, AStageGoesOnWithTheOptimizerOfTheWhole) {
  const Model model(options_of("mlp"), 1);
  const std::vector<Batch> batches = {model.batch(4, 5), model.batch(4, 6)};
  StageOptions options = stage_options();
  options.optimizer.momentum = 0.9;
  options.optimizer.betas = {0.98, 0.92, 0.99};
  for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adamw, OptimizerKind::adan}) {
    options.optimizer.kind = kind;
    const Whole first = train_whole(model, {batches[0]}, options);
    const Whole both = train_whole(model, batches, options);
    Model later = model;
    for (std::size_t i = 0; i < later.all.size(); ++i) later.all[i] = first.weights[i].detach();
    Chain chain(later, {cuts(later.traced)[2]}, options);
    for (const auto& stage : chain.stages) stage->resume(first.optimizer);
    train(chain, {batches[1]});
    expect_near(chain.weights(), both.weights, 0, "weights");
    const OptimizerState optimizer = chain.optimizer();
    EXPECT_EQ(optimizer.steps, 2);
    for (std::size_t s = 0; s < optimizer.slots.size(); ++s) {
      expect_near(optimizer.slots[s], both.optimizer.slots[s], 0, "optimizer");
    }
  }
}

TEST(StageTraining, ItsChangeIsThatOfItsOwnTensors) {
  const Model model(options_of("cnn-small"));
  const TensorWeights received(model.all, {});
  const int cut = cuts(model.traced)[2];
  Chain chain(model, {cut}, stage_options());
  train(chain, {model.batch(4)});
  const Tensors start = slice(model.all, model.layout, model.submodel, at::kCPU);
  for (const auto& stage : chain.stages) {
    const Tensors changes = stage->changes(received);
    const auto own = tensors_of(model.layout, model.traced, stage->stage());
    for (std::size_t i = 0; i < changes.size(); ++i) {
      const bool is_own = std::find(own.begin(), own.end(), i) != own.end();
      ASSERT_EQ(changes[i].defined(), is_own) << model.layout.tensors[i].name;
      if (!is_own) continue;
      EXPECT_TRUE(at::equal(changes[i], stage->weights()[i].detach() - start[i]));
      EXPECT_GT(changes[i].abs().max().item<double>(), 0) << model.layout.tensors[i].name;
    }
  }
}

TEST(StageTraining, NanIsNoticedWhereItArises) {
  Model model(options_of("mlp"));
  const int cut = cuts(model.traced)[2];
  const auto own = tensors_of(model.layout, model.traced, {cut, whole(model.traced).last});
  model.all[own.front()].fill_(std::numeric_limits<float>::infinity());
  Chain chain(model, {cut}, stage_options());
  chain.forward(0, model.batch(4));
  EXPECT_TRUE(chain.stages[0]->is_finite());
  EXPECT_FALSE(chain.stages[1]->is_finite());
  chain.backward(0);
  EXPECT_FALSE(chain.stages[1]->is_finite());
}

// The error must say what is wrong.
void expect_refused(const std::function<void()>& call, const std::string& part) {
  try {
    call();
    ADD_FAILURE() << "was not refused: " << part;
  } catch (const base::UserError& e) {
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("node 1, task 2, layers "), std::string::npos) << e.what();
  }
}

TEST(StageTraining, CallsThatCannotBeRightAreRefused) {
  const Model model(options_of("cnn-small"));
  const Batch batch = model.batch(4);
  const TensorWeights weights(model.all, {});
  const int cut = cuts(model.traced)[2];
  const auto make = [&](const Stage& stage, const StageOptions& options) {
    return StageTraining(model.layout, model.submodel, stage, weights, at::kCPU, options);
  };
  StageTraining first = make({0, cut}, stage_options());
  StageTraining last = make({cut, whole(model.traced).last}, stage_options());
  expect_refused([&] { first.step(); }, "no micro-batch has come back");
  expect_refused([&] { first.backward(0, {}); }, "did not go forward");
  expect_refused([&] { first.discard(0); }, "did not go forward");
  expect_refused([&] { first.forward(0, {{1, batch.input}}); }, "comes with the tensors 1");
  const Boundary sent = first.forward(0, {{0, batch.input}});
  expect_refused([&] { first.forward(0, {{0, batch.input}}); }, "went forward already");
  expect_refused([&] { first.step(); }, "before the micro-batches 0 are back");
  expect_refused([&] { first.backward(0, {}); }, "gradients of the tensors");
  EXPECT_EQ(first.stashed(), 1);
  expect_refused([&] { last.forward(0, sent); }, "without labels");
  expect_refused([&] { last.forward(0, sent, Targets{batch.labels.slice(0, 0, 3)}); }, "3 labels");
  expect_refused([&] { last.forward(0, sent, Targets{batch.labels, 1.5}); }, "share");

  StageOptions clipped = stage_options();
  clipped.clip = 1;
  expect_refused([&] { make({0, cut}, clipped); }, "training.clip");
  EXPECT_NO_THROW(make(whole(model.traced), clipped));
}

TEST(StageTraining, ExitsTeachOneAnotherOnlyWithinAStage) {
  const Model model(options_of("vit-micro"));
  const int exits = exits_in(model.traced, whole(model.traced));
  ASSERT_GT(exits, 1) << "this test needs a model with several exits";
  const TensorWeights weights(model.all, {});
  StageOptions options = stage_options();
  options.transfer.weight = 0.5;
  const auto make = [&](const Stage& stage) {
    StageTraining(model.layout, model.submodel, stage, weights, at::kCPU, options);
  };
  int refused = 0;
  for (const int cut : cuts(model.traced)) {
    const Stage rest{cut, whole(model.traced).last};
    if (exits_in(model.traced, rest) == exits) {
      EXPECT_NO_THROW(make(rest)) << model.at(cut);
    } else {
      expect_refused([&] { make(rest); }, "transfer.weight");
      ++refused;
    }
  }
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace convoy::engine
