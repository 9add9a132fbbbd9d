// The objective over all nodes' samples and its full gradient: against the closed form for softmax
// regression, against autograd and finite differences, and against the steps that nodes make.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <numeric>

#include "engine/learning/initial.hpp"
#include "engine/learning/samples.hpp"
#include "tests/engine/learning/support.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);

namespace convoy::engine {
namespace {

using testing::HasSubstr;

constexpr int classes = 4;
constexpr int samples = 26;

EngineOptions options_for(const ModelOptions& model) {
  EngineOptions options;
  options.architecture = std::make_shared<const Architecture>(make_architecture(model));
  options.train = test::striped_images(samples, classes, 8);
  options.test = test::striped_images(12, classes, 8, 2);
  options.parts = test::dealt(samples, 2);
  options.rules.transfer.weight = 0;
  options.full_depth = options.architecture->depth();
  options.objective = true;
  return options;
}
ModelOptions model_of(const char* name, std::vector<double> exits = {1.0}) {
  return {.architecture = name, .classes = classes, .exits = std::move(exits), .image_size = 8};
}

Objective objective_of(const EngineOptions& options, const Weights& weights) {
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  return engine->evaluate(weights, 1, {}).objective.value();
}

Batch all_samples(const EngineOptions& options) {
  std::vector<std::int64_t> all(samples);
  std::iota(all.begin(), all.end(), 0);
  const Samples train(options.train, *options.architecture, normalization_of(*options.train),
                      at::kCPU);
  return train.batch(all);
}

// Softmax regression in FP64: grad W = 1/n (P - Y)^T X + d W, grad b = 1/n sum (P - Y) + d b.
TEST(FullGradient, OfSoftmaxRegressionIsTheClosedForm) {
  EngineOptions options = options_for(model_of("linear"));
  options.training.optimizer.weight_decay = 0.05;
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const auto weights = engine->initial();
  const Tensors& tensors = inside(*weights).tensors;
  ASSERT_EQ(tensors.size(), 2);
  const Tensor w = tensors[0].to(at::kDouble);
  const Tensor b = tensors[1].to(at::kDouble);
  ASSERT_EQ(w.sizes(), at::IntArrayRef({classes, 64}));
  const Batch batch = all_samples(options);
  const Tensor x = batch.input.flatten(1).to(at::kDouble);
  const Tensor scores = at::matmul(x, w.t()) + b;
  const Tensor p = scores.exp() / scores.exp().sum(1, true);
  const Tensor y = at::one_hot(batch.labels, classes).to(at::kDouble);
  const Tensor by_w = at::matmul((p - y).t(), x) / samples + 0.05 * w;
  const Tensor by_b = (p - y).sum(0) / samples + 0.05 * b;
  const double norm = std::sqrt((by_w.square().sum() + by_b.square().sum()).item<double>());
  const double value = -((p * y).sum(1).log().sum() / samples).item<double>() +
                       0.025 * (w.square().sum() + b.square().sum()).item<double>();
  const Objective objective = engine->evaluate(*weights, 1, {}).objective.value();
  EXPECT_NEAR(objective.gradient_norm / norm, 1, 1e-5);
  EXPECT_NEAR(objective.value / value, 1, 1e-5);
}

// Two exits, whose cross entropies are added; all samples in one batch.
TEST(FullGradient, OfAnMlpIsAutogradsAndThatOfFiniteDifferences) {
  const EngineOptions options = options_for(model_of("mlp", {0.5, 1.0}));
  const Layout layout(options.architecture);
  Tensors leaves = initial_tensors(layout, 1);
  for (Tensor& t : leaves) t.requires_grad_();
  const Batch batch = all_samples(options);
  const Tensors exits =
      Network(layout, full_submodel(*options.architecture)).forward(leaves, batch.input, {});
  ASSERT_EQ(exits.size(), 2);
  const Tensor loss = at::cross_entropy_loss(exits[0], batch.labels) +
                      at::cross_entropy_loss(exits[1], batch.labels);
  const Tensors slopes = torch::autograd::grad({loss}, leaves);
  double squares = 0;
  for (const Tensor& slope : slopes) squares += slope.to(at::kDouble).square().sum().item<double>();

  const auto at_step = [&](double step) {
    Tensors moved;
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      moved.push_back(leaves[i].detach() + step * slopes[i]);
    }
    return objective_of(options, TensorWeights(std::move(moved), Trained(layout.size())));
  };
  const Objective objective = at_step(0);
  EXPECT_NEAR(objective.value / loss.item<double>(), 1, 1e-5);
  EXPECT_NEAR(objective.gradient_norm / std::sqrt(squares), 1, 1e-5);
  // Along the gradient F changes by its squared norm.
  const double step = 1e-3 / objective.gradient_norm;
  const double change = (at_step(step).value - at_step(-step).value) / (2 * step);
  EXPECT_NEAR(change / (objective.gradient_norm * objective.gradient_norm), 1, 1e-2);
}

// A node that has all samples in one batch moves by learning rate x gradient, weight decay
// included.
TEST(FullGradient, IsTheStepOfANodeThatHasAllSamples) {
  for (const char* name : {"linear", "mlp"}) {
    EngineOptions options = options_for(model_of(name));
    options.parts = test::dealt(samples, 1);
    options.training.optimizer = {.learning_rate = 0.01, .weight_decay = 0.1};
    const std::unique_ptr<Engine> engine(convoy_make_engine(options));
    const auto weights = engine->initial();
    const auto part = test::begin(
        *engine, {.node = 1, .task = 1, .brief = {.batch = samples}, .received = weights}, {});
    part->train(1, {});
    double squares = 0;
    const Outcome outcome = part->finish();
    for (const Tensor& change : test::update_of(outcome).brings) {
      squares += change.to(at::kDouble).square().sum().item<double>();
    }
    const Objective objective = engine->evaluate(*weights, 1, {}).objective.value();
    EXPECT_NEAR(std::sqrt(squares) / 0.01 / objective.gradient_norm, 1, 1e-3) << name;
    double size = 0;
    for (const Tensor& t : inside(*weights).tensors) {
      size += t.to(at::kDouble).square().sum().item<double>();
    }
    EXPECT_NEAR(objective.value / (outcome.loss + 0.05 * size), 1, 1e-5) << name;
  }
}

TEST(FullGradient, VanishesAtTheOptimumOfAConvexModel) {
  EngineOptions options = options_for(model_of("linear"));
  options.parts = test::dealt(samples, 1);
  options.training.optimizer = {.learning_rate = 0.02, .weight_decay = 1};
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const auto start = engine->initial();
  const auto part = test::begin(
      *engine, {.node = 1, .task = 1, .brief = {.batch = samples}, .received = start}, {});
  part->train(800, {});
  const auto end = test::aggregate(*engine, start, {{part->finish().result, start}}).weights;
  const Objective before = engine->evaluate(*start, 1, {}).objective.value();
  const Objective after = engine->evaluate(*end, 1, {}).objective.value();
  EXPECT_GT(before.gradient_norm, 0.1);
  EXPECT_LT(after.gradient_norm, 1e-3 * before.gradient_norm);
  EXPECT_LT(after.value, before.value);
}

TEST(FullGradient, DependsOnNeitherBatchNorDivisionNorDropout) {
  ModelOptions model = model_of("vit-micro", {0.5, 1.0});
  const auto weights = std::unique_ptr<Engine>(convoy_make_engine(options_for(model)))->initial();
  const Objective objective = objective_of(options_for(model), *weights);
  EXPECT_GT(objective.gradient_norm, 0);
  const auto expect_the_same = [&](const EngineOptions& options) {
    const Objective other = objective_of(options, *weights);
    EXPECT_NEAR(other.gradient_norm / objective.gradient_norm, 1, 1e-5);
    EXPECT_NEAR(other.value / objective.value, 1, 1e-5);
  };
  for (const int batch : {1, 7, samples}) {
    EngineOptions options = options_for(model);
    options.evaluation_batch = batch;
    expect_the_same(options);
  }
  EngineOptions options = options_for(model);
  options.parts = test::dealt(samples, 5);
  expect_the_same(options);
  options.rules.transfer.weight = 1;
  options.training.proximal = 1;
  options.rules.labels.masked = true;
  expect_the_same(options);
  model.dropout = 0.5;
  model.attention_dropout = 0.2;
  expect_the_same(options_for(model));
}

// Nodes' own test samples and samples of nobody do not count.
TEST(FullGradient, IsOverTheTrainingSamplesOfTheNodes) {
  EngineOptions options = options_for(model_of("linear"));
  const auto weights = std::unique_ptr<Engine>(convoy_make_engine(options))->initial();
  const double of_all = objective_of(options, *weights).gradient_norm;
  options.parts[2].test.swap(options.parts[2].train);
  EXPECT_GT(std::abs(objective_of(options, *weights).gradient_norm / of_all - 1), 1e-3);
}

TEST(FullGradient, IsOfTheFullModelAndHasTheSameBitsEachTime) {
  EngineOptions options = options_for(model_of("mlp", {0.5, 1.0}));
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const auto weights = engine->initial();
  const Objective full = engine->evaluate(*weights, 1, {}).objective.value();
  const Objective half = engine->evaluate(*weights, 0.5, {}).objective.value();
  EXPECT_EQ(full.gradient_norm, half.gradient_norm);
  EXPECT_EQ(full.value, half.value);
  for (const Tensor& t : inside(*weights).tensors) {
    EXPECT_FALSE(t.requires_grad());
    EXPECT_FALSE(t.grad().defined());
  }
  options.objective = false;
  const std::unique_ptr<Engine> without(convoy_make_engine(options));
  EXPECT_FALSE(without->evaluate(*weights, 1, {}).objective);
}

// PruneFL's: at the weights that the masks keep.
TEST(FullGradient, OfAMaskedVersionIsAtTheKeptWeights) {
  const EngineOptions options = options_for(model_of("mlp"));
  const Layout layout(options.architecture);
  const Tensors tensors = initial_tensors(layout, 1);
  Tensors masks(layout.size());
  masks[0] = at::zeros_like(tensors[0], at::kBool);
  masks[0].slice(0, 0, 50).fill_(true);
  Tensors kept = tensors;
  kept[0] = tensors[0] * masks[0];
  const Trained nothing(layout.size());
  const Objective of_masked =
      objective_of(options, TensorWeights(tensors, nothing, std::nullopt, masks));
  const Objective of_kept = objective_of(options, TensorWeights(kept, nothing));
  EXPECT_EQ(of_masked.gradient_norm, of_kept.gradient_norm);
  EXPECT_EQ(of_masked.value, of_kept.value);
}

TEST(FullGradient, OfAdamwTheDecayIsNoPartOfTheObjective) {
  EngineOptions options = options_for(model_of("linear"));
  const auto weights = std::unique_ptr<Engine>(convoy_make_engine(options))->initial();
  const Objective plain = objective_of(options, *weights);
  options.training.optimizer.kind = OptimizerKind::adamw;
  options.training.optimizer.betas = {0.9, 0.999};
  options.training.optimizer.weight_decay = 0.5;
  EXPECT_EQ(objective_of(options, *weights).gradient_norm, plain.gradient_norm);
  EXPECT_EQ(objective_of(options, *weights).value, plain.value);
}

TEST(FullGradient, StopsWhenAsked) {
  const EngineOptions options = options_for(model_of("linear"));
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  std::stop_source source;
  source.request_stop();
  EXPECT_THROW(static_cast<void>(engine->evaluate(*engine->initial(), 1, source.get_token())),
               Stopped);
}

std::string refusal(const EngineOptions& options) {
  try {
    const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  } catch (const base::UserError& e) {
    return e.what();
  }
  return "";
}

TEST(FullGradient, IsRefusedWhereThereIsNone) {
  EngineOptions options = options_for(model_of("mlp"));
  EXPECT_EQ(refusal(options), "");
  options.rules.elements.kind = ElementKind::sampled;
  EXPECT_THAT(refusal(options), HasSubstr("evaluation.gradient_norm: fedpm trains the scores"));
  options = options_for(model_of("mlp"));
  options.architecture = test::small_with_norms(classes);
  EXPECT_THAT(refusal(options), HasSubstr("cnn-small has batch norms"));
  options = options_for(model_of("mlp"));
  test::let_be_unlisted(options.parts[2]);
  EXPECT_THAT(refusal(options), HasSubstr("the data of node 2 are known to itself alone"));
  options.parts = test::dealt(0, 2);
  EXPECT_THAT(refusal(options), HasSubstr("no node has samples"));
  options.objective = false;
  EXPECT_EQ(refusal(options), "");
}

}  // namespace
}  // namespace convoy::engine
