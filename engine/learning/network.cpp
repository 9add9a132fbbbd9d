#include "engine/learning/network.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/random.hpp"
#include "engine/learning/autograd.hpp"
#include "engine/model/last_uses.hpp"

namespace convoy::engine {
namespace {

constexpr double norm_epsilon = 1e-5;

// `number`: of the layer in the trace.
Tensor dropout(const Tensor& x, const Layer& layer, const Mode& mode, int number) {
  const double rate = layer.rate;
  if (!mode.training || rate <= 0) return x;
  at::Generator generator = mode.generator;
  if (mode.layer_draws) {
    base::Random seed({*mode.layer_draws, static_cast<std::uint64_t>(number)});
    generator = make_generator(x.device(), seed.bits());
  }
  TORCH_INTERNAL_ASSERT(generator.defined(), "dropout without a generator of its own");
  // Backward keeps only a mask of one byte per element, or per sample.
  std::vector<std::int64_t> shape = x.sizes().vec();
  if (layer.by_sample) std::fill(shape.begin() + 1, shape.end(), 1);
  const Tensor mask =
      at::empty(shape, x.options().dtype(at::kBool)).bernoulli_(1 - rate, generator);
  return x.mul(mask).mul_(1 / (1 - rate));
}

}  // namespace

at::Generator make_generator(const at::Device& device, std::uint64_t seed) {
  at::Generator generator = at::globalContext().defaultGenerator(device).clone();
  generator.set_current_seed(seed);
  return generator;
}

Network::Network(const Layout& layout, const Submodel& submodel, bool one_exit)
    : layout_(layout), trace_(engine::trace(*layout.architecture, submodel, one_exit)) {
  std::unordered_map<std::string, int> first_of;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    first_of.try_emplace(layout.tensors[i].layer, static_cast<int>(i));
  }
  for (std::size_t i = 0; i < trace_.layers.size(); ++i) {
    const TracedLayer& t = trace_.layers[i];
    Step step;
    step.traced = static_cast<int>(i);
    if (const auto found = first_of.find(t.path); found != first_of.end()) {
      step.first = found->second;
    }
    if (t.layer->kind == LayerKind::scatter && t.in.features != t.out.features) {
      const std::vector<int>& kept = submodel.kept[static_cast<std::size_t>(t.layer->group)];
      step.indices = at::tensor(std::vector<std::int64_t>(kept.begin(), kept.end()), at::kLong);
    }
    step.is_exit = ends_exit(trace_, i);
    steps_.push_back(std::move(step));
  }
  std::vector<std::vector<int>> released = released_after(trace_);
  for (Step& step : steps_)
    step.released = std::move(released[static_cast<std::size_t>(step.traced)]);
}

namespace {

// [batch, 1, 1, sequence]: minus infinity at texts' padding. Undefined for images, and where no
// layer from here on needs the token numbers.
Tensor padding_of(const Trace& trace, const Tensor& input) {
  if (!is_token_numbers(trace, 0) || !input.defined()) return {};
  return at::zeros({input.size(0), 1, 1, input.size(1)}, input.options().dtype(at::kFloat))
      .masked_fill_(input.eq(token_padding).unsqueeze(1).unsqueeze(1),
                    -std::numeric_limits<float>::infinity());
}

// HeteroFL's scaler: what a layer that follows a group gives, in training.
Tensor scaled(Tensor out, const Layer& layer, const Mode& mode) {
  if (mode.training && mode.rate < 1 && layer.group >= 0) out.div_(mode.rate);
  return out;
}

}  // namespace

Tensors Network::forward(const Tensors& tensors, const Tensor& input, const Mode& mode) const {
  return forward([&](std::size_t number) { return tensors[number]; }, input, mode);
}

Tensors Network::forward(const TensorOf& tensor_of, const Tensor& input, const Mode& mode) const {
  Tensors values(static_cast<std::size_t>(trace_.tensors));
  values[0] = input;
  return forward(whole(trace_), tensor_of, values, mode);
}

Tensors Network::forward(const Stage& stage, const TensorOf& tensor_of, Tensors& values,
                         const Mode& mode) const {
  const Tensor padding = padding_of(trace_, values.at(0));
  Tensors exits;
  for (int number = stage.first; number < stage.last; ++number) {
    const Step& step = steps_.at(static_cast<std::size_t>(number));
    const TracedLayer& t = trace_.layers[static_cast<std::size_t>(step.traced)];
    Tensor out = apply(step, tensor_of, values, padding, mode);
    if (step.is_exit) exits.push_back(out);
    values[static_cast<std::size_t>(t.output)] = std::move(out);
    for (const int used : step.released) values[static_cast<std::size_t>(used)].reset();
  }
  return exits;
}

Tensor Network::apply(const Step& step, const TensorOf& tensor_of, const Tensors& values,
                      const Tensor& padding, const Mode& mode) const {
  const TracedLayer& t = trace_.layers[static_cast<std::size_t>(step.traced)];
  const Layer& layer = *t.layer;
  const Tensor& x = values[static_cast<std::size_t>(t.inputs.front())];
  // The layer's n-th tensor, in the order of parameter_tensors().
  const auto parameter = [&](int n) { return tensor_of(static_cast<std::size_t>(step.first + n)); };
  const Tensor none;
  switch (layer.kind) {
    case LayerKind::conv2d:
      return scaled(at::conv2d(x, parameter(0), layer.bias ? parameter(1) : none,
                               {layer.stride, layer.stride}, {layer.padding, layer.padding},
                               {layer.dilation, layer.dilation}, layer.parts),
                    layer, mode);
    case LayerKind::linear:
      return scaled(at::linear(x, parameter(0), layer.bias ? parameter(1) : none), layer, mode);
    case LayerKind::batch_norm: {
      const bool running = !mode.training || mode.update_statistics;
      Tensor out = at::batch_norm(x, parameter(0), parameter(1), running ? parameter(2) : none,
                                  running ? parameter(3) : none, mode.training, mode.momentum,
                                  norm_epsilon, false);
      if (mode.update_statistics) parameter(4).add_(1);
      return out;
    }
    case LayerKind::layer_norm:
      return at::layer_norm(x, {x.size(-1)}, parameter(0), parameter(1), norm_epsilon);
    case LayerKind::relu:
      return at::relu(x);
    case LayerKind::relu6:
      return at::hardtanh(x, 0, 6);
    case LayerKind::gelu:
      return at::gelu(x);
    case LayerKind::tanh:
      return at::tanh(x);
    case LayerKind::sigmoid:
      return at::sigmoid(x);
    case LayerKind::silu:
      return at::silu(x);
    case LayerKind::hard_sigmoid:
      return at::hardsigmoid(x);
    case LayerKind::hard_swish:
      return at::hardswish(x);
    case LayerKind::dropout:
      return dropout(x, layer, mode, step.traced);
    case LayerKind::max_pool:
      return at::max_pool2d(x, {layer.kernel, layer.kernel}, {layer.stride, layer.stride},
                            {layer.padding, layer.padding}, {1, 1}, layer.ceil);
    case LayerKind::average_pool:
      return at::avg_pool2d(x, {layer.kernel, layer.kernel}, {layer.stride, layer.stride});
    case LayerKind::adaptive_pool:
      if (x.size(2) == layer.kernel && x.size(3) == layer.kernel) return x;
      return at::adaptive_avg_pool2d(x, {layer.kernel, layer.kernel});
    case LayerKind::global_pool:
      return x.mean({2, 3}, layer.keeps);
    case LayerKind::flatten:
      return x.flatten(1);
    case LayerKind::tokens: {
      int n = 0;
      Tensor rows = x.dim() == 4 ? x.flatten(2).transpose(1, 2) : x;
      if (layer.cls) {
        rows = at::cat({parameter(n++).expand({x.size(0), 1, x.size(1)}), rows}, 1);
      }
      rows = rows + parameter(n++).slice(0, 0, rows.size(1));
      if (layer.segments > 0) rows = rows + parameter(n).select(0, 0);  // all in the first segment
      return rows;
    }
    case LayerKind::embedding:
      return at::embedding(parameter(0), x);
    case LayerKind::attention:
      return attention(t, x, padding);
    case LayerKind::select_first:
      return x.select(1, 0);
    case LayerKind::add:
      return x + values[static_cast<std::size_t>(t.inputs.back())];
    case LayerKind::scale:
      return x * values[static_cast<std::size_t>(t.inputs.back())];
    case LayerKind::upsample:
      return at::upsample_bilinear2d(x, {layer.height, layer.width}, false);
    case LayerKind::concat: {
      Tensors parts;
      for (const int input : t.inputs) parts.push_back(values[static_cast<std::size_t>(input)]);
      return at::cat(parts, 1);
    }
    case LayerKind::scatter: {
      if (!step.indices.defined()) return x;
      return scatter_features(x, step.indices.to(x.device()), t.out.features);
    }
  }
  return none;
}

Tensor Network::attention(const TracedLayer& t, const Tensor& qkv, const Tensor& padding) const {
  const std::int64_t batch = qkv.size(0);
  const std::int64_t tokens = qkv.size(1);
  const std::int64_t width = qkv.size(2) / 3;
  // Each is [batch, heads, tokens, features]. The backward of unbind joins the three gradients at
  // once; three selects would create three full-size gradients and add them.
  Tensors parts = qkv.reshape({batch, tokens, 3, t.heads, width / t.heads}).unbind(2);
  for (Tensor& part : parts) part = part.transpose(1, 2);
  // The product below would make this copy anyway; scale it in place.
  Tensor q = parts[0].clone(at::MemoryFormat::Contiguous);
  q.mul_(1 / std::sqrt(static_cast<double>(t.layer->scaled_by)));
  // Frees each score matrix as soon as the next exists, so that only backward's inputs are kept.
  Tensor scores = at::matmul(q, parts[1].transpose(-2, -1));
  q.reset();
  TORCH_INTERNAL_ASSERT(padding.defined() || !is_token_numbers(trace_, 0),
                        "attention without the token numbers, whose padding it must leave out");
  if (padding.defined()) scores = scores + padding;
  scores = at::softmax(scores, -1);
  const Tensor mixed = at::matmul(scores, parts[2]);
  return mixed.transpose(1, 2).reshape({batch, tokens, width});
}

}  // namespace convoy::engine
