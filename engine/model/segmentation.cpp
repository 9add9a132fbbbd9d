// A class for every pixel, as torchvision has it: FCN (Long et al. 2015) and DeepLabV3 (Chen et al.
// 2017) on dilated ResNets, DeepLabV3 and LR-ASPP (Howard et al. 2019) on MobileNetV3. An exit that
// is not the last is the auxiliary classifier of the reference (with 16 blocks of ResNet-50 after
// the 13th, exits = [0.8125, 1.0]; of ResNet-101 after the 30th of 33). For timing only.

#include "engine/model/builder.hpp"

namespace convoy::engine {
namespace {

// Features of a block's output: those of the last layer that gives a number.
int features_of(const Block& block) {
  int features = 0;
  for (const Layer& layer : block.layers) {
    if (layer.features > 0) features = layer.features;
  }
  return features;
}

int convolved(BlockBuilder& b, const std::string& what, int features, int kernel, int dilation = 1,
              std::vector<int> inputs = {}) {
  b.conv(what, features, kernel, 1, false, -1, std::move(inputs), dilation);
  b.plain(LayerKind::batch_norm, "bn_" + what);
  return b.plain(LayerKind::relu, "relu_" + what);
}

// A quarter of the features by 3x3, then scores.
void add_fcn(BlockBuilder& b, const Architecture& a, int in, double dropout) {
  convolved(b, "conv", in / 4, 3);
  b.dropout("dropout", dropout);
  b.conv("classifier", a.classes, 1, 1, true);
}

// Four window widths and the mean of all positions, concatenated ("atrous spatial pyramid
// pooling"), then scores. The map has height x width positions.
void add_deeplab(BlockBuilder& b, const Architecture& a, int height, int width, double dropout) {
  constexpr int features = 256;
  const int input = b.last();  // -1: the block's input
  std::vector<int> parts = {convolved(b, "aspp0", features, 1)};
  for (const int rate : {12, 24, 36}) {
    parts.push_back(convolved(b, "aspp" + std::to_string(rate), features, 3, rate, {input}));
  }
  b.pooled_map("aspp_pool", {input});
  convolved(b, "aspp_pooled", features, 1);
  parts.push_back(b.upsample("aspp_spread", height, width));
  b.plain(LayerKind::concat, "aspp", parts);
  convolved(b, "project", features, 1);
  b.dropout("dropout", dropout);
  convolved(b, "conv", features, 3);
  b.conv("classifier", a.classes, 1, 1, true);
}

// The rest of MobileNetV3, plus scores from its finer input map (40 features).
Block lraspp(const Architecture& a, const std::vector<Block>& rest, int height, int width) {
  constexpr int features = 128;
  BlockBuilder b("block" + std::to_string(a.depth()));
  int deep = 0;
  for (const Block& block : rest) deep = b.append(block);
  const int narrow = convolved(b, "narrow", features, 1, 1, {deep});
  b.pooled_map("pool", {deep});
  b.conv("weigh", features, 1, 1, false);
  const int factors = b.plain(LayerKind::sigmoid, "factors");
  b.plain(LayerKind::scale, "scale", {narrow, factors});
  b.upsample("finer", height, width);
  const int high = b.conv("high", a.classes, 1, 1, true);
  const int low = b.conv("low", a.classes, 1, 1, true, -1, {Layer::block_input});
  b.plain(LayerKind::add, "scores", {low, high});
  return b.done();
}

}  // namespace

Architecture make_segmentation(const ModelOptions& options) {
  const std::string& name = options.architecture;
  const std::string backbone = name.substr(name.find('_') + 1);
  const bool mobile = backbone.starts_with("mobilenet");
  Architecture a = image_model(options, 520);
  a.per_pixel = true;
  // Positions after repeated halving, rounded up each time.
  const auto over = [](int size, int part) { return (size + part - 1) / part; };
  if (mobile) {
    add_mobilenet_v3(a, true);
    BlockBuilder widening("block" + std::to_string(a.depth()));
    add_mobilenet_v3_widening(widening);
    a.blocks.push_back(widening.done());
  } else {
    add_resnet(a, backbone, true);
  }
  if (name.starts_with("lraspp")) {
    constexpr int finer = 4;  // blocks up to an eighth of the size
    const std::vector<Block> rest(a.blocks.begin() + finer, a.blocks.end());
    a.blocks.resize(finer);
    a.blocks.push_back(lraspp(a, rest, over(a.height, 8), over(a.width, 8)));
  }
  add_exits(a, options.exits, [&](BlockBuilder& head, int after) {
    const int part = mobile ? 16 : 8;
    if (after < a.depth() || name.starts_with("fcn")) {
      const Block& before = a.blocks[static_cast<std::size_t>(after - 1)];
      add_fcn(head, a, features_of(before), options.dropout);
    } else if (name.starts_with("deeplab")) {
      add_deeplab(head, a, over(a.height, part), over(a.width, part), options.dropout);
    }
    head.upsample("upsample", a.height, a.width);
  });
  return a;
}

}  // namespace convoy::engine
