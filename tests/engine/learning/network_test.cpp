// Tests modules built from architecture data, and their submodels.

#include <gtest/gtest.h>

#include "engine/learning/gates.hpp"
#include "engine/learning/initial.hpp"
#include "engine/learning/loss.hpp"
#include "engine/model/costs.hpp"
#include "tests/engine/learning/support.hpp"

namespace convoy::engine {
namespace {

using test::layout_of;
using test::small_models;

// Weights in which every number differs from its initial value (norms, too).
Tensors any_weights(const Layout& layout, std::uint64_t seed) {
  Tensors tensors = initial_tensors(layout, seed);
  at::Generator generator = make_generator(at::kCPU, seed);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const TensorRole role = layout.tensors[i].role;
    if (role == TensorRole::running_variance) {
      tensors[i].uniform_(0.5, 1.5, generator);
    } else if (role != TensorRole::batches_seen && tensors[i].dim() == 1) {
      tensors[i].add_(at::empty(tensors[i].sizes()).normal_(0, 0.3, generator));
    }
  }
  return tensors;
}

Tensors with_gradients(Tensors tensors, const Layout& layout) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].defined() && !layout.tensors[i].buffer) tensors[i].requires_grad_();
  }
  return tensors;
}

TEST(Network, ParametersAreThoseOfTheDataLayerByLayer) {
  for (const std::string& name : architecture_names()) {
    ModelOptions options;
    options.architecture = name;
    const Layout layout = layout_of(options);
    const Architecture& a = *layout.architecture;
    const Trace full = trace(a, full_submodel(a));
    std::size_t at = 0;
    for (const TracedLayer& t : full.layers) {
      double parameters = 0;
      double buffers = 0;
      int count = 0;
      for (; at < layout.size() && layout.tensors[at].layer == t.path; ++at) {
        const ParameterTensor& p = layout.tensors[at];
        (p.buffer ? buffers : parameters) += static_cast<double>(p.elements());
        count += p.buffer ? 0 : 1;
      }
      EXPECT_EQ(parameters, t.parameters) << name << " " << t.path;
      EXPECT_EQ(buffers, t.buffers) << name << " " << t.path;
      EXPECT_EQ(count, t.parameter_tensors) << name << " " << t.path;
    }
    EXPECT_EQ(at, layout.size()) << name;
  }
}

TEST(Network, SlicedTensorsHaveTheSizesOfTheData) {
  base::Random random({3});
  for (const ModelOptions& options : small_models()) {
    const Layout layout = layout_of(options);
    const Architecture& a = *layout.architecture;
    const Tensors full = initial_tensors(layout, 1);
    for (int i = 0; i < 5; ++i) {
      const Submodel s = test::random_submodel(a, random);
      const Trace t = trace(a, s);
      double parameters = 0;
      const Tensors parts = slice(full, layout, s, at::kCPU);
      for (const Tensor& p : parts) parameters += p.defined() ? static_cast<double>(p.numel()) : 0;
      EXPECT_EQ(parameters, t.parameters() + t.buffers()) << options.architecture;
      EXPECT_EQ(4 * parameters, transfer_bytes(t)) << options.architecture;
    }
  }
}

// A submodel's masks as gates: rows that are not kept are multiplied by zero.
Tensors masked(const Tensors& full, const Layout& layout, const Submodel& s) {
  Tensors result(full.size());
  for (std::size_t i = 0; i < full.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    if (!is_in(p, *layout.architecture, s)) continue;
    if (!p.gated) {
      result[i] = full[i];
      continue;
    }
    Kept kept = kept_of(p, *layout.architecture, s);
    kept.columns.clear();
    Tensor mask = at::ones(p.shape);
    if (!kept.rows.empty()) {
      mask = at::zeros(p.shape);
      mask.index_fill_(0, at::tensor(kept.rows), 1);
    }
    result[i] = full[i] * mask;
  }
  return result;
}

// A submodel of this depth with all members.
Submodel wide(const Architecture& a, int depth) {
  Submodel s = full_submodel(a);
  s.depth = depth;
  for (std::size_t g = 0; g < a.groups.size(); ++g) {
    if (a.groups[g].block >= depth) s.kept[g].clear();
  }
  return s;
}

Tensors in_double(Tensors tensors) {
  for (Tensor& t : tensors) {
    if (t.defined()) t = t.to(at::kDouble);
  }
  return tensors;
}

// In double precision, since 16 blocks of batch statistics amplify the rounding of single
// precision; outputs in single precision are compared below.
TEST(Network, PrunedIsTheMaskedFullModelInOutputAndGradients) {
  base::Random random({4});
  for (const ModelOptions& options : small_models()) {
    const Layout layout = layout_of(options);
    const Architecture& a = *layout.architecture;
    for (int trial = 0; trial < 6; ++trial) {
      const Tensors weights = in_double(any_weights(layout, random.bits() >> 1));
      const Submodel s = test::random_submodel(a, random);
      Tensor input = test::random_input(a, 5, random.bits() >> 1);
      if (a.input == InputKind::image) input = input.to(at::kDouble);
      const Tensor labels = at::arange(5) % a.classes;
      const bool training = trial % 2 == 0;  // batch statistics or running statistics

      Tensors leaves(weights.size());
      for (std::size_t i = 0; i < weights.size(); ++i) leaves[i] = weights[i].clone();
      with_gradients(leaves, layout);
      const Network full(layout, wide(a, s.depth));
      const Tensors a_exits =
          full.forward(masked(leaves, layout, s), input, {.training = training});
      training_loss(a_exits, labels, {}).backward();

      const Network pruned(layout, s);
      const Tensors parts = with_gradients(slice(weights, layout, s, at::kCPU), layout);
      const Tensors b_exits = pruned.forward(parts, input, {.training = training});
      training_loss(b_exits, labels, {}).backward();

      ASSERT_EQ(a_exits.size(), b_exits.size());
      for (std::size_t e = 0; e < a_exits.size(); ++e) {
        const double scale = std::max(1.0, a_exits[e].abs().max().item<double>());
        EXPECT_LE((a_exits[e] - b_exits[e]).abs().max().item<double>(), 1e-9 * scale)
            << options.architecture;
      }
      for (std::size_t i = 0; i < parts.size(); ++i) {
        if (!parts[i].defined() || !parts[i].grad().defined()) continue;
        const ParameterTensor& p = layout.tensors[i];
        const Tensor expected = slice(leaves[i].grad(), kept_of(p, a, s));
        const double scale = std::max(1.0, expected.abs().max().item<double>());
        EXPECT_LE((expected - parts[i].grad()).abs().max().item<double>(), 1e-7 * scale)
            << options.architecture << " " << p.name;
      }
    }
  }
}

TEST(Network, PrunedIsTheMaskedFullModelInSinglePrecision) {
  base::Random random({6});
  for (const ModelOptions& options : small_models()) {
    const Layout layout = layout_of(options);
    const Architecture& a = *layout.architecture;
    for (int trial = 0; trial < 4; ++trial) {
      const Tensors weights = any_weights(layout, random.bits() >> 1);
      const Submodel s = test::random_submodel(a, random);
      const Tensor input = test::random_input(a, 5, random.bits() >> 1);
      const Tensors full =
          Network(layout, wide(a, s.depth)).forward(masked(weights, layout, s), input, {});
      const Tensors pruned =
          Network(layout, s).forward(slice(weights, layout, s, at::kCPU), input, {});
      for (std::size_t e = 0; e < full.size(); ++e) {
        const double scale = std::max(1.0, full[e].abs().max().item<double>());
        EXPECT_LE((full[e] - pruned[e]).abs().max().item<double>(), 1e-5 * scale)
            << options.architecture;
      }
    }
  }
}

TEST(Network, PaddingOfTextsChangesNothing) {
  ModelOptions options;
  options.architecture = "bert-small";
  options.classes = 3;
  options.vocabulary = 60;
  options.sequence = 12;
  const Layout layout = layout_of(options);
  const Tensors weights = initial_tensors(layout, 1);
  const Network network(layout, full_submodel(*layout.architecture));
  const Tensor text = test::random_input(*layout.architecture, 2, 3);  // 3 tokens of padding
  const Tensor shorter = text.slice(1, 0, 9).contiguous();
  const Tensor with = network.forward(weights, text, {}).back();
  const Tensor without = network.forward(weights, shorter, {}).back();
  EXPECT_LE((with - without).abs().max().item<double>(), 1e-5);
}

TEST(Network, DropoutDrawsFromItsOwnGenerator) {
  ModelOptions options;
  options.architecture = "vit-micro";
  options.dropout = 0.5;
  options.attention_dropout = 0.2;
  const Layout layout = layout_of(options);
  const Tensors weights = initial_tensors(layout, 1);
  const Network network(layout, full_submodel(*layout.architecture));
  const Tensor input = test::random_input(*layout.architecture, 2, 3);
  const auto output = [&](std::uint64_t seed) {
    torch::rand({3});  // another draw from the shared generator
    return network
        .forward(weights, input, {.training = true, .generator = make_generator(at::kCPU, seed)})
        .back();
  };
  EXPECT_TRUE(at::equal(output(1), output(1)));
  EXPECT_FALSE(at::equal(output(1), output(2)));
  // In evaluation nothing is dropped.
  EXPECT_TRUE(at::equal(network.forward(weights, input, {}).back(),
                        network.forward(weights, input, {}).back()));
}

}  // namespace
}  // namespace convoy::engine
