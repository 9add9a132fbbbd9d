// Vision transformers (Dosovitskiy et al. 2021; tiny and small as in DeiT, Touvron et al. 2021).
// vit-micro and vit-0.11b are sizes of our own.

#include <fmt/format.h>

#include <map>

#include "engine/model/builder.hpp"

namespace convoy::engine {
namespace {

struct Size {
  int image, patch, channels;
  TransformerShape shape;
};

const std::map<std::string, Size>& sizes() {
  static const std::map<std::string, Size> all = {
      {"vit-micro", {28, 4, 1, {.width = 64, .depth = 4, .heads = 4, .mlp = 256}}},
      {"vit-tiny", {224, 16, 3, {.width = 192, .depth = 12, .heads = 3, .mlp = 768}}},
      {"vit-small", {224, 16, 3, {.width = 384, .depth = 12, .heads = 6, .mlp = 1536}}},
      {"vit-b16", {224, 16, 3, {.width = 768, .depth = 12, .heads = 12, .mlp = 3072}}},
      // 16 blocks instead of 12 give 114.9 million parameters: the largest size that the Co-S2P
      // abstract names, whose shape is not public.
      {"vit-0.11b", {224, 16, 3, {.width = 768, .depth = 16, .heads = 12, .mlp = 3072}}},
  };
  return all;
}

}  // namespace

Architecture make_vit(const ModelOptions& options) {
  const Size& size = sizes().at(options.architecture);
  Architecture a;
  a.name = options.architecture;
  a.classes = options.classes;
  a.channels = options.channels.value_or(size.channels);
  a.height = options.image_size.value_or(size.image);
  a.width = options.image_width.value_or(a.height);
  for (const int side : {a.height, a.width}) {
    if (side % size.patch != 0) {
      throw base::UserError(fmt::format("model.image_size: {} is no multiple of {}'s patch of {}",
                                        side, a.name, size.patch));
    }
  }
  BlockBuilder stem("stem");
  stem.put({.kind = LayerKind::conv2d,
            .name = "patch",
            .features = size.shape.width,
            .kernel = size.patch,
            .stride = size.patch,
            .bias = true});
  stem.put({.kind = LayerKind::tokens, .name = "tokens", .cls = true});
  a.stem = stem.done();
  add_transformer_blocks(a, size.shape, options);
  add_exits(a, options.exits, [&](BlockBuilder& head, int) {
    head.plain(LayerKind::select_first, "cls");
    head.plain(LayerKind::layer_norm, "norm");
    head.linear("classifier", a.classes, true);
  });
  return a;
}

}  // namespace convoy::engine
