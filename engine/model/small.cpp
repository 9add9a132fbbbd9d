// The small models: linear is multinomial logistic regression, whose training loss is convex; mlp
// is the two-hidden-layer network of the FedAvg paper (McMahan et al. 2017), cnn-small has four
// convolutions of our own.

#include <fmt/format.h>

#include <array>

#include "engine/model/builder.hpp"

namespace convoy::engine {
namespace {

Architecture small_image_model(const ModelOptions& options) {
  Architecture a;
  a.name = options.architecture;
  a.classes = options.classes;
  a.channels = options.channels.value_or(1);
  a.height = a.width = options.image_size.value_or(28);
  a.stem.name = "stem";
  return a;
}

}  // namespace

// One block, which only flattens the image, and the classifier as its exit. No prunable groups:
// every node holds the whole model, whatever its rate.
Architecture make_linear(const ModelOptions& options) {
  Architecture a = small_image_model(options);
  a.width = options.image_width.value_or(a.height);
  BlockBuilder b("block0");
  b.plain(LayerKind::flatten, "flatten");
  a.blocks.push_back(b.done());
  add_exits(a, options.exits,
            [&](BlockBuilder& head, int) { head.linear("classifier", a.classes, true); });
  return a;
}

Architecture make_mlp(const ModelOptions& options) {
  constexpr std::array hidden = {200, 200};
  Architecture a = small_image_model(options);
  BlockBuilder stem("stem");
  stem.plain(LayerKind::flatten, "flatten");
  a.stem = stem.done();
  for (std::size_t i = 0; i < hidden.size(); ++i) {
    const int index = static_cast<int>(i);
    BlockBuilder b(fmt::format("block{}", i));
    const int group =
        add_group(a, fmt::format("block{}.hidden", i), GroupKind::mlp_hidden, index, hidden.at(i));
    b.linear("linear", hidden.at(i), true, group);
    b.plain(LayerKind::relu, "relu");
    a.blocks.push_back(b.done());
  }
  add_exits(a, options.exits,
            [&](BlockBuilder& head, int) { head.linear("classifier", a.classes, true); });
  return a;
}

Architecture make_cnn_small(const ModelOptions& options) {
  constexpr std::array channels = {16, 32, 48, 64};
  Architecture a = small_image_model(options);
  if (a.height < 16) {
    throw base::UserError(
        "model.image_size: cnn-small halves the image four times; use 16 or more");
  }
  for (std::size_t i = 0; i < channels.size(); ++i) {
    const int index = static_cast<int>(i);
    BlockBuilder b(fmt::format("block{}", i));
    const int group =
        add_group(a, fmt::format("block{}.channels", i), GroupKind::channel, index, channels.at(i));
    b.conv("conv", channels.at(i), 3, 1, true, group);
    b.plain(LayerKind::relu, "relu");
    b.max_pool("pool", 2, 2, 0);
    a.blocks.push_back(b.done());
  }
  add_exits(a, options.exits, [&](BlockBuilder& head, int) { add_pooled_head(head, a.classes); });
  return a;
}

}  // namespace convoy::engine
