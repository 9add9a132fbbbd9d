// Computed FLOPs against a count by operator: a LibTorch dispatch key made for tests sees every
// operator that the engine or autograd calls, with its arguments.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <torch/library.h>

#include <iostream>

#include "tests/engine/learning/measured_task.hpp"

namespace convoy::engine {
namespace {

using test::MeasuredCase;
using test::MeasuredTask;

constexpr double tolerance = 0.01;
constexpr auto key = c10::DispatchKey::TESTING_ONLY_GenericMode;

double counted = 0;  // FLOPs of dense operators so far

double elements(const c10::IValue& value) {
  return value.isTensor() && value.toTensor().defined()
             ? static_cast<double>(value.toTensor().numel())
             : 0;
}
double size(const c10::IValue& value, std::int64_t dimension) {
  return static_cast<double>(value.toTensor().size(dimension));
}

// FLOPs by the shapes of an operator's arguments; `out`: elements of its result. 0 for operators
// that are no product.
double flops_of(const std::string& name, c10::ArrayRef<c10::IValue> in, double out) {
  const auto added_bias = [&](std::size_t at) { return elements(in[at]) > 0 ? out : 0.0; };
  if (name == "aten::conv2d") {  // input, weight, bias
    return 2 * out * elements(in[1]) / size(in[1], 0) + added_bias(2);
  }
  if (name == "aten::linear") {  // input, weight, bias
    return 2 * out * size(in[1], 1) + added_bias(2);
  }
  if (name == "aten::mm" || name == "aten::bmm" || name == "aten::matmul") {
    return 2 * out * size(in[0], -1);
  }
  if (name == "aten::convolution_backward") {  // slope of the output, input, weight, ..., mask
    const double product = 2 * elements(in[0]) * elements(in[2]) / size(in[2], 0);
    const auto wanted = in.back().toBoolList();
    return product * ((wanted[0] ? 1 : 0) + (wanted[1] ? 1 : 0));
  }
  return 0;
}

// Calls the operator; operators called inside it are not counted.
void count(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const std::string& name = op.schema().name();
  const std::size_t arguments = op.schema().arguments().size();
  const std::vector<c10::IValue> in(stack->end() - static_cast<std::ptrdiff_t>(arguments),
                                    stack->end());
  const c10::impl::ExcludeDispatchKeyGuard below(key);
  op.callBoxed(stack);
  const double out = stack->empty() ? 0 : elements(stack->back());
  counted += flops_of(name, in, out);
  // Products under other names would not be counted.
  for (const char* other : {"aten::addmm", "aten::baddbmm", "aten::addbmm", "aten::einsum",
                            "aten::convolution", "aten::mv", "aten::dot"}) {
    EXPECT_NE(name, other);
  }
}

TORCH_LIBRARY_IMPL(_, TESTING_ONLY_GenericMode, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&count>());
}

double dense_flops(const StepCost& step) {
  double sum = 0;
  for (const Kernel& k : step.kernels) sum += is_dense(k.op) ? k.flops : 0;
  return sum;
}

void compare(const MeasuredCase& measured, Phase phase, const std::vector<double>& rates) {
  const MeasuredTask task(measured);
  for (const double rate : rates) {
    counted = 0;
    {
      const c10::impl::IncludeDispatchKeyGuard counting(key);
      task.run(phase, rate);
    }
    const StepCost cost =
        training_step(task.trace(phase, rate), task.optimizer(), phase, measured.batch);
    const double dense = dense_flops(cost);
    const double step = counted / MeasuredTask::steps;
    std::cout << fmt::format("{:<15}{:<8} rate {:<5} analytic {:.4e} counted {:.4e}  {:.4f}\n",
                             measured.architecture, MeasuredTask::name_of(phase), rate, dense, step,
                             dense / step);
    EXPECT_NEAR(dense / step, 1, tolerance) << measured.architecture << " at " << rate;
  }
}

const std::vector<double> rates = {1, 0.75, 0.5, 0.25};

TEST(Flops, OfConvolutionsAndProductsByHand) {
  counted = 0;
  const c10::impl::IncludeDispatchKeyGuard counting(key);
  const Tensor image = at::ones({2, 3, 8, 8});
  const Tensor kernel = at::ones({5, 3, 3, 3}).requires_grad_();
  const Tensor y = at::conv2d(image, kernel, {}, 1, 1);
  EXPECT_EQ(counted, 2.0 * (2 * 5 * 8 * 8) * (3 * 3 * 3));
  y.sum().backward();  // gradient of the weight only
  EXPECT_EQ(counted, 2 * 2.0 * (2 * 5 * 8 * 8) * (3 * 3 * 3));
  counted = 0;
  at::matmul(at::ones({2, 4, 6}), at::ones({2, 6, 5}));
  EXPECT_EQ(counted, 2.0 * 2 * 4 * 6 * 5);
}

TEST(Flops, OfConvolutionalNetworks) {
  compare({.architecture = "cnn-small"}, Phase::weights, rates);
  compare({.architecture = "resnet18-cifar", .batch = 2}, Phase::weights, rates);
  compare({.architecture = "resnet18", .batch = 2, .image = 96}, Phase::weights, rates);
}

TEST(Flops, OfNetworksThatAreCutByDepthAlone) {
  for (const char* name : {"alexnet", "vgg11_bn", "squeezenet1_0", "mobilenet_v2",
                           "mobilenet_v3_large", "efficientnet-b1", "mnasnet0_5"}) {
    compare({.architecture = name, .batch = 2, .image = 64}, Phase::weights, {1, 0.5});
  }
  compare({.architecture = "densenet121", .batch = 2, .image = 32}, Phase::weights, {1, 0.5});
}

TEST(Flops, OfProductsAndAttention) {
  compare({.architecture = "mlp"}, Phase::weights, rates);
  compare({.architecture = "vit-micro"}, Phase::weights, rates);
  compare({.architecture = "vit-tiny", .batch = 2, .image = 96}, Phase::weights, rates);
  compare({.architecture = "bert-small", .batch = 2, .sequence = 32}, Phase::weights, rates);
}

// Includes architectures that no task can train: scores for every pixel.
TEST(Flops, OfTheForwardOfEveryArchitecture) {
  for (const std::string& name : architecture_names()) {
    // Similar to bert-small and vit-micro, but hundreds of megabytes large.
    if (name == "bert-base" || name == "bert-large" || name == "vit-0.11b") continue;
    ModelOptions options;
    options.architecture = name;
    options.exits = {1.0};
    const bool own_size = name.starts_with("vit") || name == "mlp" || name == "cnn-small";
    if (input_of(name) == InputKind::tokens) {
      options.sequence = 16;
      options.vocabulary = 100;
    } else if (!own_size) {
      options.image_size = 64;
      options.image_width = 96;
    }
    const Layout layout = test::layout_of(options);
    const Architecture& a = *layout.architecture;
    const Network network(layout, full_submodel(a));
    const Tensors weights = test::zero_weights(layout);
    const at::NoGradGuard no_gradients;
    counted = 0;
    Tensors scores;
    {
      const c10::impl::IncludeDispatchKeyGuard counting(key);
      scores = network.forward(weights, test::random_input(a, 2, 1), {});
    }
    EXPECT_NEAR(dense_flops(inference_step(network.trace(), 2)) / counted, 1, tolerance) << name;
    const Shape& out = network.trace().layers.back().out;
    ASSERT_EQ(scores.size(), 1);
    EXPECT_EQ(static_cast<double>(scores[0].numel()), 2 * out.elements()) << name;
    EXPECT_EQ(scores[0].dim() == 4, a.per_pixel) << name;
    if (a.per_pixel) {
      EXPECT_EQ(scores[0].size(2), 64) << name;
      EXPECT_EQ(scores[0].size(3), 96) << name;
    }
  }
}

TEST(Flops, OfTheMaskPhase) {
  compare({.architecture = "cnn-small"}, Phase::mask, rates);
  compare({.architecture = "resnet18-cifar", .batch = 2}, Phase::mask, {1, 0.5});
  compare({.architecture = "vit-micro"}, Phase::mask, rates);
  compare({.architecture = "cnn-small"}, Phase::importance, rates);
  compare({.architecture = "resnet18-cifar", .batch = 2}, Phase::importance, {0.5});
  compare({.architecture = "vit-micro"}, Phase::importance, rates);
  compare({.architecture = "bert-small", .batch = 2, .sequence = 32}, Phase::mask, {1, 0.5});
}

}  // namespace
}  // namespace convoy::engine
