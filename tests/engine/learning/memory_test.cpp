// Computed memory of a task against the bytes that LibTorch's allocator gives out while the task
// runs. Included is what a device would hold: the submodel's weights, gradients, the optimizer's
// state, activations, workspace. Not included: the server's model, which the simulation shares; the
// data set; the update, which is made in place from the trained weights afterwards.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <iostream>

#include "tests/engine/learning/counting_allocator.hpp"
#include "tests/engine/learning/measured_task.hpp"

namespace convoy::engine {
namespace {

using test::CountingAllocator;
using test::MeasuredCase;
using test::MeasuredTask;

constexpr double tolerance = 0.1;

struct Peak {
  double measured = 0;
  double analytic = 0;
};

// The model assumes convolutions that do not unfold their input, like those of cuDNN and oneDNN. So
// oneDNN is switched on here, also where its results are not used (uses_onednn()).
Peak peak_of(const MeasuredTask& task, Phase phase, double rate) {
  at::globalContext().setUserEnabledMkldnn(true);
  CountingAllocator& allocator = CountingAllocator::installed();
  const std::int64_t before = allocator.restart_peak();
  task.run(phase, rate);
  const MeasuredCase& measured = task.measured();
  Peak peak;
  peak.measured = static_cast<double>(allocator.peak() - before);
  peak.analytic = training_memory(task.trace(phase, rate), task.optimizer(), phase, measured.batch,
                                  measured.proximal > 0)
                      .total();
  constexpr double kib = 1024;
  std::cout << fmt::format(
      "{:<15}{:<8} rate {:<5} analytic {:>9.0f} measured {:>9.0f} KiB  {:.3f}\n",
      measured.architecture, MeasuredTask::name_of(phase), rate, peak.analytic / kib,
      peak.measured / kib, peak.analytic / peak.measured);
  return peak;
}

// Compares the peaks at each rate, and how they fall with the rate.
void compare(const MeasuredCase& measured, Phase phase, const std::vector<double>& rates) {
  CountingAllocator::installed();  // before the measured tensors exist
  const MeasuredTask task(measured);
  const Peak full = peak_of(task, phase, 1);
  EXPECT_NEAR(full.analytic / full.measured, 1, tolerance);
  Peak above = full;
  for (const double rate : rates) {
    const Peak peak = peak_of(task, phase, rate);
    EXPECT_NEAR(peak.analytic / peak.measured, 1, tolerance) << "at " << rate;
    EXPECT_LT(peak.measured, above.measured) << "at " << rate;
    EXPECT_NEAR((peak.analytic / full.analytic) / (peak.measured / full.measured), 1, tolerance)
        << "at " << rate;
    above = peak;
  }
}

const std::vector<double> falling = {0.75, 0.5, 0.25};

TEST(Memory, TheAllocatorCountsWhatLives) {
  CountingAllocator& allocator = CountingAllocator::installed();
  const std::int64_t before = allocator.restart_peak();
  {
    const Tensor a = at::zeros({1000});
    const Tensor view = a.slice(0, 0, 10);
    EXPECT_EQ(allocator.live() - before, 4000);
    const Tensor b = at::zeros({500}, at::kLong);
    EXPECT_EQ(allocator.live() - before, 8000);
  }
  EXPECT_EQ(allocator.live(), before);
  EXPECT_EQ(allocator.peak() - before, 8000);
}

TEST(Memory, Mlp) { compare({.architecture = "mlp", .batch = 32}, Phase::weights, falling); }

TEST(Memory, CnnSmall) {
  compare({.architecture = "cnn-small", .batch = 32}, Phase::weights, falling);
}

TEST(Memory, Resnet18OfCifar) {
  compare({.architecture = "resnet18-cifar", .batch = 16}, Phase::weights, falling);
}

TEST(Memory, Resnet18) {
  compare({.architecture = "resnet18", .batch = 8, .optimizer = OptimizerKind::adamw, .image = 96},
          Phase::weights, falling);
}

TEST(Memory, MobilenetV3) {
  compare({.architecture = "mobilenet_v3_large", .batch = 8, .image = 64}, Phase::weights, {0.5});
}

TEST(Memory, MobilenetV2) {
  compare({.architecture = "mobilenet_v2", .batch = 8, .image = 64}, Phase::weights, {0.5});
}

TEST(Memory, EfficientnetB1) {
  compare({.architecture = "efficientnet-b1", .batch = 8, .image = 64}, Phase::weights, {0.5});
  compare({.architecture = "efficientnet-b1",
           .batch = 16,
           .optimizer = OptimizerKind::adamw,
           .image = 32,
           .dropout = 0.2},
          Phase::weights, {0.5});
}

TEST(Memory, VitMicro) {
  compare({.architecture = "vit-micro", .batch = 16, .optimizer = OptimizerKind::adamw},
          Phase::weights, falling);
}

TEST(Memory, VitTiny) {  // patches of 16 pixels; a single head at the lowest rate
  compare({.architecture = "vit-tiny", .batch = 8, .optimizer = OptimizerKind::adan, .image = 96},
          Phase::weights, falling);
}

TEST(Memory, BertSmall) {
  compare(
      {.architecture = "bert-small", .batch = 8, .optimizer = OptimizerKind::adan, .sequence = 32},
      Phase::weights, falling);
}

TEST(Memory, Dropout) {
  compare(
      {.architecture = "vit-micro", .batch = 16, .optimizer = OptimizerKind::adamw, .dropout = 0.5},
      Phase::weights, {0.5});
}

TEST(Memory, AProximalTermKeepsWhatWasReceived) {
  compare({.architecture = "mlp", .batch = 8, .proximal = 0.01}, Phase::weights, {0.5});
  compare({.architecture = "resnet18-cifar", .batch = 2, .image = 16, .proximal = 0.01},
          Phase::weights, {0.5});
}

TEST(Memory, MaskPhase) {
  const auto adan = OptimizerKind::adan;
  compare({.architecture = "cnn-small", .batch = 16, .optimizer = adan}, Phase::mask, falling);
  compare({.architecture = "vit-micro", .batch = 16, .optimizer = adan}, Phase::mask, falling);
  compare({.architecture = "resnet18-cifar", .batch = 8}, Phase::mask, {0.5});
  compare({.architecture = "cnn-small", .batch = 16, .optimizer = adan}, Phase::importance,
          falling);
  compare({.architecture = "vit-micro", .batch = 16, .optimizer = adan}, Phase::importance,
          falling);
  compare(
      {.architecture = "bert-small", .batch = 4, .optimizer = OptimizerKind::adamw, .sequence = 32},
      Phase::mask, {0.5});
}

}  // namespace
}  // namespace convoy::engine
