// Residual networks (He et al. 2016) as torchvision has them, with the ImageNet stem (7x7, pool) or
// the CIFAR one (3x3, no pool).

#include <map>

#include "engine/model/builder.hpp"

namespace convoy::engine {
namespace {

struct ResNetShape {
  std::vector<int> stages;
  bool bottleneck;
};

Block residual_block(Architecture& a, int index, int width, int stride, bool bottleneck,
                     int channels_in, int dilation) {
  const std::string name = "block" + std::to_string(index);
  const int out = bottleneck ? 4 * width : width;
  const auto group = [&](const char* what, GroupKind kind, int size) {
    return add_group(a, name + what, kind, index, size);
  };
  BlockBuilder b(name);
  const auto step = [&](const std::string& number, int features, int kernel, int s, int g,
                        int apart = 1) {
    b.conv("conv" + number, features, kernel, s, false, g, {}, apart);
    b.plain(LayerKind::batch_norm, "bn" + number);
  };
  const int inner = group(".channels1", GroupKind::channel, width);
  step("1", width, bottleneck ? 1 : 3, bottleneck ? 1 : stride, inner);
  b.plain(LayerKind::relu, "relu1");
  if (bottleneck) {
    step("2", width, 3, stride, group(".channels2", GroupKind::channel, width), dilation);
    b.plain(LayerKind::relu, "relu2");
  }
  const int rows = group(".rows", GroupKind::residual_row, out);
  step(bottleneck ? "3" : "2", out, bottleneck ? 1 : 3, 1, rows);
  const int residual = b.scatter("scatter", rows);
  int shortcut = Layer::block_input;
  if (stride != 1 || channels_in != out) {
    b.conv("shortcut", out, 1, stride, false, -1, {Layer::block_input});
    shortcut = b.plain(LayerKind::batch_norm, "shortcut_bn");
  }
  b.plain(LayerKind::add, "residual", {shortcut, residual});
  b.plain(LayerKind::relu, "relu");
  return b.done();
}

}  // namespace

void add_resnet(Architecture& a, const std::string& name, bool dilated) {
  static const std::map<std::string, ResNetShape> shapes = {
      {"resnet18", {{2, 2, 2, 2}, false}},  {"resnet34", {{3, 4, 6, 3}, false}},
      {"resnet50", {{3, 4, 6, 3}, true}},   {"resnet101", {{3, 4, 23, 3}, true}},
      {"resnet152", {{3, 8, 36, 3}, true}},
  };
  const bool cifar = name.ends_with("-cifar");
  const ResNetShape& shape = shapes.at(name.substr(0, name.find('-')));
  BlockBuilder stem("stem");
  stem.conv("conv", 64, cifar ? 3 : 7, cifar ? 1 : 2, false);
  stem.plain(LayerKind::batch_norm, "bn");
  stem.plain(LayerKind::relu, "relu");
  if (!cifar) stem.max_pool("pool", 3, 2, 1);
  a.stem = stem.done();
  int channels = 64;
  int index = 0;
  int dilation = 1;
  for (std::size_t stage = 0; stage < shape.stages.size(); ++stage) {
    const int width = 64 << stage;
    const bool keeps_positions = dilated && stage >= 2;
    for (int i = 0; i < shape.stages[stage]; ++i, ++index) {
      const int stride = stage > 0 && i == 0 && !keeps_positions ? 2 : 1;
      // The first block of a stage still has the windows of the stage before.
      a.blocks.push_back(
          residual_block(a, index, width, stride, shape.bottleneck, channels, dilation));
      channels = shape.bottleneck ? 4 * width : width;
      if (keeps_positions && i == 0) dilation *= 2;
    }
  }
}

Architecture make_resnet(const ModelOptions& options) {
  Architecture a = image_model(options, options.architecture.ends_with("-cifar") ? 32 : 224);
  add_resnet(a, options.architecture, false);
  add_exits(a, options.exits, [&](BlockBuilder& head, int) { add_pooled_head(head, a.classes); });
  return a;
}

}  // namespace convoy::engine
