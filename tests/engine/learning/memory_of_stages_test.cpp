// Computed memory of a model's two parts against the bytes that LibTorch's allocator gives out
// while a part trains: weights, gradients, the optimizer's state, stashes, what comes in from the
// other part, workspace. Not included: the server's model, which the simulation shares, and the
// part's samples and gradients before they have come.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <iostream>

#include "engine/model/stage_costs.hpp"
#include "tests/engine/learning/counting_allocator.hpp"
#include "tests/engine/learning/stage_chain.hpp"

namespace convoy::engine {
namespace {

using test::CountingAllocator;

constexpr double tolerance = 0.1;

struct SplitCase {
  std::string architecture;
  int batch = 8;
  int image = 0;  // pixels; 0: the architecture's default
  OptimizerKind optimizer = OptimizerKind::sgd;
  int sequence = 32;
};

class SplitModel {
 public:
  explicit SplitModel(const SplitCase& split)
      : case_(split), layout_(test::layout_of(options(split))) {
    const Architecture& a = *layout_.architecture;
    submodel_ = full_submodel(a);
    traced = trace(a, submodel_);
    weights_ = test::zero_weights(layout_);
    stage_.name = "node 1, task 2";
    stage_.transfer.weight = 0;
    stage_.optimizer.kind = split.optimizer;
    if (split.optimizer == OptimizerKind::sgd) stage_.optimizer.momentum = 0.9;
    if (split.optimizer == OptimizerKind::adamw) stage_.optimizer.betas = {0.9, 0.999};
    if (split.optimizer == OptimizerKind::adan) stage_.optimizer.betas = {0.98, 0.92, 0.99};
    at::set_num_threads(1);  // as prepare_thread() does
    at::globalContext().setUserEnabledMkldnn(true);
  }

  // Bytes at the peak while a stage takes two steps of M micro-batches each: all go forward, then
  // all come back.
  [[nodiscard]] double measured(const Stage& stage, int microbatches) const {
    const int samples = case_.batch / microbatches;
    static_cast<void>(shapes(samples));  // not measured
    CountingAllocator& allocator = CountingAllocator::installed();
    const std::int64_t before = allocator.restart_peak();
    {
      StageTraining part(layout_, submodel_, stage, TensorWeights(weights_, {}), at::kCPU, stage_);
      for (int number = 0; number < 2 * microbatches; number += microbatches) {
        for (int m = 0; m < microbatches; ++m) {
          const Tensor labels = at::zeros({samples}, at::kLong);
          const std::optional<Targets> targets =
              part.has_exit() ? std::optional(Targets{labels, 1.0 / microbatches}) : std::nullopt;
          part.forward(number + m, came(stage, samples), targets);
        }
        for (int m = 0; m < microbatches; ++m) part.backward(number + m, back(stage, samples));
        part.step();
      }
    }
    return static_cast<double>(allocator.peak() - before);
  }

  [[nodiscard]] double computed(const Stage& stage, int microbatches) const {
    StageLoad load = {.microbatch = case_.batch / microbatches, .stashes = microbatches};
    double most = stage_memory(traced, stage, stage_.optimizer.cost(), load).total();
    if (microbatches > 1) {
      load = {.microbatch = load.microbatch, .stashes = microbatches - 1, .accumulates = true};
      most = std::max(most, stage_memory(traced, stage, stage_.optimizer.cost(), load).total());
    }
    return most;
  }

  Trace traced;

 private:
  static ModelOptions options(const SplitCase& split) {
    ModelOptions m;
    m.architecture = split.architecture;
    m.vocabulary = 2000;
    m.sequence = split.sequence;
    m.exits = {1.0};
    if (split.image > 0) m.image_size = split.image;
    return m;
  }

  [[nodiscard]] Tensor made(int tensor, int samples) const {
    const Architecture& a = *layout_.architecture;
    if (is_token_numbers(traced, tensor)) return at::ones({samples, a.sequence}, at::kLong);
    if (tensor == 0) return at::zeros({samples, a.channels, a.height, a.width});
    return at::zeros(shapes(samples).at(tensor));
  }
  // As the whole model makes them.
  [[nodiscard]] const std::map<int, std::vector<std::int64_t>>& shapes(int samples) const {
    auto& known = shapes_[samples];
    if (!known.empty()) return known;
    const at::NoGradGuard no_grad;
    const Network network(layout_, submodel_);
    const Mode mode{.training = true};
    Tensors values(static_cast<std::size_t>(traced.tensors));
    values[0] = made(0, samples);
    for (int cut = 1; cut < whole(traced).last; ++cut) {
      static_cast<void>(network.forward(
          {cut - 1, cut}, [&](std::size_t i) { return weights_[i]; }, values, mode));
      for (const int number : crossing(traced, cut)) {
        known[number] = values[static_cast<std::size_t>(number)].sizes().vec();
      }
    }
    return known;
  }
  [[nodiscard]] Boundary came(const Stage& stage, int samples) const {
    if (stage.first == 0) return {{0, made(0, samples)}};
    Boundary all;
    for (const int number : crossing(traced, stage.first)) {
      all.emplace(number, made(number, samples));
    }
    return all;
  }
  [[nodiscard]] Boundary back(const Stage& stage, int samples) const {
    Boundary all;
    if (stage.last == whole(traced).last) return all;
    for (const int number : crossing(traced, stage.last)) {
      if (has_gradient(traced, number)) all.emplace(number, made(number, samples));
    }
    return all;
  }

  SplitCase case_;
  Layout layout_;
  Submodel submodel_;
  Tensors weights_;
  StageOptions stage_;
  mutable std::map<int, std::map<int, std::vector<std::int64_t>>> shapes_;
};

// At a quarter, the half and three quarters of the places where the model can be cut.
void compare(const SplitCase& split) {
  CountingAllocator::installed();  // before the measured tensors exist
  const SplitModel model(split);
  const std::vector<int> places = cuts(model.traced);
  ASSERT_GE(places.size(), 3);
  for (const std::size_t quarter : {1, 2, 3}) {
    const int cut = places[quarter * (places.size() - 1) / 4];
    for (const int microbatches : {1, 4}) {
      for (const Stage& stage : stages_between(model.traced, {cut})) {
        const double computed = model.computed(stage, microbatches);
        const double measured = model.measured(stage, microbatches);
        const std::string what = fmt::format(
            "{:<15} {} the cut {:<18} {} micro-batches", split.architecture,
            stage.first == 0 ? "before" : "behind", name_of_cut(model.traced, cut), microbatches);
        constexpr double kib = 1024;
        std::cout << fmt::format("{} computed {:>9.0f} measured {:>9.0f} KiB  {:.3f}\n", what,
                                 computed / kib, measured / kib, computed / measured);
        EXPECT_NEAR(computed / measured, 1, tolerance) << what;
      }
    }
  }
}

TEST(MemoryOfStages, Mlp) { compare({.architecture = "mlp", .batch = 64}); }

TEST(MemoryOfStages, CnnSmall) { compare({.architecture = "cnn-small", .batch = 32}); }

TEST(MemoryOfStages, Resnet18OfCifar) { compare({.architecture = "resnet18-cifar", .batch = 16}); }

TEST(MemoryOfStages, MobilenetV3) {
  compare({.architecture = "mobilenet_v3_large", .batch = 8, .image = 64});
}

TEST(MemoryOfStages, MobilenetV2) {
  compare({.architecture = "mobilenet_v2", .batch = 8, .image = 64});
}

TEST(MemoryOfStages, EfficientnetB1) {
  compare({.architecture = "efficientnet-b1", .batch = 8, .image = 64});
}

TEST(MemoryOfStages, VitMicro) {
  compare({.architecture = "vit-micro", .batch = 16, .optimizer = OptimizerKind::adamw});
}

TEST(MemoryOfStages, BertSmall) {
  compare({.architecture = "bert-small", .batch = 8, .optimizer = OptimizerKind::adan});
}

}  // namespace
}  // namespace convoy::engine
