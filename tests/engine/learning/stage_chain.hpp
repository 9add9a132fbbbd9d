#pragma once

// A model trained whole and in stages, for the tests of engine/learning/stage.hpp.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "engine/learning/initial.hpp"
#include "engine/learning/loss.hpp"
#include "engine/learning/samples.hpp"
#include "engine/learning/stage.hpp"
#include "tests/engine/learning/support.hpp"

namespace convoy::engine::test {

// A submodel of half the width, so that stages have slices; norms' statistics as they begin.
struct Model {
  explicit Model(const ModelOptions& options, double rate = 0.5)
      : Model(std::make_shared<const Architecture>(make_architecture(options)), rate) {}
  explicit Model(std::shared_ptr<const Architecture> a, double rate = 0.5)
      : layout(std::move(a)),
        submodel(nested_submodel(*layout.architecture, rate, true)),
        traced(trace(*layout.architecture, submodel)),
        all(initial_tensors(layout, 3)) {}

  void use_double() {
    for (Tensor& t : all) t = t.to(at::kDouble);
  }
  [[nodiscard]] Batch batch(int samples, std::uint64_t seed = 5) const {
    const Architecture& a = *layout.architecture;
    Tensor input = test::random_input(a, samples, seed);
    if (a.input == InputKind::image) input = input.to(all.front().scalar_type());
    return {input, at::arange(samples, at::kLong).remainder(a.classes)};
  }
  [[nodiscard]] const std::string& name() const { return layout.architecture->name; }
  [[nodiscard]] std::string at(int cut) const { return name() + " at " + name_of_cut(traced, cut); }

  Layout layout;
  Submodel submodel;
  Trace traced;
  Tensors all;  // the full model
};

inline ModelOptions options_of(const std::string& architecture) {
  ModelOptions m;
  m.architecture = architecture;
  m.classes = 7;
  if (architecture == "bert-small") {
    m.sequence = 12;
    m.vocabulary = 60;
  } else {
    m.image_size = 16;
  }
  return m;
}

inline const std::vector<std::string>& names() {
  static const std::vector<std::string> all = {"linear",         "mlp",       "cnn-small",
                                               "resnet18-cifar", "vit-micro", "bert-small"};
  return all;
}

inline StageOptions stage_options() {
  StageOptions options;
  options.name = "node 1, task 2";
  options.optimizer = {.kind = OptimizerKind::adamw,
                       .learning_rate = 0.01,
                       .weight_decay = 0.1,
                       .betas = {0.9, 0.999}};
  options.learning_rate = options.optimizer.learning_rate;
  options.transfer.weight = 0;
  return options;
}

// --- the whole model, as LocalTraining trains it
// ---------------------------------------------------

struct Whole {
  std::vector<Tensors> gradients;  // by step
  Tensors weights;
  OptimizerState optimizer;
  double loss = 0;
};

inline Tensors gradients_of(const Tensors& weights) {
  Tensors gradients;
  for (const Tensor& w : weights) {
    const bool has = w.defined() && w.grad().defined();
    gradients.push_back(has ? w.grad().clone() : Tensor());
  }
  return gradients;
}

inline Tensors leaves_of(const Model& model) {
  Tensors weights = slice(model.all, model.layout, model.submodel, at::kCPU);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i].defined() && !model.layout.tensors[i].buffer) weights[i].requires_grad_();
  }
  return weights;
}

inline Whole train_whole(const Model& model, const std::vector<Batch>& batches,
                         const StageOptions& options) {
  Whole whole;
  whole.weights = leaves_of(model);
  const Network network(model.layout, model.submodel);
  OptimizerSteps optimizer(options.optimizer, options.learning_rate);
  for (const Batch& batch : batches) {
    const Mode mode{.training = true, .update_statistics = true};
    const Tensor loss = training_loss(network.forward(whole.weights, batch.input, mode),
                                      batch.labels, options.transfer);
    loss.backward();
    whole.gradients.push_back(gradients_of(whole.weights));
    optimizer.step(whole.weights);
    drop_gradients(whole.weights);
    whole.loss += loss.item<double>() / static_cast<double>(batches.size());
  }
  whole.optimizer = optimizer.take_state();
  return whole;
}

// What crosses a cut, the gradients that flow back over it, and those of the weights, from one
// graph of the whole model: an alias separates the uses behind the cut from those before it (an
// exit's, a residual's).
struct AtCut {
  Boundary crossed;
  Boundary slopes;
  Tensors gradients;
};
inline AtCut at_cut(const Model& model, int cut, const Batch& batch) {
  const Tensors weights = leaves_of(model);
  const Network network(model.layout, model.submodel);
  const Mode mode{.training = true};
  const Network::TensorOf tensor_of = [&](std::size_t i) { return weights[i]; };
  Tensors values(static_cast<std::size_t>(model.traced.tensors));
  values[0] = batch.input;
  Tensors exits = network.forward({0, cut}, tensor_of, values, mode);
  Boundary crossed;
  for (const int number : crossing(model.traced, cut)) {
    Tensor& value = values[static_cast<std::size_t>(number)];
    if (value.requires_grad()) {
      value = value.alias();
      value.retain_grad();
    }
    crossed.emplace(number, value);
  }
  const Stage rest{cut, whole(model.traced).last};
  for (const Tensor& e : network.forward(rest, tensor_of, values, mode)) exits.push_back(e);
  training_loss(exits, batch.labels, stage_options().transfer).backward();
  Boundary gradients;
  for (const auto& [number, value] : crossed) {
    if (value.requires_grad()) gradients.emplace(number, value.grad());
  }
  return {crossed, gradients, gradients_of(weights)};
}

// --- the same in stages
// ----------------------------------------------------------------------------

class Chain {
 public:
  Chain(const Model& model, const std::vector<int>& positions, const StageOptions& options)
      : positions_(positions) {
    const TensorWeights weights(model.all, {});
    for (const Stage& stage : stages_between(model.traced, positions)) {
      stages.push_back(std::make_unique<StageTraining>(model.layout, model.submodel, stage, weights,
                                                       at::kCPU, options));
    }
  }

  void forward(int number, const Batch& batch, double share = 1, bool recompute = false) {
    Boundary at = {{0, batch.input}};
    for (const auto& stage : stages) {
      at = stage->forward(number, at, Targets{batch.labels, share}, recompute);
      sent[number].push_back(at);
    }
  }
  void backward(int number) {
    Boundary at;
    for (std::size_t s = stages.size(); s-- > 0;) {
      at = stages[s]->backward(number, at);
      came[number].push_back(at);
    }
  }
  void step() {
    for (const auto& stage : stages) stage->step();
  }

  // Of all stages together.
  [[nodiscard]] Tensors weights() const {
    Tensors all;
    for (const auto& stage : stages) join(all, stage->weights());
    return all;
  }
  [[nodiscard]] Tensors gradients() const { return gradients_of(weights()); }
  [[nodiscard]] OptimizerState optimizer() const {
    OptimizerState all;
    all.slots.resize(OptimizerState::most_slots);
    for (const auto& stage : stages) {
      all.steps = stage->optimizer().steps;
      for (std::size_t s = 0; s < all.slots.size(); ++s) {
        join(all.slots[s], stage->optimizer().slots.at(s));
      }
    }
    return all;
  }
  [[nodiscard]] double loss() const {
    double sum = 0;
    for (const auto& stage : stages) sum += stage->loss();
    return sum;
  }

  std::vector<std::unique_ptr<StageTraining>> stages;
  std::map<int, std::vector<Boundary>> sent;  // by micro-batch; by stage
  std::map<int, std::vector<Boundary>> came;  // the last stage's first

 private:
  static void join(Tensors& all, const Tensors& more) {
    all.resize(more.size());
    for (std::size_t i = 0; i < more.size(); ++i) {
      if (!more[i].defined()) continue;
      EXPECT_FALSE(all[i].defined()) << "two stages have tensor " << i;
      all[i] = more[i];
    }
  }
  std::vector<int> positions_;
};

inline void train(Chain& chain, const std::vector<Batch>& batches) {
  for (int step = 0; step < static_cast<int>(batches.size()); ++step) {
    chain.forward(step, batches[static_cast<std::size_t>(step)]);
    chain.backward(step);
    chain.step();
  }
}

// Largest difference, as a share of the largest entry of `wanted`.
inline double difference(const Tensor& a, const Tensor& wanted) {
  const double most = (a - wanted).abs().max().item<double>();
  const double scale = wanted.abs().max().item<double>();
  return scale > 0 ? most / scale : most;
}

// 0: the same bits.
inline void expect_near(const Tensors& all, const Tensors& wanted, double tolerance,
                        const std::string& what) {
  ASSERT_EQ(all.size(), wanted.size()) << what;
  for (std::size_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ(all[i].defined(), wanted[i].defined()) << what << ", tensor " << i;
    if (!all[i].defined()) continue;
    if (tolerance <= 0) {
      EXPECT_TRUE(at::equal(all[i], wanted[i])) << what << ", tensor " << i;
    } else {
      EXPECT_LE(difference(all[i], wanted[i]), tolerance) << what << ", tensor " << i;
    }
  }
}

inline void expect_near(const Boundary& all, const Boundary& wanted, double tolerance,
                        const std::string& what) {
  ASSERT_EQ(all.size(), wanted.size()) << what;
  for (const auto& [number, tensor] : wanted) {
    ASSERT_TRUE(all.contains(number)) << what << ", tensor " << number;
    expect_near(Tensors{all.at(number)}, Tensors{tensor}, tolerance,
                what + ", crossing tensor " + std::to_string(number));
  }
}

inline void expect_as_whole(const Chain& chain, const Whole& whole, const std::string& what) {
  expect_near(chain.weights(), whole.weights, 0, what + ", weights");
  const OptimizerState optimizer = chain.optimizer();
  EXPECT_EQ(optimizer.steps, whole.optimizer.steps) << what;
  for (std::size_t s = 0; s < optimizer.slots.size(); ++s) {
    expect_near(optimizer.slots[s], whole.optimizer.slots[s], 0, what + ", optimizer");
  }
  EXPECT_NEAR(chain.loss(), whole.loss, 1e-5 * whole.loss) << what;
}

// The rows [from, from + count) of a batch.
inline Batch rows(const Batch& batch, int from, int count) {
  return {batch.input.slice(0, from, from + count), batch.labels.slice(0, from, from + count)};
}

}  // namespace convoy::engine::test
