// Densely connected networks (Huang et al. 2017) as torchvision has them. A block is one dense
// layer, which puts its features beside those that came in, or a transition. Nothing is prunable:
// submodels are cut by depth.

#include <map>

#include "engine/model/builder.hpp"

namespace convoy::engine {
namespace {

void norm_relu_conv(BlockBuilder& b, const std::string& number, int features, int kernel) {
  b.plain(LayerKind::batch_norm, "bn" + number);
  b.plain(LayerKind::relu, "relu" + number);
  b.conv("conv" + number, features, kernel, 1, false);
}

}  // namespace

Architecture make_densenet(const ModelOptions& options) {
  struct DenseNetShape {
    std::vector<int> stages;
    int growth = 32;
    int first = 64;
  };
  static const std::map<std::string, DenseNetShape> shapes = {
      {"densenet121", {.stages = {6, 12, 24, 16}}},
      {"densenet161", {.stages = {6, 12, 36, 24}, .growth = 48, .first = 96}},
      {"densenet169", {.stages = {6, 12, 32, 32}}},
      {"densenet201", {.stages = {6, 12, 48, 32}}},
  };
  constexpr int bottleneck = 4;  // times the growth
  const DenseNetShape& shape = shapes.at(options.architecture);
  Architecture a = image_model(options, 224);
  BlockBuilder stem("stem");
  stem.conv("conv", shape.first, 7, 2, false);
  stem.plain(LayerKind::batch_norm, "bn");
  stem.plain(LayerKind::relu, "relu");
  stem.max_pool("pool", 3, 2, 1);
  a.stem = stem.done();
  int features = shape.first;
  for (std::size_t stage = 0; stage < shape.stages.size(); ++stage) {
    for (int i = 0; i < shape.stages[stage]; ++i) {
      BlockBuilder b("block" + std::to_string(a.depth()));
      norm_relu_conv(b, "1", bottleneck * shape.growth, 1);
      norm_relu_conv(b, "2", shape.growth, 3);
      b.plain(LayerKind::concat, "concat", {Layer::block_input, 5});
      a.blocks.push_back(b.done());
      features += shape.growth;
    }
    if (stage + 1 == shape.stages.size()) break;
    BlockBuilder b("block" + std::to_string(a.depth()));
    features /= 2;
    norm_relu_conv(b, "", features, 1);
    b.put({.kind = LayerKind::average_pool, .name = "pool", .kernel = 2, .stride = 2});
    a.blocks.push_back(b.done());
  }
  add_exits(a, options.exits, [&](BlockBuilder& head, int) {
    head.plain(LayerKind::batch_norm, "bn");
    head.plain(LayerKind::relu, "relu");
    head.plain(LayerKind::global_pool, "pool");
    head.linear("classifier", a.classes, true);
  });
  return a;
}

}  // namespace convoy::engine
