// MobileNetV2 and EfficientNet-B1 against code that follows their papers and torchvision, layer by
// layer and without the architecture's data; their first weights; and that they learn, beside
// ResNet-50 and BERT-small.

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "engine/learning/initial.hpp"
#include "engine/learning/loss.hpp"
#include "tests/engine/learning/support.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);

namespace convoy::engine {
namespace {

ModelOptions mobile(const std::string& name, int image = 64) {
  return {.architecture = name, .classes = 5, .exits = {1.0}, .image_size = image};
}

// --- the published networks ---------------------------------------------------------------------

// Expansion, features, blocks, stride, window: table 2 of arXiv 1801.04381, table 1 of 1905.11946.
struct Row {
  int expansion;
  int features;
  int blocks;
  int stride;
  int window;
};

class Published {
 public:
  Published(const Layout& layout, const Tensors& weights) {
    for (std::size_t i = 0; i < layout.size(); ++i) by_name_[layout.tensors[i].name] = weights[i];
  }

  [[nodiscard]] Tensor mobilenet_v2(const Tensor& images) const {
    const auto relu6 = [](const Tensor& x) { return x.clamp(0, 6); };
    Tensor x = relu6(norm("stem.bn_conv", conv("stem.conv", images, 2)));
    int in = 32;
    int number = 0;
    for (const Row& row :
         {Row{1, 16, 1, 1, 3}, Row{6, 24, 2, 2, 3}, Row{6, 32, 3, 2, 3}, Row{6, 64, 4, 2, 3},
          Row{6, 96, 3, 1, 3}, Row{6, 160, 3, 2, 3}, Row{6, 320, 1, 1, 3}}) {
      for (int i = 0; i < row.blocks; ++i, in = row.features) {
        const std::string block = "block" + std::to_string(number++) + ".";
        const int stride = i == 0 ? row.stride : 1;
        Tensor y = x;
        if (row.expansion > 1) {
          y = relu6(norm(block + "bn_expand", conv(block + "expand", y, 1)));
        }
        y = relu6(
            norm(block + "bn_depthwise", conv(block + "depthwise", y, stride, row.expansion * in)));
        y = norm(block + "bn_project", conv(block + "project", y, 1));
        x = stride == 1 && in == row.features ? x + y : y;
      }
    }
    const std::string head = "exit" + std::to_string(number) + ".";
    return scores(head, relu6(norm(head + "bn_conv", conv(head + "conv", x, 1))));
  }

  [[nodiscard]] Tensor efficientnet_b1(const Tensor& images) const {
    const auto swish = [](const Tensor& x) { return x / (1 + (-x).exp()); };
    Tensor x = swish(norm("stem.bn_conv", conv("stem.conv", images, 2)));
    int in = 32;
    int number = 0;
    // B0's numbers of blocks 1 2 2 3 3 4 1, times 1.1, rounded up.
    for (const Row& row :
         {Row{1, 16, 2, 1, 3}, Row{6, 24, 3, 2, 3}, Row{6, 40, 3, 2, 5}, Row{6, 80, 4, 2, 3},
          Row{6, 112, 4, 1, 5}, Row{6, 192, 5, 2, 5}, Row{6, 320, 2, 1, 3}}) {
      for (int i = 0; i < row.blocks; ++i, in = row.features) {
        const std::string block = "block" + std::to_string(number++) + ".";
        const int stride = i == 0 ? row.stride : 1;
        Tensor y = x;
        if (row.expansion > 1) {
          y = swish(norm(block + "bn_expand", conv(block + "expand", y, 1)));
        }
        y = swish(
            norm(block + "bn_depthwise", conv(block + "depthwise", y, stride, row.expansion * in)));
        Tensor factors = y.mean({2, 3}, true);
        factors = swish(conv(block + "squeeze1", factors, 1));
        EXPECT_EQ(factors.size(1), in / 4);
        y = y / (1 + (-conv(block + "squeeze2", factors, 1)).exp());
        y = norm(block + "bn_project", conv(block + "project", y, 1));
        x = stride == 1 && in == row.features ? x + y : y;
      }
    }
    EXPECT_EQ(number, 23);
    const std::string head = "exit" + std::to_string(number) + ".";
    return scores(head, swish(norm(head + "bn_conv", conv(head + "conv", x, 1))));
  }

 private:
  [[nodiscard]] Tensor conv(const std::string& name, const Tensor& x, int stride,
                            int parts = 1) const {
    const Tensor& w = by_name_.at(name + ".weight");
    const auto bias = by_name_.find(name + ".bias");
    const std::int64_t padding = (w.size(2) - 1) / 2;
    return at::conv2d(x, w, bias == by_name_.end() ? Tensor() : bias->second, {stride, stride},
                      {padding, padding}, {1, 1}, parts);
  }
  // By the statistics of the batch.
  [[nodiscard]] Tensor norm(const std::string& name, const Tensor& x) const {
    const Tensor apart = x - x.mean({0, 2, 3}, true);
    const Tensor variance = (apart * apart).mean({0, 2, 3}, true);
    const auto by_feature = [&](const char* what) {
      return by_name_.at(name + what).view({1, -1, 1, 1});
    };
    return apart / (variance + 1e-5).sqrt() * by_feature(".weight") + by_feature(".bias");
  }
  [[nodiscard]] Tensor scores(const std::string& head, const Tensor& x) const {
    const Tensor pooled = x.mean({2, 3});
    return at::matmul(pooled, by_name_.at(head + "classifier.weight").t()) +
           by_name_.at(head + "classifier.bias");
  }

  std::map<std::string, Tensor> by_name_;
};

// Every number differs from its first value, and the values reach beyond ReLU6's 6.
Tensors any_leaves(const Layout& layout) {
  Tensors leaves = initial_tensors(layout, 3);
  const at::Generator generator = make_generator(at::kCPU, 4);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    Tensor& t = leaves[i];
    const TensorRole role = layout.tensors[i].role;
    if (role == TensorRole::scale) t.uniform_(0.5, 4, generator);
    if (role == TensorRole::shift || role == TensorRole::bias) t.normal_(0, 0.3, generator);
    t = t.to(at::kDouble);
    if (!layout.tensors[i].buffer) t.requires_grad_();
  }
  return leaves;
}

void expect_published(const std::string& name,
                      Tensor (Published::*published)(const Tensor&) const) {
  const Layout layout = test::layout_of(mobile(name));
  const Architecture& a = *layout.architecture;
  const Tensor images = test::random_input(a, 4, 5).to(at::kDouble);
  const Tensor labels = at::arange(4) % a.classes;
  const Tensors ours = any_leaves(layout);
  const Tensors theirs = any_leaves(layout);
  const Tensor scores =
      Network(layout, full_submodel(a)).forward(ours, images, {.training = true}).back();
  const Tensor wanted = (Published(layout, theirs).*published)(images);
  EXPECT_LE((scores - wanted).abs().max().item<double>(),
            1e-10 * wanted.abs().max().item<double>());
  at::cross_entropy_loss(scores, labels).backward();
  at::cross_entropy_loss(wanted, labels).backward();
  double largest = 0;
  for (const Tensor& t : theirs) {
    if (t.grad().defined()) largest = std::max(largest, t.grad().abs().max().item<double>());
  }
  EXPECT_GT(largest, 0);
  for (std::size_t i = 0; i < ours.size(); ++i) {
    if (layout.tensors[i].buffer) continue;
    ASSERT_TRUE(theirs[i].grad().defined()) << layout.tensors[i].name;
    EXPECT_LE((ours[i].grad() - theirs[i].grad()).abs().max().item<double>(), 1e-9 * largest)
        << layout.tensors[i].name;
  }
}

TEST(MobileNetV2, IsThePublishedNetwork) {
  expect_published("mobilenet_v2", &Published::mobilenet_v2);
}

TEST(EfficientNetB1, IsThePublishedNetwork) {
  expect_published("efficientnet-b1", &Published::efficientnet_b1);
}

// --- stochastic depth ---------------------------------------------------------------------------

TEST(StochasticDepth, DropsTheResidualOfASampleOrKeepsItWhole) {
  constexpr double last = 0.5;
  constexpr int samples = 400;
  ModelOptions options = mobile("efficientnet-b1", 32);
  options.stochastic_depth = last;
  const Layout layout = test::layout_of(options);
  const Network network(layout, full_submodel(*layout.architecture));
  const Trace& traced = network.trace();
  int found = 0;
  for (int i = 0; i + 1 < whole(traced).last; ++i) {
    const TracedLayer& t = traced.layers[static_cast<std::size_t>(i)];
    if (t.layer->kind != LayerKind::dropout) continue;
    EXPECT_TRUE(t.layer->by_sample);
    EXPECT_DOUBLE_EQ(t.layer->rate, last * t.block / 23) << t.path;
    if (++found % 5 != 0) continue;  // every fifth one by numbers
    const TracedLayer& sum = traced.layers[static_cast<std::size_t>(i) + 1];
    ASSERT_EQ(sum.layer->kind, LayerKind::add);
    const Tensor shortcut = at::randn({samples, t.out.features, 2, 3});
    const Tensor residual = at::randn({samples, t.out.features, 2, 3});
    const auto computed = [&](const Mode& mode) {
      Tensors values(static_cast<std::size_t>(traced.tensors));
      values[static_cast<std::size_t>(sum.inputs.front())] = shortcut;
      values[static_cast<std::size_t>(t.inputs.front())] = residual;
      static_cast<void>(network.forward(
          {i, i + 2}, [](std::size_t) { return Tensor(); }, values, mode));
      return values[static_cast<std::size_t>(sum.output)];
    };
    const Tensor out = computed({.training = true, .layer_draws = 7});
    const Tensor kept = shortcut + residual / (1 - t.layer->rate);
    int dropped = 0;
    for (int s = 0; s < samples; ++s) {
      if (at::equal(out[s], shortcut[s])) {
        ++dropped;
      } else {
        EXPECT_TRUE(at::allclose(out[s], kept[s], 1e-5, 1e-5)) << t.path << ", sample " << s;
      }
    }
    const double deviation = std::sqrt(samples * t.layer->rate * (1 - t.layer->rate));
    EXPECT_NEAR(dropped, samples * t.layer->rate, 4 * deviation) << t.path;
    EXPECT_TRUE(at::equal(computed({}), shortcut + residual)) << "nothing is dropped in tests";
  }
  EXPECT_EQ(found, 16) << "blocks with a residual";
}

// --- first weights ------------------------------------------------------------------------------

TEST(FirstWeights, OfMobileNetworksAreTorchvisions) {
  for (const char* name : {"mobilenet_v2", "efficientnet-b1"}) {
    const bool swish = name == std::string("efficientnet-b1");
    const Layout layout = test::layout_of(mobile(name));
    const Tensors first = initial_tensors(layout, 1);
    int compared = 0;
    for (std::size_t i = 0; i < first.size(); ++i) {
      const ParameterTensor& p = layout.tensors[i];
      const Tensor& t = first[i];
      if (p.role == TensorRole::bias) {
        EXPECT_EQ(t.abs().max().item<double>(), 0) << p.name;
      }
      if (p.role != TensorRole::weight || t.numel() < 1000) continue;
      const auto outputs = static_cast<double>(p.rows());
      double wanted = 0;
      if (t.dim() == 4) {
        wanted = std::sqrt(2 / (outputs * static_cast<double>(t.size(2) * t.size(3))));
      } else {
        wanted = swish ? 1 / std::sqrt(3 * outputs) : 0.01;
      }
      const double deviation = t.to(at::kDouble).std().item<double>();
      EXPECT_NEAR(deviation / wanted, 1, 0.1) << p.name;
      ++compared;
    }
    EXPECT_GT(compared, 40) << name;
  }
}

// --- learning -----------------------------------------------------------------------------------

// Texts whose class says from which part of the vocabulary their words are.
std::shared_ptr<Dataset> plain_texts(int count, int classes, int sequence, int vocabulary) {
  auto data = std::make_shared<Dataset>();
  data->shape = {.text = true, .sequence = sequence, .vocabulary = vocabulary, .classes = classes};
  base::Random random({1});
  const int words = (vocabulary - 4) / classes;
  for (int i = 0; i < count; ++i) {
    const int label = i % classes;
    data->labels.push_back(label);
    for (int k = 0; k < sequence; ++k) {
      data->tokens.push_back(
          4 + label * words +
          static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(words))));
    }
  }
  return data;
}

struct Lesson {
  const char* architecture;
  double learning_rate;
  int image = 32;  // pixels
};

class Learns : public testing::TestWithParam<Lesson> {};

TEST_P(Learns, WithinAFewSteps) {
  constexpr int classes = 4;
  constexpr int samples = 32;
  ModelOptions model = {
      .architecture = GetParam().architecture, .classes = classes, .exits = {1.0}};
  EngineOptions options;
  if (input_of(model.architecture) == InputKind::tokens) {
    model.sequence = 8;
    model.vocabulary = 60;
    options.train = plain_texts(samples, classes, *model.sequence, *model.vocabulary);
  } else {
    model.image_size = GetParam().image;
    options.train = test::striped_images(samples, classes, *model.image_size);
  }
  options.test = options.train;
  options.architecture = std::make_shared<const Architecture>(make_architecture(model));
  options.parts = test::dealt(samples, 1);
  options.training.optimizer = {.kind = OptimizerKind::adamw,
                                .learning_rate = GetParam().learning_rate,
                                .betas = {0.9, 0.999}};
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const auto part = test::begin(
      *engine, {.node = 1, .brief = {.rate = 1, .batch = 8}, .received = engine->initial()}, {});
  constexpr int epochs = 12;  // of four steps
  double first = 0;
  double last = 0;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    part->train(1, {});
    last = part->finish().loss;
    if (epoch == 0) first = last;
    if (last < 0.6 * first && last < 0.6 * std::log(classes)) break;
  }
  EXPECT_LT(last, 0.6 * first) << "means over an epoch";
  EXPECT_LT(last, 0.6 * std::log(classes)) << "less than by guessing";
}

INSTANTIATE_TEST_SUITE_P(Mobile, Learns,
                         testing::Values(Lesson{"resnet50", 1e-3}, Lesson{"bert-small", 1e-4},
                                         Lesson{"mobilenet_v2", 1e-3, 64},
                                         Lesson{"efficientnet-b1", 1e-4, 64}),
                         [](const auto& test) {
                           std::string name = test.param.architecture;
                           std::erase_if(name, [](char c) { return c == '-' || c == '_'; });
                           return name;
                         });

}  // namespace
}  // namespace convoy::engine
