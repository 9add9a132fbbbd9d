// No result depends on the previous content of allocated memory: if all bytes are ones (each value
// is a NaN), results have the same bits as with zeros.

#include <gtest/gtest.h>

#include "engine/learning/autograd.hpp"
#include "engine/learning/devices.hpp"
#include "engine/learning/initial.hpp"
#include "engine/learning/local_training.hpp"
#include "engine/learning/loss.hpp"
#include "engine/learning/network.hpp"
#include "tests/engine/learning/counting_allocator.hpp"
#include "tests/engine/learning/support.hpp"

namespace convoy::engine {
namespace {

// A training step's loss and gradients.
Tensors step(const Layout& layout, const Submodel& submodel, int batch) {
  const Architecture& a = *layout.architecture;
  const Network network(layout, submodel);
  Tensors weights = slice(initial_tensors(layout, 1), layout, submodel, at::kCPU);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i].defined() && !layout.tensors[i].buffer) weights[i].requires_grad_();
  }
  Mode mode{.training = true, .update_statistics = true, .generator = make_generator(at::kCPU, 1)};
  const Tensors scores = network.forward(weights, test::random_input(a, batch, 2), mode);
  const Tensor labels = at::arange(batch, at::kLong).remainder(a.classes);
  TransferOptions transfer;
  transfer.weight = 0;
  const Tensor loss = training_loss(scores, labels, transfer);
  backward(loss);
  Tensors all = {loss.detach()};
  for (const Tensor& t : weights) {
    if (t.defined() && t.grad().defined()) all.push_back(t.grad());
  }
  return all;
}

TEST(UnsetMemory, IsNoPartOfAnyStep) {
  set_up_libraries();
  at::set_num_threads(1);
  auto& memory = test::CountingAllocator::installed();
  for (const char* name : {"cnn-small", "resnet18-cifar", "vit-micro", "bert-small", "mlp"}) {
    ModelOptions options;
    options.architecture = name;
    if (std::string(name) == "bert-small") {
      options.sequence = 12;
      options.vocabulary = 60;
    }
    const Layout layout = test::layout_of(options);
    for (const double rate : {1.0, 0.75}) {
      for (const int batch : {16, 2}) {
        const Submodel submodel = nested_submodel(*layout.architecture, rate);
        memory.fill_with(0);
        const Tensors zeros = step(layout, submodel, batch);
        memory.fill_with(0xff);
        const Tensors ones = step(layout, submodel, batch);
        memory.fill_with(std::nullopt);
        ASSERT_EQ(zeros.size(), ones.size());
        for (std::size_t i = 0; i < zeros.size(); ++i) {
          ASSERT_TRUE(at::equal(zeros[i], ones[i]))
              << name << " at " << rate << ", batch " << batch << ", tensor " << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace convoy::engine
