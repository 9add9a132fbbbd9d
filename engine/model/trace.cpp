#include "engine/model/trace.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace convoy::engine {
namespace {

class Walker {
 public:
  Walker(const Architecture& a, const Submodel& s) : a_(a), s_(s) {
    Shape input;
    if (a.input == InputKind::image) {
      input = {a.channels, a.height, a.width};
    } else {
      input = {1, a.sequence, 1};
    }
    shapes_.push_back(input);
  }

  // Gives the tensor number of the block's output.
  int walk(const Block& block, int input, int index, int exit = -1) {
    std::vector<int> numbers;  // of the outputs of the block's layers
    for (const Layer& layer : block.layers) {
      TracedLayer t;
      t.layer = &layer;
      t.path = block.name + "." + layer.name;
      t.block = index;
      t.exit = exit;
      const int before = numbers.empty() ? input : numbers.back();
      if (layer.inputs.empty()) t.inputs = {before};
      for (const int i : layer.inputs) {
        t.inputs.push_back(i == Layer::block_input ? input : numbers[static_cast<std::size_t>(i)]);
      }
      t.in = shapes_[static_cast<std::size_t>(t.inputs.front())];
      t.output = static_cast<int>(shapes_.size());
      shape(t);
      if (t.out.height < 1 || t.out.width < 1) {
        throw base::UserError(fmt::format("model.image_size: {}x{} shrinks to nothing at {} of {}",
                                          a_.height, a_.width, t.path, a_.name));
      }
      shapes_.push_back(t.out);
      numbers.push_back(t.output);
      result_.layers.push_back(std::move(t));
    }
    return numbers.empty() ? input : numbers.back();
  }

  Trace done() {
    result_.tensors = static_cast<int>(shapes_.size());
    return std::move(result_);
  }

 private:
  // Kept features of `full`, if they follow a group.
  [[nodiscard]] int kept(int full, int group) const {
    if (group < 0) return full;
    const Group& g = a_.groups[static_cast<std::size_t>(group)];
    return static_cast<int>(static_cast<std::int64_t>(full) * s_.members(group) / g.size);
  }

  void shape(TracedLayer& t) const {
    const Layer& layer = *t.layer;
    t.out = t.in;
    t.gated = layer.group >= 0;
    const double in_features = t.in.features;
    const auto window = [&](int size) {
      const int reach = layer.dilation * (layer.kernel - 1) + 1;
      const int room = size + 2 * layer.padding - reach + (layer.ceil ? layer.stride - 1 : 0);
      return room / layer.stride + 1;
    };
    const auto weights = [&](double per_output) {
      t.parameters = t.out.features * (per_output + (layer.bias ? 1 : 0));
      t.parameter_tensors = layer.bias ? 2 : 1;
    };
    switch (layer.kind) {
      case LayerKind::conv2d:
        t.out = {kept(layer.features, layer.group), window(t.in.height), window(t.in.width),
                 layer.group};
        weights(in_features / layer.parts * layer.kernel * layer.kernel);
        break;
      case LayerKind::linear:
        t.out.features = kept(layer.features, layer.group);
        t.out.group = layer.group;
        weights(in_features);
        break;
      case LayerKind::batch_norm:
      case LayerKind::layer_norm:
        t.parameters = 2.0 * t.in.features;
        t.parameter_tensors = 2;
        if (layer.kind == LayerKind::batch_norm) t.buffers = 2.0 * t.in.features + 1;
        break;
      case LayerKind::max_pool:
      case LayerKind::average_pool:
        t.out.height = window(t.in.height);
        t.out.width = window(t.in.width);
        break;
      case LayerKind::adaptive_pool:
        t.out.height = t.out.width = layer.kernel;
        break;
      case LayerKind::concat:
        t.out.features = 0;
        for (const int input : t.inputs) {
          t.out.features += shapes_[static_cast<std::size_t>(input)].features;
        }
        break;
      case LayerKind::global_pool:
      case LayerKind::select_first:
        t.out.height = t.out.width = 1;
        break;
      case LayerKind::flatten:
        t.out.features = static_cast<int>(t.in.elements());
        t.out.height = t.out.width = 1;
        break;
      case LayerKind::tokens:
        t.out.height = static_cast<int>(t.in.positions()) + (layer.cls ? 1 : 0);
        t.out.width = 1;
        t.parameters = in_features * ((layer.vocabulary > 0 ? layer.vocabulary : t.out.height) +
                                      layer.segments + (layer.cls ? 1 : 0));
        t.parameter_tensors = 1 + (layer.segments > 0 ? 1 : 0) + (layer.cls ? 1 : 0);
        break;
      case LayerKind::embedding:
        t.out.features = layer.features;
        t.parameters = static_cast<double>(layer.vocabulary) * layer.features;
        t.parameter_tensors = 1;
        break;
      case LayerKind::attention:
        t.out.features = t.in.features / 3;
        t.heads = t.in.group >= 0 ? s_.members(t.in.group) : layer.heads;
        break;
      case LayerKind::scatter:
        t.out.features = a_.groups[static_cast<std::size_t>(layer.group)].size;
        t.out.group = -1;
        t.gated = false;
        break;
      case LayerKind::relu:
      case LayerKind::relu6:
      case LayerKind::gelu:
      case LayerKind::tanh:
      case LayerKind::sigmoid:
      case LayerKind::silu:
      case LayerKind::hard_sigmoid:
      case LayerKind::hard_swish:
      case LayerKind::dropout:
      case LayerKind::add:
      case LayerKind::scale:
        break;
      case LayerKind::upsample:
        t.out.height = layer.height;
        t.out.width = layer.width;
        break;
    }
  }

  const Architecture& a_;
  const Submodel& s_;
  std::vector<Shape> shapes_;
  Trace result_;
};

}  // namespace

double Trace::parameters() const {
  double sum = 0;
  for (const TracedLayer& l : layers) sum += l.parameters;
  return sum;
}

double Trace::buffers() const {
  double sum = 0;
  for (const TracedLayer& l : layers) sum += l.buffers;
  return sum;
}

int Trace::parameter_tensors() const {
  int sum = 0;
  for (const TracedLayer& l : layers) sum += l.parameter_tensors;
  return sum;
}

bool needs_two_samples(const Trace& trace) {
  return std::any_of(trace.layers.begin(), trace.layers.end(), [](const TracedLayer& t) {
    return t.layer->kind == LayerKind::batch_norm && t.in.positions() == 1;
  });
}

Trace trace(const Architecture& architecture, const Submodel& submodel, bool one_exit) {
  const auto deepest = architecture.exit_at(submodel.depth);
  if (!deepest) {
    throw base::UserError(fmt::format(
        "model.exits: {} has no exit within its first {} of {} blocks, so that submodel cannot be "
        "trained; add an exit there or raise the rate",
        architecture.name, submodel.depth, architecture.depth()));
  }
  Walker walker(architecture, submodel);
  int tensor = walker.walk(architecture.stem, 0, -1);
  for (int block = 0; block < submodel.depth; ++block) {
    tensor = walker.walk(architecture.blocks[static_cast<std::size_t>(block)], tensor, block);
    for (std::size_t e = 0; e < architecture.exits.size(); ++e) {
      const Exit& exit = architecture.exits[e];
      if (exit.after != block + 1) continue;
      if (one_exit && static_cast<int>(e) != *deepest) continue;
      walker.walk(exit.head, tensor, block, static_cast<int>(e));
    }
  }
  return walker.done();
}

}  // namespace convoy::engine
