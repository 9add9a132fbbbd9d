#pragma once

// Helpers to define architectures layer by layer, for the families (vit.cpp, resnet.cpp, ...).

#include <string>
#include <utility>
#include <vector>

#include "engine/model/architecture.hpp"

namespace convoy::engine {

// Appends layers to a block; each call gives the new layer's index.
class BlockBuilder {
 public:
  explicit BlockBuilder(std::string name) { block_.name = std::move(name); }

  // Appends all layers of `block`; their names get its name as a prefix.
  int append(const Block& block) {
    const int from = block_.last();  // block_input if there are none
    for (Layer layer : block.layers) {
      layer.name = block.name + "_" + layer.name;
      for (int& input : layer.inputs) {
        input = input == Layer::block_input ? from : from + 1 + input;
      }
      put(std::move(layer));
    }
    return last();
  }

  // `dilation`: distance between neighbouring positions of the window.
  int conv(std::string name, int features, int kernel, int stride, bool bias, int group = -1,
           std::vector<int> inputs = {}, int dilation = 1) {
    return put({.kind = LayerKind::conv2d,
                .name = std::move(name),
                .inputs = std::move(inputs),
                .features = features,
                .kernel = kernel,
                .stride = stride,
                .padding = dilation * (kernel / 2),
                .dilation = dilation,
                .bias = bias,
                .group = group});
  }
  int linear(std::string name, int features, bool bias, int group = -1,
             std::vector<int> inputs = {}) {
    return put({.kind = LayerKind::linear,
                .name = std::move(name),
                .inputs = std::move(inputs),
                .features = features,
                .bias = bias,
                .group = group});
  }
  // A depthwise convolution: one window per channel.
  int depthwise(std::string name, int features, int kernel, int stride, int dilation = 1) {
    return put({.kind = LayerKind::conv2d,
                .name = std::move(name),
                .features = features,
                .kernel = kernel,
                .stride = stride,
                .padding = dilation * (kernel / 2),
                .dilation = dilation,
                .parts = features});
  }
  // The mean over all positions as a map of one position, for further convolutions.
  int pooled_map(std::string name, std::vector<int> inputs = {}) {
    return put({.kind = LayerKind::global_pool,
                .name = std::move(name),
                .inputs = std::move(inputs),
                .keeps = true});
  }
  int upsample(std::string name, int height, int width) {
    return put(
        {.kind = LayerKind::upsample, .name = std::move(name), .height = height, .width = width});
  }
  // A layer without options: norms, activations, pools over all positions.
  int plain(LayerKind kind, std::string name, std::vector<int> inputs = {}) {
    return put({.kind = kind, .name = std::move(name), .inputs = std::move(inputs)});
  }
  int max_pool(std::string name, int kernel, int stride, int padding) {
    return put({.kind = LayerKind::max_pool,
                .name = std::move(name),
                .kernel = kernel,
                .stride = stride,
                .padding = padding});
  }
  // Adds nothing if the rate is 0.
  void dropout(std::string name, double rate) {
    if (rate > 0) put({.kind = LayerKind::dropout, .name = std::move(name), .rate = rate});
  }
  // Adds nothing if the rate is 0.
  void stochastic_depth(std::string name, double rate) {
    if (rate <= 0) return;
    put({.kind = LayerKind::dropout, .name = std::move(name), .rate = rate, .by_sample = true});
  }
  int scatter(std::string name, int group) {
    return put({.kind = LayerKind::scatter, .name = std::move(name), .group = group});
  }
  int put(Layer layer) {
    block_.layers.push_back(std::move(layer));
    return block_.last();
  }
  [[nodiscard]] int last() const { return block_.last(); }
  Block done() { return std::move(block_); }

 private:
  Block block_;
};

// Adds a group to the architecture; gives its index.
inline int add_group(Architecture& a, std::string name, GroupKind kind, int block, int size,
                     int width = 1) {
  a.groups.push_back({std::move(name), kind, block, size, width});
  return static_cast<int>(a.groups.size()) - 1;
}

// Attention and MLP with residuals; norms before (`pre_norm`, ViT) or after (BERT).
struct TransformerShape {
  int width = 0;
  int depth = 0;
  int heads = 0;
  int mlp = 0;
  bool pre_norm = true;
};
void add_transformer_blocks(Architecture& a, const TransformerShape& shape,
                            const ModelOptions& options);

// Adds exits at the places given in the options; `fill(head, after)` gives the head of the exit
// after so many blocks its layers.
template <class Fill>
void add_exits(Architecture& a, const std::vector<double>& shares, Fill fill) {
  for (const double share : shares) {
    const int after = static_cast<int>(a.depth() * share + 1e-9);
    if (after == 0 || (!a.exits.empty() && a.exits.back().after == after)) continue;
    BlockBuilder head("exit" + std::to_string(after));
    fill(head, after);
    a.exits.push_back({after, head.done()});
  }
}

// Mean over the positions, then class scores: the end of a convolutional network.
inline void add_pooled_head(BlockBuilder& head, int classes) {
  head.plain(LayerKind::global_pool, "pool");
  head.linear("classifier", classes, true);
}

// Max-pool 3 x 3 with stride 2; the last window may extend over the edge.
inline Layer ceil_pool(std::string name) {
  return {
      .kind = LayerKind::max_pool, .name = std::move(name), .kernel = 3, .stride = 2, .ceil = true};
}

// Stem and blocks of ResNet and MobileNetV3 (large), as in torchvision, shared by classifiers and
// segmentation. `dilated`: the last stages keep their resolution and use dilated windows.
void add_resnet(Architecture& a, const std::string& name, bool dilated);
void add_mobilenet_v3(Architecture& a, bool dilated);
// The layers after the blocks of MobileNetV3.
void add_mobilenet_v3_widening(BlockBuilder& b);

// An architecture without layers; colour images of `size` unless the options say otherwise.
inline Architecture image_model(const ModelOptions& options, int size) {
  Architecture a;
  a.name = options.architecture;
  a.classes = options.classes;
  a.channels = options.channels.value_or(3);
  a.height = options.image_size.value_or(size);
  a.width = options.image_width.value_or(a.height);
  a.stem.name = "stem";
  return a;
}

Architecture make_vit(const ModelOptions& options);
Architecture make_resnet(const ModelOptions& options);
Architecture make_alexnet(const ModelOptions& options);
Architecture make_vgg(const ModelOptions& options);
Architecture make_densenet(const ModelOptions& options);
Architecture make_squeezenet(const ModelOptions& options);
Architecture make_mobilenet(const ModelOptions& options);
Architecture make_mobilenet_v3(const ModelOptions& options);
Architecture make_efficientnet(const ModelOptions& options);
Architecture make_segmentation(const ModelOptions& options);
Architecture make_mnasnet(const ModelOptions& options);
Architecture make_linear(const ModelOptions& options);
Architecture make_mlp(const ModelOptions& options);
Architecture make_cnn_small(const ModelOptions& options);
Architecture make_bert(const ModelOptions& options);

}  // namespace convoy::engine
