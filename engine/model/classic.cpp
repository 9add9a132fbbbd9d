// AlexNet (Krizhevsky 2014, one weird trick) and VGG (Simonyan and Zisserman 2015), as in
// torchvision. No prunable groups: submodels are cut by depth.

#include <map>

#include "engine/model/builder.hpp"

namespace convoy::engine {
namespace {

// The fully connected layers at the end of both, after pooling to side x side positions.
void add_wide_head(BlockBuilder& b, int side, const ModelOptions& options) {
  constexpr int width = 4096;
  b.put({.kind = LayerKind::adaptive_pool, .name = "pool", .kernel = side});
  b.plain(LayerKind::flatten, "flatten");
  b.dropout("dropout1", options.dropout);
  b.linear("linear1", width, true);
  b.plain(LayerKind::relu, "relu1");
  b.dropout("dropout2", options.dropout);
  b.linear("linear2", width, true);
  b.plain(LayerKind::relu, "relu2");
  b.linear("classifier", options.classes, true);
}

// Earlier exits are of the usual kind.
void add_classic_exits(Architecture& a, int side, const ModelOptions& options) {
  add_exits(a, options.exits, [&](BlockBuilder& head, int after) {
    if (after < a.depth()) return add_pooled_head(head, a.classes);
    add_wide_head(head, side, options);
  });
}

}  // namespace

Architecture make_alexnet(const ModelOptions& options) {
  Architecture a = image_model(options, 224);
  struct Stage {
    int features;
    int kernel;
    int stride;
    int padding;
    bool pool;
  };
  constexpr int first = 11;
  for (const Stage& s :
       {Stage{64, first, 4, 2, true}, Stage{192, 5, 1, 2, true}, Stage{384, 3, 1, 1, false},
        Stage{256, 3, 1, 1, false}, Stage{256, 3, 1, 1, true}}) {
    BlockBuilder b("block" + std::to_string(a.depth()));
    b.put({.kind = LayerKind::conv2d,
           .name = "conv",
           .features = s.features,
           .kernel = s.kernel,
           .stride = s.stride,
           .padding = s.padding,
           .bias = true});
    b.plain(LayerKind::relu, "relu");
    if (s.pool) b.max_pool("pool", 3, 2, 0);
    a.blocks.push_back(b.done());
  }
  constexpr int side = 6;
  add_classic_exits(a, side, options);
  return a;
}

Architecture make_vgg(const ModelOptions& options) {
  // Convolutions between two poolings; their channels double up to 512.
  static const std::map<std::string, std::vector<int>> shapes = {
      {"vgg11", {1, 1, 2, 2, 2}},
      {"vgg13", {2, 2, 2, 2, 2}},
      {"vgg16", {2, 2, 3, 3, 3}},
      {"vgg19", {2, 2, 4, 4, 4}},
  };
  const bool norms = options.architecture.ends_with("_bn");
  const auto& stages = shapes.at(options.architecture.substr(0, options.architecture.find('_')));
  Architecture a = image_model(options, 224);
  for (std::size_t stage = 0; stage < stages.size(); ++stage) {
    const int width = std::min(64 << stage, 512);
    for (int i = 0; i < stages[stage]; ++i) {
      BlockBuilder b("block" + std::to_string(a.depth()));
      b.conv("conv", width, 3, 1, true);
      if (norms) b.plain(LayerKind::batch_norm, "bn");
      b.plain(LayerKind::relu, "relu");
      if (i + 1 == stages[stage]) b.max_pool("pool", 2, 2, 0);
      a.blocks.push_back(b.done());
    }
  }
  constexpr int side = 7;
  add_classic_exits(a, side, options);
  return a;
}

}  // namespace convoy::engine
