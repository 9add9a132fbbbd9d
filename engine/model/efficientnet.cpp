// EfficientNet (Tan and Le 2019) as in torchvision: inverted residuals with squeeze and excitation,
// swish throughout, LibTorch's default norms. The squeezed features are a quarter of those that
// enter the block, before it widens them. No prunable groups: submodels are cut by depth.
//
// Dropout before the classifier and stochastic depth are options, 0 unless given; the original has
// 0.2 of both for B1. As there the share of samples whose residual is dropped rises evenly from
// block to block, from 0 at the first.

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/model/builder.hpp"

namespace convoy::engine {
namespace {

// Stages of B0: expansion factor, window, stride of the first block, features, blocks.
struct SwishStage {
  int expansion;
  int kernel;
  int stride;
  int features;
  int blocks;
};
constexpr int stem_features = 32;
constexpr int last_features = 1280;
const std::vector<SwishStage>& swish_stages() {
  static const std::vector<SwishStage> all = {
      {1, 3, 1, 16, 1},  {6, 3, 2, 24, 2},  {6, 5, 2, 40, 2}, {6, 3, 2, 80, 3},
      {6, 5, 1, 112, 3}, {6, 5, 2, 192, 4}, {6, 3, 1, 320, 1}};
  return all;
}

// How a member of the family differs from B0. (From B2 on the features differ, too.)
struct Scaling {
  double depth;
  int image;
};

void norm_and_swish(BlockBuilder& b, const std::string& what) {
  b.plain(LayerKind::batch_norm, "bn_" + what);
  b.plain(LayerKind::silu, "swish_" + what);
}

Block swish_block(int index, const SwishStage& s, int in, int stride, double dropped) {
  BlockBuilder b("block" + std::to_string(index));
  const int inner = in * s.expansion;
  if (s.expansion > 1) {
    b.conv("expand", inner, 1, 1, false);
    norm_and_swish(b, "expand");
  }
  b.depthwise("depthwise", inner, s.kernel, stride);
  norm_and_swish(b, "depthwise");
  const int wide = b.last();
  b.pooled_map("squeeze");
  b.conv("squeeze1", std::max(1, in / 4), 1, 1, true);
  b.plain(LayerKind::silu, "swish_squeeze");
  b.conv("squeeze2", inner, 1, 1, true);
  const int factors = b.plain(LayerKind::sigmoid, "factors");
  b.plain(LayerKind::scale, "scale", {wide, factors});
  b.conv("project", s.features, 1, 1, false);
  b.plain(LayerKind::batch_norm, "bn_project");
  if (stride == 1 && in == s.features) {
    b.stochastic_depth("stochastic_depth", dropped);
    b.plain(LayerKind::add, "residual", {Layer::block_input, b.last()});
  }
  return b.done();
}

}  // namespace

Architecture make_efficientnet(const ModelOptions& options) {
  static const std::map<std::string, Scaling> family = {{"efficientnet-b1", {1.1, 240}}};
  const Scaling& scaling = family.at(options.architecture);
  const auto blocks_of = [&](const SwishStage& s) {
    return static_cast<int>(std::ceil(scaling.depth * s.blocks));
  };
  Architecture a = image_model(options, scaling.image);
  a.first_weights = FirstWeights::efficientnet;
  BlockBuilder stem("stem");
  stem.conv("conv", stem_features, 3, 2, false);
  norm_and_swish(stem, "conv");
  a.stem = stem.done();
  int all = 0;
  for (const SwishStage& s : swish_stages()) all += blocks_of(s);
  int in = stem_features;
  for (const SwishStage& s : swish_stages()) {
    for (int i = 0; i < blocks_of(s); ++i) {
      const double dropped = options.stochastic_depth * a.depth() / all;
      a.blocks.push_back(swish_block(a.depth(), s, in, i == 0 ? s.stride : 1, dropped));
      in = s.features;
    }
  }
  add_exits(a, options.exits, [&](BlockBuilder& head, int after) {
    // Only the deepest exit widens before pooling.
    if (after < a.depth()) return add_pooled_head(head, a.classes);
    head.conv("conv", last_features, 1, 1, false);
    norm_and_swish(head, "conv");
    head.plain(LayerKind::global_pool, "pool");
    head.dropout("dropout", options.dropout);
    head.linear("classifier", a.classes, true);
  });
  return a;
}

}  // namespace convoy::engine
