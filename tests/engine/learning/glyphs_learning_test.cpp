// Glyphs are neither too easy nor too hard: with 6,000 images a linear model stays below 70 %, and
// a four-layer convolutional network exceeds 95 % within 20 central epochs.

#include <gtest/gtest.h>

#include <numeric>

#include "engine/learning/samples.hpp"
#include "tests/engine/learning/support.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);

namespace convoy::engine {
namespace {

class Glyphs : public testing::Test {
 protected:
  Glyphs() {
    DataOptions drawn;
    drawn.samples = 6000;
    drawn.test_samples = 2000;
    const auto source = open_source(drawn, ".");
    options.train = std::make_shared<const Dataset>(source->train());
    options.test = std::make_shared<const Dataset>(source->test());
    ModelOptions model;
    model.architecture = "cnn-small";
    model.exits = {1.0};
    options.architecture = std::make_shared<const Architecture>(make_architecture(model));
    options.parts.resize(2);
    options.parts[1].train.resize(6000);
    std::iota(options.parts[1].train.begin(), options.parts[1].train.end(), 0);
  }
  EngineOptions options;
};

TEST_F(Glyphs, AFourLayerNetworkPasses95PercentWithin20Epochs) {
  options.training.optimizer = {.learning_rate = 0.02, .momentum = 0.9};
  options.training.clip = 5;
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  auto weights = engine->initial();
  double accuracy = 0;
  for (int epoch = 0; epoch < 20 && accuracy <= 0.95; ++epoch) {
    const auto task = test::begin(
        *engine, {.node = 1, .task = epoch, .brief = {.rate = 1, .batch = 32}, .received = weights},
        {});
    task->train(1, {});
    weights = test::aggregate(*engine, weights, {{task->finish().result, weights}}).weights;
    accuracy = engine->evaluate(*weights, 1, {}).accuracy();
  }
  EXPECT_GT(accuracy, 0.95);
}

TEST_F(Glyphs, ALinearModelStaysBelow70Percent) {
  const Normalization n = normalization_of(*options.train);
  const auto all = [&](const std::shared_ptr<const Dataset>& data) {
    std::vector<std::int64_t> indices(static_cast<std::size_t>(data->size()));
    std::iota(indices.begin(), indices.end(), 0);
    Batch batch = Samples(data, *options.architecture, n, at::kCPU).batch(indices);
    batch.input = batch.input.flatten(1);
    return batch;
  };
  const Batch train = all(options.train);
  const Batch test = all(options.test);
  double best = 0;
  for (const double rate : {1e-3, 3e-3}) {
    torch::manual_seed(1);
    torch::nn::Linear model(28 * 28, 10);
    torch::optim::Adam adam(model->parameters(), torch::optim::AdamOptions(rate));
    for (int epoch = 0; epoch < 40; ++epoch) {
      const Tensor order = at::randperm(6000);
      for (int from = 0; from < 6000; from += 100) {
        const Tensor which = order.slice(0, from, from + 100);
        adam.zero_grad();
        at::cross_entropy_loss(model(train.input.index_select(0, which)),
                               train.labels.index_select(0, which))
            .backward();
        adam.step();
      }
      const at::NoGradGuard no_grad;
      const Tensor right = model(test.input).argmax(1).eq(test.labels);
      best = std::max(best, right.to(at::kDouble).mean().item<double>());
    }
  }
  EXPECT_LT(best, 0.70);
  EXPECT_GT(best, 0.25);  // better than guessing
}

}  // namespace
}  // namespace convoy::engine
