// Tests parameters, FLOPs and memory against the literature and against sums computed by hand.

#include "engine/model/costs.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <ostream>
#include <utility>

#include "base/diagnostics.hpp"
#include "base/value.hpp"
#include "engine/model/parameters.hpp"
#include "engine/model/submodel.hpp"

namespace convoy::engine {
namespace {

Architecture make(const std::string& name, int classes, std::vector<double> exits = {1.0}) {
  ModelOptions options;
  options.architecture = name;
  options.classes = classes;
  options.exits = std::move(exits);
  return make_architecture(options);
}

// What a table [model] says; without `problem` it must be in order.
ModelOptions read_as(const std::string& toml, std::string* problem = nullptr) {
  base::Diagnostics problems;
  const base::Value table = base::parse_toml(toml, "test", problems);
  base::TableReader reader(table, "model", problems);
  ModelOptions options = read_model(reader);
  if (problem != nullptr) *problem = problems.str();
  EXPECT_EQ(problems.has_errors(), problem != nullptr) << problems.str();
  return options;
}

double parameters(const Architecture& a) { return trace(a, full_submodel(a)).parameters(); }

double forward(const Architecture& a) {
  const std::vector<double> flops = forward_flops(trace(a, full_submodel(a)));
  return std::accumulate(flops.begin(), flops.end(), 0.0);
}

// The papers on images count multiply-adds; we count one multiply-add as two FLOPs.
struct Known {
  const char* name;
  int classes;
  double parameters;
  double multiply_adds;  // 0: not compared
};

std::ostream& operator<<(std::ostream& out, const Known& known) { return out << known.name; }

class Literature : public testing::TestWithParam<Known> {};

TEST_P(Literature, ParametersAndFlops) {
  const Known known = GetParam();
  const Architecture a = make(known.name, known.classes);
  EXPECT_EQ(parameters(a), known.parameters);
  if (known.multiply_adds > 0) {
    // The smallest models spend much on operators that the literature does not count.
    const double within = known.multiply_adds > 0.7e9 ? 0.02 : 0.09;
    EXPECT_NEAR(forward(a) / 2, known.multiply_adds, within * known.multiply_adds);
  }
}

// The running means and variances of 4,800 features in 20 layers are sent, too, and one counter per
// layer: torchvision's state_dict of resnet18 has the same number of values.
TEST(Costs, BuffersAreSentWithTheParameters) {
  const Architecture a = make("resnet18", 1000);
  EXPECT_EQ(transfer_bytes(trace(a, full_submodel(a))), 4 * (11'689'512 + 2 * 4800 + 20));
  // A network without batch norm has none.
  const Architecture b = make("vit-b16", 1000);
  EXPECT_EQ(transfer_bytes(trace(b, full_submodel(b))), 4 * 86'567'656);
}

INSTANTIATE_TEST_SUITE_P(
    Known, Literature,
    testing::Values(
        // torchvision's model pages (ImageNet-1K weights): parameters and "GFLOPS", which are
        // multiply-adds.
        Known{"resnet18", 1000, 11'689'512, 1.814e9}, Known{"resnet34", 1000, 21'797'672, 3.664e9},
        Known{"resnet50", 1000, 25'557'032, 4.089e9}, Known{"vit-b16", 1000, 86'567'656, 17.564e9},
        Known{"resnet101", 1000, 44'549'160, 7.801e9},
        Known{"resnet152", 1000, 60'192'808, 11.514e9}, Known{"alexnet", 1000, 61'100'840, 0.714e9},
        Known{"vgg11", 1000, 132'863'336, 7.609e9}, Known{"vgg11_bn", 1000, 132'868'840, 7.609e9},
        Known{"vgg13", 1000, 133'047'848, 11.308e9}, Known{"vgg13_bn", 1000, 133'053'736, 11.308e9},
        Known{"vgg16", 1000, 138'357'544, 15.470e9}, Known{"vgg16_bn", 1000, 138'365'992, 15.470e9},
        Known{"vgg19", 1000, 143'667'240, 19.632e9}, Known{"vgg19_bn", 1000, 143'678'248, 19.632e9},
        Known{"densenet121", 1000, 7'978'856, 2.834e9},
        Known{"densenet161", 1000, 28'681'000, 7.728e9},
        Known{"densenet169", 1000, 14'149'480, 3.360e9},
        Known{"densenet201", 1000, 20'013'928, 4.291e9},
        Known{"squeezenet1_0", 1000, 1'248'424, 0.819e9},
        Known{"squeezenet1_1", 1000, 1'235'496, 0.349e9},
        Known{"mobilenet_v2", 1000, 3'504'872, 0.301e9},
        Known{"mobilenet_v3_large", 1000, 5'483'032, 0.217e9},
        Known{"efficientnet-b1", 1000, 7'794'184, 0.687e9},
        Known{"mnasnet0_5", 1000, 2'218'512, 0.104e9},
        Known{"mnasnet0_75", 1000, 3'170'208, 0.215e9},
        Known{"mnasnet1_0", 1000, 4'383'312, 0.314e9},
        Known{"mnasnet1_3", 1000, 6'282'256, 0.526e9},
        // DeiT (Touvron et al. 2021), table 5: 5 M and 22 M; timm gives the exact counts.
        Known{"vit-tiny", 1000, 5'717'416, 1.258e9}, Known{"vit-small", 1000, 22'050'664, 4.608e9},
        // FedAvg paper: "199,210 total parameters" for the MNIST 2NN.
        Known{"mlp", 10, 199'210, 0.19921e6},
        // By hand: 28 x 28 weights and a bias for each of 10 classes.
        Known{"linear", 10, 7850, 7840}),
    [](const auto& test) {
      std::string name = test.param.name;
      std::erase(name, '-');
      return name;
    });

TEST(Costs, BertHasThePublishedSizes) {
  // bert-base-uncased: 109,482,240 parameters with its pooler, without a head (2 classes: 1,538).
  const Architecture base = make("bert-base", 2);
  EXPECT_EQ(parameters(base) - 1538, 109'482'240);
  // TinyBERT (Jiao et al. 2020), table 1: 22.5 B FLOPs (multiply-add = 2) at 128 tokens.
  EXPECT_NEAR(forward(base), 22.5e9, 0.02 * 22.5e9);
  // bert-large-uncased, with its pooler; a head of 2 classes has 2,050 more.
  EXPECT_EQ(parameters(make("bert-large", 2)) - 2050, 335'141'888);
  // Turc et al. 2019: BERT-Small has 28.8 M parameters.
  EXPECT_NEAR(parameters(make("bert-small", 2)), 28.8e6, 0.05e6);
}

// torchvision's model pages: parameters (including those of the auxiliary classifier), and
// multiply-adds of an image of 520 x 520 pixels.
TEST(Costs, SegmentationNetworksHaveThePublishedSizes) {
  struct Published {
    const char* name;
    std::vector<double> exits;
    double parameters;
    double multiply_adds;
  };
  for (const Published& p :
       {Published{"fcn_resnet50", {13.0 / 16, 1}, 35'322'218, 152.717e9},
        Published{"fcn_resnet101", {30.0 / 33, 1}, 54'314'346, 232.738e9},
        Published{"deeplabv3_resnet50", {13.0 / 16, 1}, 42'004'074, 178.722e9},
        Published{"deeplabv3_resnet101", {30.0 / 33, 1}, 60'996'202, 258.743e9},
        Published{"deeplabv3_mobilenet_v3_large", {4.0 / 16, 1}, 11'029'328, 10.452e9},
        Published{"lraspp_mobilenet_v3_large", {1}, 3'221'538, 2.086e9}}) {
    const Architecture a = make(p.name, 21, p.exits);
    EXPECT_EQ(parameters(a), p.parameters) << p.name;
    const Trace t = trace(a, full_submodel(a));
    double dense = 0;  // the pages count dense layers only
    for (const Kernel& k : inference_step(t, 1).kernels) dense += is_dense(k.op) ? k.flops : 0;
    EXPECT_NEAR(dense / 2, p.multiply_adds, 0.01 * p.multiply_adds) << p.name;
    EXPECT_EQ(t.layers.back().out.height, 520) << p.name;
    EXPECT_EQ(t.layers.back().out.features, 21) << p.name;
  }
}

// Dilated stages keep an eighth of the size, for an image that is not square in both directions.
TEST(Costs, APictureNeedNotBeSquare) {
  ModelOptions options;
  options.architecture = "fcn_resnet50";
  options.exits = {1.0};
  options.image_size = 384;
  options.image_width = 512;
  const Architecture a = make_architecture(options);
  for (const TracedLayer& t : trace(a, full_submodel(a)).layers) {
    if (t.path != "exit16.classifier") continue;
    EXPECT_EQ(t.out.height, 48);
    EXPECT_EQ(t.out.width, 64);
  }
  options.architecture = "vit-b16";
  const Architecture v = make_architecture(options);
  EXPECT_EQ(trace(v, full_submodel(v)).layers.back().in.features, 768);
  options.image_width = 500;
  EXPECT_THROW(make_architecture(options), base::UserError);
}

TEST(Costs, TheLargestVitHas110MillionParameters) {
  EXPECT_NEAR(parameters(make("vit-0.11b", 300)), 0.115e9, 0.001e9);
}

TEST(Costs, CifarStemsKeepTheResolution) {
  // 3x3 stem without pool at 32x32: 0.557 G multiply-adds, the usual figure for ResNet-18 on CIFAR.
  EXPECT_NEAR(forward(make("resnet18-cifar", 10)) / 2, 0.557e9, 0.01 * 0.557e9);
  EXPECT_EQ(parameters(make("resnet18-cifar", 10)), 11'173'962);
  EXPECT_GT(forward(make("resnet50-cifar", 10)), forward(make("resnet34-cifar", 10)));
}

TEST(Submodels, RatesGiveTheSharesOfTheParametersThatWereMeasured) {
  // Measured on the published Co-S2P slicing: 0.51, 0.21 and 0.053 of ViT-B/16's parameters at
  // rates .75, .5, .25.
  ModelOptions options;
  options.architecture = "vit-b16";
  options.classes = 300;
  options.qkv_bias = false;
  const Architecture a = make_architecture(options);
  const double all = parameters(a);
  const auto share = [&](double rate) {
    return trace(a, nested_submodel(a, rate)).parameters() / all;
  };
  EXPECT_NEAR(share(0.75), 0.51, 0.005);
  EXPECT_NEAR(share(0.5), 0.21, 0.005);
  EXPECT_NEAR(share(0.25), 0.053, 0.002);
  EXPECT_DOUBLE_EQ(share(1), 1);
}

TEST(Submodels, WidthFollowsGroupsByRowsAndColumns) {
  // One ViT block at half width: qkv rows 1/2; projection rows 1/2 and columns 1/2; the MLP
  // likewise.
  const Architecture a = make("vit-b16", 10, {0.25, 0.5, 0.75, 1.0});
  const Trace half = trace(a, nested_submodel(a, 0.5));
  std::map<std::string, const TracedLayer*> at;
  for (const TracedLayer& t : half.layers) at[t.path] = &t;
  EXPECT_EQ(at.at("block0.qkv")->parameters, 3 * 384 * (768 + 1));
  EXPECT_EQ(at.at("block0.projection")->parameters, 384 * (384 + 1));
  EXPECT_EQ(at.at("block0.mlp1")->parameters, 1536 * (768 + 1));
  EXPECT_EQ(at.at("block0.mlp2")->parameters, 384 * (1536 + 1));
  EXPECT_EQ(at.at("block0.residual2")->out.features, 768);
  EXPECT_EQ(at.at("block0.attention")->heads, 6);
  EXPECT_FALSE(at.contains("block6.qkv")) << "depth is 6 blocks";
}

// linear has nothing to prune, and a single block.
TEST(Submodels, EveryArchitectureShrinksWithItsRate) {
  for (const std::string& name : architecture_names()) {
    if (name == "linear") continue;
    const Architecture a = make(name, 10, {0.25, 0.5, 0.75, 1.0});
    double before = 0;
    for (const double rate : {0.25, 0.5, 0.75, 1.0}) {
      if (!a.exit_at(depth_at(a, rate))) continue;
      const Trace t = trace(a, nested_submodel(a, rate));
      EXPECT_GT(t.parameters(), before) << name << " at " << rate;
      before = t.parameters();
    }
    EXPECT_EQ(before, parameters(a));
  }
}

// If exits lie within the share of the depth, a submodel ends at the deepest of them.
TEST(Submodels, EndAtAnExit) {
  int between = 0;
  for (const std::string& name : architecture_names()) {
    const Architecture a = make(name, 10, {0.5, 1.0});
    for (const double rate : {0.5, 0.6, 0.75, 0.9, 0.99, 1.0}) {
      for (const int depth : {nested_submodel(a, rate).depth, depth_submodel(a, rate).depth}) {
        int deepest = 0;
        for (const Exit& exit : a.exits) {
          if (exit.after <= a.depth() * rate) deepest = exit.after;
        }
        if (deepest == 0) continue;
        EXPECT_EQ(depth, deepest) << name << " at " << rate;
        between += a.depth() * rate >= deepest + 1 ? 1 : 0;
      }
    }
  }
  EXPECT_GT(between, 0);
}

// The bytes sent are those of the engine's files, tensor by tensor, including running statistics.
TEST(Submodels, EveryTensorIsSent) {
  bool buffers = false;
  for (const std::string& name : architecture_names()) {
    const Architecture a = make(name, 10, {0.25, 0.5, 0.75, 1.0});
    const std::vector<ParameterTensor> tensors = parameter_tensors(a);
    for (const double rate : {0.25, 0.5, 0.75, 1.0}) {
      for (const Submodel& s : {nested_submodel(a, rate), depth_submodel(a, rate)}) {
        double values = 0;
        for (const ParameterTensor& p : tensors) {
          if (!is_in(p, a, s)) continue;
          double elements = 1;
          for (const std::int64_t length : shape_in(p, kept_of(p, a, s))) {
            elements *= static_cast<double>(length);
          }
          values += elements;
          buffers = buffers || p.buffer;
        }
        EXPECT_EQ(transfer_bytes(trace(a, s)), 4 * values) << name << " at " << rate;
      }
    }
  }
  EXPECT_TRUE(buffers);
}

TEST(Submodels, WithoutAnExitWithinItsDepthThereIsNone) {
  const Architecture a = make("vit-b16", 10);  // one exit, at the end
  EXPECT_THROW(trace(a, nested_submodel(a, 0.5)), base::UserError);
}

double flops_of(const StepCost& step, OpClass op) {
  double sum = 0;
  for (const Kernel& k : step.kernels) sum += k.op == op ? k.flops : 0;
  return sum;
}

TEST(Steps, ATrainingStepCostsThreeTimesTheForwardOfItsDenseLayers) {
  // All dense layers except the first have an input gradient and a weight gradient.
  const Architecture a = make("resnet18", 1000);
  const Trace t = trace(a, full_submodel(a));
  const StepCost training = training_step(t, Optimizer::sgd, Phase::weights, 4);
  double dense = 0;
  double first = 0;
  for (const TracedLayer& l : t.layers) {
    if (l.layer->kind != LayerKind::conv2d) continue;
    const double flops = 2.0 * l.layer->kernel * l.layer->kernel * l.in.features * l.out.elements();
    if (dense == 0) first = flops;
    dense += flops;
  }
  EXPECT_DOUBLE_EQ(flops_of(training, OpClass::convolution), 4 * (3 * dense - first));
}

TEST(Steps, TheMlpsStepByHand) {
  // 784-200-200-10, batch 1. Forward products: 2 x (156800 + 40000 + 2000). Weight gradients: the
  // same. Input gradients: only of the second and third layer.
  const Architecture a = make("mlp", 10);
  const Trace t = trace(a, full_submodel(a));
  const StepCost step = training_step(t, Optimizer::sgd, Phase::weights, 1);
  const double forward_products = 2 * (156'800 + 40'000 + 2'000) + 410;  // plus the biases
  EXPECT_DOUBLE_EQ(flops_of(step, OpClass::matrix_product),
                   forward_products + 2 * (156'800 + 40'000 + 2'000) + 2 * (40'000 + 2'000));
}

// The kernels of each exit's loss are launched separately, also those of the last exit.
TEST(Steps, EachExitHasALossOfItsOwn) {
  for (const std::vector<double>& exits :
       {std::vector<double>{1.0}, {0.5, 1.0}, {0.25, 0.5, 0.75, 1.0}}) {
    const Architecture a = make("vit-micro", 10, exits);
    const StepCost step =
        training_step(trace(a, full_submodel(a)), Optimizer::sgd, Phase::weights, 2);
    const auto only_launched =
        std::count_if(step.kernels.begin(), step.kernels.end(),
                      [](const Kernel& k) { return k.flops == 0 && k.bytes == 0; });
    EXPECT_EQ(only_launched, 4 * exits.size());
  }
}

// Exits that teach each other: launches alone, of engine/learning/loss.cpp, from_each().
TEST(StepExtras, MutualTeachingLaunchesPerExitAndPerPair) {
  for (const std::vector<double>& exits :
       std::vector<std::vector<double>>{{1.0}, {0.5, 1.0}, {0.25, 0.5, 0.75, 1.0}}) {
    ModelOptions model{.architecture = "cnn-small", .classes = 100, .exits = exits};
    const Architecture a = make_architecture(model);
    const Trace t = trace(a, full_submodel(a));
    const StepCost plain = training_step(t, Optimizer::sgd, Phase::weights, 8);
    const StepCost mutual =
        training_step(t, Optimizer::sgd, Phase::weights, 8, Precision::fp32, {.mutual = true});
    const std::size_t n = exits.size();
    EXPECT_EQ(mutual.kernels.size() - plain.kernels.size(), n < 2 ? 0 : 7 * n + 7 * n * (n - 1));
    EXPECT_EQ(mutual.flops(), plain.flops());
  }
}

// Of cnn-small at a half: 8, 16, 24 and 32 channels at 28, 14, 7 and 3 pixels a side.
TEST(StepExtras, TheScalerGoesOverWhatLayersOfAGroupGiveForwardAndBackward) {
  const Architecture a =
      make_architecture({.architecture = "cnn-small", .classes = 10, .exits = {1.0}});
  const Trace t = trace(a, nested_submodel(a, 0.5, true));
  const StepCost plain = training_step(t, Optimizer::sgd, Phase::weights, 2);
  const StepCost scaled =
      training_step(t, Optimizer::sgd, Phase::weights, 2, Precision::fp32, {.scaled = true});
  EXPECT_EQ(scaled.kernels.size() - plain.kernels.size(), 2 * 4);
  const double elements = 2.0 * (8 * 28 * 28 + 16 * 14 * 14 + 24 * 7 * 7 + 32 * 3 * 3);
  EXPECT_EQ(scaled.flops() - plain.flops(), 2 * elements);
  const auto bytes = [](const StepCost& step) {
    double sum = 0;
    for (const Kernel& k : step.kernels) sum += k.bytes;
    return sum;
  };
  EXPECT_NEAR(bytes(scaled) - bytes(plain), 4 * 2 * 2 * elements, 1e-3);
}

// The widest moment of the mlp is its first layer: the image, flattened, and 200 numbers.
TEST(InferenceMemory, IsWeightsAndTheValuesThatAreStillNeeded) {
  const Architecture a = make_architecture({.architecture = "mlp", .classes = 10, .exits = {1.0}});
  const Trace t = trace(a, full_submodel(a));
  EXPECT_EQ(inference_memory(t, 3), 4 * (t.parameters() + 3 * 2 * 784.0));
  // A residual is kept until it is added: more than its own layer's input and output.
  const Architecture r = make_architecture({.architecture = "resnet18-cifar", .classes = 10});
  const Trace s = trace(r, full_submodel(r));
  const double plane = 64.0 * 32 * 32;
  EXPECT_EQ(inference_memory(s, 2), 4 * (s.parameters() + s.buffers() + 2 * 3 * plane));
}

// --- precision ----------------------------------------------------------------------------------

double bytes_of(const StepCost& step, bool (*which)(const Kernel&)) {
  double sum = 0;
  for (const Kernel& k : step.kernels) sum += which(k) ? k.bytes : 0;
  return sum;
}

// PyTorch's defaults: TF32 for convolutions, and only for those computed by tensor cores.
TEST(Precision, IsThatOfPyTorch) {
  const Architecture a = make("mobilenet_v3_large", 10);
  const Trace t = trace(a, full_submodel(a));
  std::map<std::pair<OpClass, Precision>, std::set<Number>> numbers;
  for (const Precision p : {Precision::fp32, Precision::fp32_strict, Precision::fp16}) {
    for (const Kernel& k : inference_step(t, 2, p).kernels) numbers[{k.op, p}].insert(k.number);
  }
  using Numbers = std::set<Number>;
  EXPECT_EQ((numbers[{OpClass::convolution, Precision::fp32}]), Numbers{Number::tf32});
  EXPECT_EQ((numbers[{OpClass::convolution, Precision::fp32_strict}]), Numbers{Number::fp32});
  EXPECT_EQ((numbers[{OpClass::convolution, Precision::fp16}]), Numbers{Number::fp16});
  EXPECT_EQ((numbers[{OpClass::matrix_product, Precision::fp32}]), Numbers{Number::fp32});
  EXPECT_EQ((numbers[{OpClass::depthwise, Precision::fp32}]), Numbers{Number::fp32});
  EXPECT_EQ((numbers[{OpClass::elementwise, Precision::fp32}]), Numbers{Number::fp32});
}

// Half the bytes; everything else is equal.
TEST(Precision, InferenceInHalfPrecisionMovesHalf) {
  for (const char* name : {"resnet18", "vit-micro", "mobilenet_v2"}) {
    const Architecture a = make(name, 10);
    const Trace t = trace(a, full_submodel(a));
    const StepCost whole = inference_step(t, 3);
    const StepCost half = inference_step(t, 3, Precision::fp16);
    ASSERT_EQ(whole.kernels.size(), half.kernels.size());
    for (std::size_t i = 0; i < whole.kernels.size(); ++i) {
      EXPECT_EQ(half.kernels[i].flops, whole.kernels[i].flops);
      EXPECT_EQ(half.kernels[i].bytes, whole.kernels[i].bytes / 2) << name << " " << i;
    }
  }
}

TEST(Precision, MixedLeavesTheUpdateInFp32) {
  for (const char* name : {"resnet18", "vit-micro", "bert-small"}) {
    const Architecture a = make(name, 10);
    const Trace t = trace(a, full_submodel(a));
    const StepCost single = training_step(t, Optimizer::adamw, Phase::weights, 4);
    const StepCost mixed =
        training_step(t, Optimizer::adamw, Phase::weights, 4, Precision::fp16_mixed);
    // Products have the same FLOPs and half the traffic.
    const auto dense = [](const Kernel& k) { return is_dense(k.op); };
    EXPECT_EQ(bytes_of(mixed, dense), bytes_of(single, dense) / 2) << name;
    for (const auto& op : op_class_words) {
      if (!is_dense(op.value)) continue;
      EXPECT_EQ(flops_of(mixed, op.value), flops_of(single, op.value)) << name;
    }
    // The update's kernels, at the end, are equal.
    ASSERT_GT(mixed.kernels.size(), single.kernels.size()) << name;  // casts
    std::size_t update = 0;
    for (const TracedLayer& l : t.layers) update += static_cast<std::size_t>(l.parameter_tensors);
    for (std::size_t i = 1; i <= update; ++i) {
      const Kernel& m = mixed.kernels[mixed.kernels.size() - i];
      const Kernel& s = single.kernels[single.kernels.size() - i];
      EXPECT_EQ(m.bytes, s.bytes) << name << " " << i;
      EXPECT_EQ(m.number, Number::fp32) << name << " " << i;
    }
    // Only with few samples does casting the weights cost more than it saves.
    const auto all = [](const Kernel&) { return true; };
    EXPECT_LT(
        bytes_of(training_step(t, Optimizer::adamw, Phase::weights, 64, Precision::fp16_mixed),
                 all),
        bytes_of(training_step(t, Optimizer::adamw, Phase::weights, 64), all))
        << name;
    // Memory is less, but more than half.
    const MemoryCost m =
        training_memory(t, Optimizer::adamw, Phase::weights, 64, false, Precision::fp16_mixed);
    const MemoryCost s = training_memory(t, Optimizer::adamw, Phase::weights, 64);
    EXPECT_LT(m.total(), s.total()) << name;
    EXPECT_GT(m.total(), s.total() / 2) << name;
    EXPECT_EQ(m.optimizer, s.optimizer) << name;
  }
}

// The bytes of a step in FP32 do not change.
TEST(Precision, StrictDiffersFromTheDefaultInItsConvolutionsAlone) {
  const Architecture a = make("resnet18", 10);
  const Trace t = trace(a, full_submodel(a));
  const StepCost loose = training_step(t, Optimizer::sgd, Phase::weights, 2);
  const StepCost strict =
      training_step(t, Optimizer::sgd, Phase::weights, 2, Precision::fp32_strict);
  ASSERT_EQ(loose.kernels.size(), strict.kernels.size());
  for (std::size_t i = 0; i < loose.kernels.size(); ++i) {
    EXPECT_EQ(loose.kernels[i].bytes, strict.kernels[i].bytes);
    EXPECT_EQ(loose.kernels[i].number != strict.kernels[i].number,
              loose.kernels[i].op == OpClass::convolution);
  }
}

// For each value of the updates (5, 5 and 10), and for each of the model's 10 values at the end: a
// weighted sum (two FLOPs; reads both, writes one).
TEST(Steps, AnAggregationByHand) {
  const StepCost step = aggregation_step(40, {20, 20, 40});
  EXPECT_EQ(step.flops(), 2 * (5 + 5 + 10) + 2 * 10);
  double bytes = 0;
  for (const Kernel& k : step.kernels) bytes += k.bytes;
  EXPECT_EQ(bytes, 3 * (20 + 20 + 40 + 40));
}

TEST(Steps, MemoryByHand) {
  // The peak is where Adan updates the largest tensor: weights, gradients, four states, the square
  // root; of the activations only the batch remains (784 values and a label).
  const Architecture a = make("mlp", 10);
  const Trace t = trace(a, full_submodel(a));
  const MemoryCost m = training_memory(t, Optimizer::adan, Phase::weights, 3);
  EXPECT_EQ(m.weights, 4 * 199'210);
  EXPECT_EQ(m.gradients, 4 * 199'210);
  EXPECT_EQ(m.optimizer, 16 * 199'210);
  EXPECT_EQ(m.activations, 3 * (4 * 784 + 8));
  EXPECT_EQ(m.workspace, 4 * 784 * 200);
  // With a proximal term the received weights stay in memory beside the trained ones.
  const MemoryCost proximal = training_memory(t, Optimizer::adan, Phase::weights, 3, true);
  EXPECT_EQ(proximal.total() - m.total(), 4 * 199'210);
}

TEST(Steps, MemoryOfActivationsByHand) {
  // With a large batch the peak is where backward reaches the second ReLU: the batch, both hidden
  // vectors (200 each; ReLU's output is the next layer's input), the gradients of the ReLU's output
  // and input, and the classifier's parameter gradients.
  const Architecture a = make("mlp", 10);
  const Trace t = trace(a, full_submodel(a));
  constexpr int batch = 10'000;
  const MemoryCost m = training_memory(t, Optimizer::sgd, Phase::weights, batch);
  EXPECT_EQ(m.gradients, 4 * 2010);
  EXPECT_EQ(m.activations, batch * (4.0 * (784 + 200 + 200) + 8));
  EXPECT_EQ(m.workspace, batch * 4.0 * (200 + 200));
}

TEST(Steps, TheMaskPhaseTrainsFewParametersAndKeepsGatedCopies) {
  const Architecture a = make("vit-micro", 10, {0.25, 0.5, 0.75, 1.0});
  const Trace t = trace(a, depth_submodel(a, 0.5), true);
  const MemoryCost mask = training_memory(t, Optimizer::adan, Phase::mask, 8);
  const MemoryCost weights = training_memory(t, Optimizer::adan, Phase::weights, 8);
  EXPECT_LT(mask.gradients, 0.2 * weights.gradients);
  EXPECT_LT(mask.optimizer, 0.2 * weights.optimizer);
  EXPECT_GT(mask.weights, 1.5 * weights.weights);
  int exits = 0;
  for (const TracedLayer& l : t.layers) exits += l.path.ends_with(".classifier") ? 1 : 0;
  EXPECT_EQ(exits, 1);
}

TEST(Submodels, OfALinearModelAreTheWholeModel) {
  const Architecture a = make("linear", 10, {0.25, 0.5, 0.75, 1.0});
  ASSERT_EQ(a.exits.size(), 1);
  for (const double rate : {0.1, 0.5, 1.0}) {
    EXPECT_EQ(trace(a, nested_submodel(a, rate)).parameters(), 7850) << rate;
    EXPECT_EQ(trace(a, depth_submodel(a, rate)).parameters(), 7850) << rate;
  }
  const Architecture wide = make_architecture(
      {.architecture = "linear", .classes = 3, .image_size = 2, .image_width = 5, .channels = 3});
  EXPECT_EQ(parameters(wide), 3 * (2 * 5 * 3 + 1));
  EXPECT_THROW(make_architecture({.architecture = "linear", .exits = {0.5}}), base::UserError);
}

TEST(Steps, MemoryAndTimeFallWithTheRate) {
  for (const std::string& name : architecture_names()) {
    if (name == "linear") continue;  // every submodel of it is the whole model
    const Architecture a = make(name, 10, {0.25, 0.5, 0.75, 1.0});
    double memory = 0;
    double flops = 0;
    for (const double rate : {0.5, 0.75, 1.0}) {
      const Trace t = trace(a, nested_submodel(a, rate));
      const double m = training_memory(t, Optimizer::adamw, Phase::weights, 16).total();
      const double f = training_step(t, Optimizer::adamw, Phase::weights, 16).flops();
      EXPECT_GT(m, memory) << name;
      EXPECT_GT(f, flops) << name;
      memory = m;
      flops = f;
    }
  }
}

// The other spelling is the same architecture, under its name.
TEST(Architectures, AreFoundByOtherSpellings) {
  for (const auto& [spelling, name] : {std::pair{"mobilenetv2", "mobilenet_v2"},
                                       std::pair{"efficientnet_b1", "efficientnet-b1"}}) {
    const Architecture a = make(spelling, 10);
    EXPECT_EQ(a.name, name);
    EXPECT_EQ(parameters(a), parameters(make(name, 10)));
    EXPECT_EQ(architecture_name(spelling), name);
    EXPECT_EQ(architecture_name(name), name);
    const ModelOptions read = read_as(fmt::format("architecture = \"{}\"", spelling));
    EXPECT_EQ(read.architecture, name);
    EXPECT_EQ(std::ranges::count(architecture_names(), spelling), 0);
    EXPECT_EQ(std::ranges::count(architecture_spellings(), spelling), 1);
  }
  try {
    make("mobilnetv2", 10);
    ADD_FAILURE() << "no error";
  } catch (const base::UserError& error) {
    EXPECT_NE(std::string(error.what()).find("did you mean \"mobilenetv2\"?"), std::string::npos)
        << error.what();
  }
}

TEST(Architectures, StochasticDepthIsOfEfficientNetAlone) {
  EXPECT_EQ(read_as("architecture = \"efficientnet-b1\"\nstochastic_depth = 0.2").stochastic_depth,
            0.2);
  std::string problem;
  read_as("architecture = \"mobilenet_v2\"\nstochastic_depth = 0.2", &problem);
  EXPECT_NE(problem.find("mobilenet_v2 has no stochastic depth"), std::string::npos) << problem;
}

TEST(Architectures, OptionsThatDoNotFitAreRefused) {
  ModelOptions options;
  options.architecture = "vit-b16";
  options.image_size = 100;
  EXPECT_THROW(make_architecture(options), base::UserError);
  options.architecture = "cnn-small";
  options.image_size = 8;
  EXPECT_THROW(make_architecture(options), base::UserError);
  options.architecture = "resnet81";
  EXPECT_THROW(make_architecture(options), base::UserError);
  options = {};
  options.architecture = "mlp";
  options.exits = {0.25};  // before the end of the first of two blocks
  EXPECT_THROW(make_architecture(options), base::UserError);
}

}  // namespace
}  // namespace convoy::engine
