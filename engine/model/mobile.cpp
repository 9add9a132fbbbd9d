// Small networks: SqueezeNet (Iandola et al. 2016), MobileNetV2 (Sandler et al. 2018), MobileNetV3
// (Howard et al. 2019) and MNASNet (Tan et al. 2019), as in torchvision, with LibTorch's default
// norms. No prunable groups: submodels are cut by depth.

#include <algorithm>
#include <map>

#include "engine/model/builder.hpp"

namespace convoy::engine {
namespace {

Block fire(int index, int squeeze, int expand, bool pool_before) {
  BlockBuilder b("block" + std::to_string(index));
  if (pool_before) b.put(ceil_pool("pool"));
  b.conv("squeeze", squeeze, 1, 1, true);
  const int squeezed = b.plain(LayerKind::relu, "relu_squeeze");
  b.conv("expand1", expand, 1, 1, true);
  const int narrow = b.plain(LayerKind::relu, "relu_expand1");
  b.conv("expand3", expand, 3, 1, true, -1, {squeezed});
  const int wide = b.plain(LayerKind::relu, "relu_expand3");
  b.plain(LayerKind::concat, "concat", {narrow, wide});
  return b.done();
}

// Rounds to a multiple of 8, but reduces by at most a tenth.
int to_eighths(double wanted) {
  const int near = std::max(8, static_cast<int>(wanted + 4) / 8 * 8);
  return near >= 0.9 * wanted ? near : near + 8;
}

// Stages of MobileNetV2 (ReLU6) and MNASNet (ReLU): expansion factor, features, blocks, stride of
// the first block, window.
struct StageShape {
  int expansion;
  int features;
  int blocks;
  int stride;
  int kernel;
};

void norm(BlockBuilder& b, const std::string& what, LayerKind activation) {
  b.plain(LayerKind::batch_norm, "bn_" + what);
  b.plain(activation, "relu_" + what);
}

// Expansion by 1x1, depthwise convolution, projection by 1x1; a residual if shapes allow.
Block inverted_residual(int index, const StageShape& s, int in, int stride, LayerKind activation) {
  BlockBuilder b("block" + std::to_string(index));
  const int inner = in * s.expansion;
  if (s.expansion > 1) {
    b.conv("expand", inner, 1, 1, false);
    norm(b, "expand", activation);
  }
  b.depthwise("depthwise", inner, s.kernel, stride);
  norm(b, "depthwise", activation);
  b.conv("project", s.features, 1, 1, false);
  b.plain(LayerKind::batch_norm, "bn_project");
  if (stride == 1 && in == s.features) {
    b.plain(LayerKind::add, "residual", {Layer::block_input, b.last()});
  }
  return b.done();
}

void add_stages(Architecture& a, const std::vector<StageShape>& stages, int in,
                LayerKind activation) {
  for (const StageShape& s : stages) {
    for (int i = 0; i < s.blocks; ++i) {
      a.blocks.push_back(inverted_residual(a.depth(), s, in, i == 0 ? s.stride : 1, activation));
      in = s.features;
    }
  }
}

// A block of MobileNetV3: window, inner features, output features, squeeze and excitation or not,
// hard swish or ReLU.
struct Bottleneck {
  int kernel;
  int inner;
  int features;
  bool weighed;
  bool swish;
  int stride = 1;
};

const std::vector<Bottleneck>& bottlenecks() {
  static const std::vector<Bottleneck> all = {
      {3, 16, 16, false, false},    {3, 64, 24, false, false, 2}, {3, 72, 24, false, false},
      {5, 72, 40, true, false, 2},  {5, 120, 40, true, false},    {5, 120, 40, true, false},
      {3, 240, 80, false, true, 2}, {3, 200, 80, false, true},    {3, 184, 80, false, true},
      {3, 184, 80, false, true},    {3, 480, 112, true, true},    {3, 672, 112, true, true},
      {5, 672, 160, true, true, 2}, {5, 960, 160, true, true},    {5, 960, 160, true, true}};
  return all;
}

Block bottleneck(int index, const Bottleneck& s, int in, bool dilated) {
  BlockBuilder b("block" + std::to_string(index));
  const auto normed = [&](const std::string& what) {
    b.plain(LayerKind::batch_norm, "bn_" + what);
    return b.plain(s.swish ? LayerKind::hard_swish : LayerKind::relu, "act_" + what);
  };
  if (s.inner != in) {
    b.conv("expand", s.inner, 1, 1, false);
    normed("expand");
  }
  b.depthwise("depthwise", s.inner, s.kernel, dilated ? 1 : s.stride, dilated ? 2 : 1);
  const int wide = normed("depthwise");
  if (s.weighed) {
    b.pooled_map("squeeze");
    b.conv("squeeze1", to_eighths(0.25 * s.inner), 1, 1, true);
    b.plain(LayerKind::relu, "relu_squeeze");
    b.conv("squeeze2", s.inner, 1, 1, true);
    const int factors = b.plain(LayerKind::hard_sigmoid, "factors");
    b.plain(LayerKind::scale, "scale", {wide, factors});
  }
  b.conv("project", s.features, 1, 1, false);
  b.plain(LayerKind::batch_norm, "bn_project");
  if (s.stride == 1 && in == s.features) {
    b.plain(LayerKind::add, "residual", {Layer::block_input, b.last()});
  }
  return b.done();
}

// Convolution, norm and hard swish, at the start and the end of MobileNetV3.
void add_swished(BlockBuilder& b, int features, int kernel, int stride) {
  b.conv("conv", features, kernel, stride, false);
  b.plain(LayerKind::batch_norm, "bn_conv");
  b.plain(LayerKind::hard_swish, "act_conv");
}

// Only the deepest exit widens before pooling.
void add_mobile_exits(Architecture& a, const ModelOptions& options, LayerKind activation) {
  constexpr int width = 1280;
  add_exits(a, options.exits, [&](BlockBuilder& head, int after) {
    if (after < a.depth()) return add_pooled_head(head, a.classes);
    head.conv("conv", width, 1, 1, false);
    norm(head, "conv", activation);
    head.plain(LayerKind::global_pool, "pool");
    head.dropout("dropout", options.dropout);
    head.linear("classifier", a.classes, true);
  });
}

}  // namespace

Architecture make_squeezenet(const ModelOptions& options) {
  const bool first_version = options.architecture == "squeezenet1_0";
  Architecture a = image_model(options, 224);
  BlockBuilder stem("stem");
  stem.put({.kind = LayerKind::conv2d,
            .name = "conv",
            .features = first_version ? 96 : 64,
            .kernel = first_version ? 7 : 3,
            .stride = 2,
            .bias = true});
  stem.plain(LayerKind::relu, "relu");
  stem.put(ceil_pool("pool"));
  a.stem = stem.done();
  static const std::vector<std::pair<int, int>> fires = {
      {16, 64}, {16, 64}, {32, 128}, {32, 128}, {48, 192}, {48, 192}, {64, 256}, {64, 256}};
  for (const auto& [squeeze, expand] : fires) {
    const int i = a.depth();
    const bool pool = first_version ? i == 3 || i == 7 : i == 2 || i == 4;
    a.blocks.push_back(fire(i, squeeze, expand, pool));
  }
  add_exits(a, options.exits, [&](BlockBuilder& head, int) {
    head.dropout("dropout", options.dropout);
    head.conv("classifier", a.classes, 1, 1, true);
    head.plain(LayerKind::relu, "relu");
    head.plain(LayerKind::global_pool, "pool");
  });
  return a;
}

Architecture make_mobilenet(const ModelOptions& options) {
  Architecture a = image_model(options, 224);
  a.first_weights = FirstWeights::mobilenet;
  BlockBuilder stem("stem");
  stem.conv("conv", 32, 3, 2, false);
  norm(stem, "conv", LayerKind::relu6);
  a.stem = stem.done();
  add_stages(a,
             {{1, 16, 1, 1, 3},
              {6, 24, 2, 2, 3},
              {6, 32, 3, 2, 3},
              {6, 64, 4, 2, 3},
              {6, 96, 3, 1, 3},
              {6, 160, 3, 2, 3},
              {6, 320, 1, 1, 3}},
             32, LayerKind::relu6);
  add_mobile_exits(a, options, LayerKind::relu6);
  return a;
}

void add_mobilenet_v3(Architecture& a, bool dilated) {
  BlockBuilder stem("stem");
  add_swished(stem, 16, 3, 2);
  a.stem = stem.done();
  constexpr int last_stage = 12;  // the first of the three blocks whose windows may grow
  int in = 16;
  for (const Bottleneck& s : bottlenecks()) {
    a.blocks.push_back(bottleneck(a.depth(), s, in, dilated && a.depth() >= last_stage));
    in = s.features;
  }
}

void add_mobilenet_v3_widening(BlockBuilder& b) { add_swished(b, 960, 1, 1); }

Architecture make_mobilenet_v3(const ModelOptions& options) {
  Architecture a = image_model(options, 224);
  add_mobilenet_v3(a, false);
  add_exits(a, options.exits, [&](BlockBuilder& head, int after) {
    // Only the deepest exit widens before pooling.
    if (after < a.depth()) return add_pooled_head(head, a.classes);
    add_mobilenet_v3_widening(head);
    head.plain(LayerKind::global_pool, "pool");
    head.linear("hidden", 1280, true);
    head.plain(LayerKind::hard_swish, "act_hidden");
    head.dropout("dropout", options.dropout);
    head.linear("classifier", a.classes, true);
  });
  return a;
}

Architecture make_mnasnet(const ModelOptions& options) {
  static const std::map<std::string, double> widths = {
      {"mnasnet0_5", 0.5}, {"mnasnet0_75", 0.75}, {"mnasnet1_0", 1.0}, {"mnasnet1_3", 1.3}};
  const double width = widths.at(options.architecture);
  const auto scaled = [&](int features) { return to_eighths(features * width); };
  Architecture a = image_model(options, 224);
  BlockBuilder stem("stem");
  stem.conv("conv", scaled(32), 3, 2, false);
  norm(stem, "conv", LayerKind::relu);
  stem.depthwise("depthwise", scaled(32), 3, 1);
  norm(stem, "depthwise", LayerKind::relu);
  stem.conv("project", scaled(16), 1, 1, false);
  stem.plain(LayerKind::batch_norm, "bn_project");
  a.stem = stem.done();
  add_stages(a,
             {{3, scaled(24), 3, 2, 3},
              {3, scaled(40), 3, 2, 5},
              {6, scaled(80), 3, 2, 5},
              {6, scaled(96), 2, 1, 3},
              {6, scaled(192), 4, 2, 5},
              {6, scaled(320), 1, 1, 3}},
             scaled(16), LayerKind::relu);
  add_mobile_exits(a, options, LayerKind::relu);
  return a;
}

}  // namespace convoy::engine
