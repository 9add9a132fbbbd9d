// Predictions by the mean of all exits' scores (DepthFL), in evaluations and in a node's own test.

#include <gtest/gtest.h>

#include <memory>
#include <numeric>

#include "engine/learning/evaluation.hpp"
#include "engine/learning/initial.hpp"
#include "tests/engine/learning/support.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);

namespace convoy::engine {
namespace {

constexpr int classes = 4;
constexpr int samples = 60;

class ExitsTogether : public testing::Test {
 protected:
  ExitsTogether() : options(of({0.25, 0.5, 0.75, 1.0})) {}

  static EngineOptions of(std::vector<double> exits) {
    ModelOptions model{.architecture = "vit-micro",
                       .classes = classes,
                       .exits = std::move(exits),
                       .image_size = 8};
    EngineOptions options;
    options.architecture = std::make_shared<const Architecture>(make_architecture(model));
    options.train = test::striped_images(32, classes, 8);
    options.test = test::striped_images(samples, classes, 8, 2);
    options.parts = test::dealt(32, 2);
    options.rules.transfer.weight = 0;
    options.rules.ensemble = true;
    options.full_depth = options.architecture->depth();
    return options;
  }

  // Scores of each exit on the test set.
  [[nodiscard]] Tensors scores(const Tensors& weights) const {
    const Layout layout(options.architecture);
    const Samples test(options.test, *options.architecture, normalization_of(*options.train),
                       at::kCPU);
    std::vector<std::int64_t> all(samples);
    std::iota(all.begin(), all.end(), 0);
    const at::NoGradGuard no_grad;
    return Network(layout, full_submodel(*options.architecture))
        .forward(weights, test.batch(all).input, {});
  }
  [[nodiscard]] double accuracy(const Tensor& scores) const {
    double right = 0;
    for (int i = 0; i < samples; ++i) {
      right += scores[i].argmax().item<std::int64_t>() ==
               options.test->labels[static_cast<std::size_t>(i)];
    }
    return right / samples;
  }
  // The version after both nodes have trained for a while at this rate.
  [[nodiscard]] std::shared_ptr<const Weights> trained(const Engine& engine, double rate) const {
    const auto start = engine.initial();
    std::vector<Input> updates;
    for (const int node : {1, 2}) {
      const auto part = test::begin(
          engine,
          {.node = node, .task = node, .brief = {.rate = rate, .batch = 8}, .received = start}, {});
      part->train(4, {});
      updates.push_back({part->finish().result, start});
    }
    return test::aggregate(engine, start, updates).weights;
  }

  EngineOptions options;
};

TEST_F(ExitsTogether, PredictByTheMeanOfTheirScores) {
  options.training.optimizer = {.learning_rate = 0.05, .momentum = 0.9};
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const auto weights = trained(*engine, 1);
  const Evaluation evaluation = engine->evaluate(*weights, 1, {});
  ASSERT_EQ(evaluation.exits.size(), 5);
  EXPECT_EQ(evaluation.headline, 4);
  const ExitScore& all = evaluation.exits.back();
  EXPECT_TRUE(all.ensemble);
  EXPECT_EQ(all.after, options.architecture->depth());
  EXPECT_EQ(all.untrained, 0);
  const Tensors exits = scores(inside(*weights).tensors);
  ASSERT_EQ(exits.size(), 4);
  const Tensor mean = (exits[0] + exits[1] + exits[2] + exits[3]) / 4;
  EXPECT_NEAR(all.top1, accuracy(mean), 1e-12);
  EXPECT_NEAR(evaluation.accuracy(), accuracy(mean), 1e-12);
  const Tensor labels = at::tensor(options.test->labels, at::kLong);
  EXPECT_NEAR(all.loss, at::cross_entropy_loss(mean, labels).item<double>(), 1e-5);
  for (std::size_t e = 0; e < 4; ++e) {
    EXPECT_FALSE(evaluation.exits[e].ensemble);
    EXPECT_NEAR(evaluation.exits[e].top1, accuracy(exits[e]), 1e-12) << e;
  }
}

// Heads that nobody trains would only disturb.
TEST_F(ExitsTogether, AreThoseThatSomebodyTrains) {
  options.full_depth = 0;
  options.rules.mask.selection = Selection::depth;
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const auto weights = trained(*engine, 0.5);
  const Evaluation evaluation = engine->evaluate(*weights, 1, {});
  ASSERT_EQ(evaluation.exits.size(), 5);
  EXPECT_EQ(evaluation.headline, 4);
  const ExitScore& two = evaluation.exits.back();
  EXPECT_EQ(two.after, options.architecture->exits[1].after);
  EXPECT_EQ(two.untrained, 0);
  const Tensors exits = scores(inside(*weights).tensors);
  EXPECT_NEAR(two.top1, accuracy((exits[0] + exits[1]) / 2), 1e-12);
}

// A submodel of fewer blocks keeps the full width, also where it is evaluated.
TEST_F(ExitsTogether, OfAShallowSubmodelAreThoseOfItsBlocks) {
  options.rules.mask.selection = Selection::depth;
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const auto weights = trained(*engine, 1);
  const Evaluation evaluation = engine->evaluate(*weights, 0.5, {});
  ASSERT_EQ(evaluation.exits.size(), 3);
  const Tensors exits = scores(inside(*weights).tensors);
  for (std::size_t e = 0; e < 2; ++e) {
    EXPECT_NEAR(evaluation.exits[e].top1, accuracy(exits[e]), 1e-12) << e;
  }
  EXPECT_NEAR(evaluation.accuracy(), accuracy((exits[0] + exits[1]) / 2), 1e-12);
}

TEST_F(ExitsTogether, OfOneThereIsNothingToAdd) {
  options = of({1.0});
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const Evaluation evaluation = engine->evaluate(*engine->initial(), 1, {});
  ASSERT_EQ(evaluation.exits.size(), 1);
  EXPECT_EQ(evaluation.headline, 0);
  EXPECT_FALSE(evaluation.exits[0].ensemble);
}

TEST_F(ExitsTogether, AreNotAskedElsewhere) {
  options.rules.ensemble = false;
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const Evaluation evaluation = engine->evaluate(*engine->initial(), 1, {});
  ASSERT_EQ(evaluation.exits.size(), 4);
  EXPECT_EQ(evaluation.headline, 3);
}

// The deepest exit says 3 to everything, the others 1 with half as much weight each.
TEST_F(ExitsTogether, TestWhatANodeReceives) {
  const Layout layout(options.architecture);
  Tensors tensors = initial_tensors(layout, 1);
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    if (!p.by_class || p.role != TensorRole::bias) continue;
    tensors[i][p.exit == 3 ? 3 : 1] += p.exit == 3 ? 1000 : 500;
  }
  options.parts[1].test = {1, 5, 9, 3};  // labels 1, 1, 1, 3
  const auto received = std::make_shared<const TensorWeights>(tensors, Trained(layout.size()));
  for (const bool together : {true, false}) {
    options.rules.ensemble = together;
    const std::unique_ptr<Engine> engine(convoy_make_engine(options));
    const auto part = test::begin(
        *engine,
        {.node = 1, .brief = {.rate = 1, .batch = 8, .test_locally = true}, .received = received},
        {});
    part->train(0, 1);
    EXPECT_NEAR(part->finish().local_accuracy.value(), together ? 0.75 : 0.25, 1e-12);
  }
}

}  // namespace
}  // namespace convoy::engine
