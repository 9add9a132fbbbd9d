#include "engine/model/costs.hpp"

#include <stdexcept>

#include "engine/model/layer_costs.hpp"
#include "engine/model/stage_costs.hpp"

namespace convoy::engine {
namespace {

// Forward FLOPs per element of the output.
double elementwise_flops(const Layer& layer) {
  switch (layer.kind) {
    case LayerKind::batch_norm:
      return 4;
    case LayerKind::layer_norm:
      return 8;
    case LayerKind::gelu:
      return 8;
    case LayerKind::tanh:
    case LayerKind::sigmoid:
    case LayerKind::hard_sigmoid:
      return 4;
    case LayerKind::silu:
    case LayerKind::hard_swish:
      return 5;
    case LayerKind::upsample:
      return 8;  // four neighbours, weighted
    case LayerKind::dropout:
      return 2;
    case LayerKind::max_pool:
    case LayerKind::average_pool:
      return static_cast<double>(layer.kernel) * layer.kernel;
    case LayerKind::relu:
    case LayerKind::relu6:
    case LayerKind::add:
    case LayerKind::scale:
    case LayerKind::tokens:
      return 1;
    case LayerKind::adaptive_pool:
    case LayerKind::global_pool:
    case LayerKind::flatten:
    case LayerKind::embedding:
    case LayerKind::select_first:
    case LayerKind::concat:
    case LayerKind::scatter:  // they move data only
    case LayerKind::conv2d:
    case LayerKind::linear:
    case LayerKind::attention:  // counted by themselves
      break;
  }
  return 0;
}

OpClass dense_class(const Layer& layer) {
  if (layer.kind != LayerKind::conv2d) return OpClass::matrix_product;
  const bool one_each = layer.parts > 1 && layer.parts == layer.features;
  return one_each ? OpClass::depthwise : OpClass::convolution;
}

OpClass sparse_class(const Layer& layer) {
  return layer.kind == LayerKind::max_pool ? OpClass::pooling : OpClass::elementwise;
}

// Values read by a layer that is not dense.
double read_by(const Layer& layer, std::size_t inputs, double in, double out) {
  if (layer.kind == LayerKind::concat) return out;
  if (layer.kind == LayerKind::scale) return in;  // and a factor a channel
  return static_cast<double>(inputs) * in;
}

// FLOPs (2 per multiply-add) of a dense layer on one sample.
double dense_flops(const TracedLayer& t) {
  const double window = t.layer->kind == LayerKind::conv2d
                            ? static_cast<double>(t.layer->kernel) * t.layer->kernel
                            : 1.0;
  return 2 * window * t.in.features / t.layer->parts * t.out.elements();
}

// FLOPs of one of attention's two matrix products.
double attention_product(const TracedLayer& t) {
  return 2 * t.in.positions() * t.in.positions() * t.out.features;
}

constexpr double softmax_flops = 5;  // an element: scale, exponential, sum, divide

// The optimizer's work on one parameter tensor, as elementwise launches of LibTorch's own
// implementations (Adan's: engine/learning).
struct OptimizerWork {
  int launches;  // a tensor
  double words;  // read and written a parameter, over all launches
};

OptimizerWork work_of(Optimizer optimizer) {
  switch (optimizer) {
    case Optimizer::sgd:
      return {1, 3};
    case Optimizer::sgd_momentum:
      return {3, 8};
    case Optimizer::adamw:
      return {8, 20};
    case Optimizer::adan:
      return {14, 36};
  }
  return {0, 0};
}

class StepWriter {
 public:
  StepWriter(const Trace& trace, int batch, Precision precision, const StepExtras& extras = {})
      : trace_(trace),
        extras_(extras),
        batch_(batch),
        precision_(precision),
        mixed_(precision == Precision::fp16_mixed),
        width_(mixed_ || precision == Precision::fp16 ? half_word : word) {}

  void forward(const Stage& stage, Phase phase) {
    for (int i = stage.first; i < stage.last; ++i) forward(layer(i), phase);
  }

  void backward(const Stage& stage, Phase phase) {
    const std::vector<bool> wanted = tensors_with_gradient(trace_, phase);
    for (int i = stage.last; i-- > stage.first;) {
      const TracedLayer& t = layer(i);
      if (is_free(t) || !wanted[static_cast<std::size_t>(t.output)]) continue;
      backward(t, phase, wanted[static_cast<std::size_t>(t.inputs.front())]);
    }
  }

  // Log-softmax and loss of each exit: a few numbers per sample, so that only the launches count.
  void loss_forward(int exits) {
    constexpr int launches = 2;
    launch(exits * launches);
    if (!extras_.mutual || exits < 2) return;
    // engine/learning/loss.cpp, from_each(). Of an exit: division, softmax, sum, logarithm and
    // log-softmax; of a pair: difference, product, two sums.
    constexpr int of_exit = 5;
    constexpr int of_pair = 4;
    launch(exits * of_exit + exits * (exits - 1) * of_pair);
  }
  void loss_backward(int exits) {
    constexpr int launches = 2;
    launch(exits * launches);
    if (!extras_.mutual || exits < 2) return;
    constexpr int of_exit = 2;
    constexpr int of_pair = 3;
    launch(exits * of_exit + exits * (exits - 1) * of_pair);
  }

  // Adds a micro-batch's gradients to those of the ones before, in place, tensor by tensor
  // (LibTorch: torch/csrc/autograd/functions/accumulate_grad.h). The first ones are taken as they
  // are.
  void accumulate(const Stage& stage, Phase phase) {
    for (int i = stage.first; i < stage.last; ++i) {
      const TracedLayer& t = layer(i);
      if (t.parameter_tensors == 0 || !trained(t, phase)) continue;
      const double values = t.parameters / t.parameter_tensors;
      for (int k = 0; k < t.parameter_tensors; ++k) of_weights(values, 3 * values);
    }
  }

  void update(const Stage& stage, Optimizer optimizer, Phase phase) {
    const OptimizerWork work = work_of(optimizer);
    double trained_values = 0;
    for (int i = stage.first; i < stage.last; ++i) {
      trained_values += trained(layer(i), phase) ? layer(i).parameters : 0;
    }
    // All gradients are checked and unscaled in one launch, also where they are those of gates.
    const bool any = trained_values > 0 || phase != Phase::weights;
    if (mixed_ && any) of_weights(trained_values, 2 * trained_values);
    for (int i = stage.first; i < stage.last; ++i) {
      const TracedLayer& t = layer(i);
      if (t.parameter_tensors == 0 || !trained(t, phase)) continue;
      const int launches = work.launches * t.parameter_tensors;
      const double values = t.parameters * work.words / launches;
      for (int k = 0; k < launches; ++k) of_weights(values / 2, values);
    }
  }

  StepCost done() { return std::move(cost_); }

 private:
  [[nodiscard]] const TracedLayer& layer(int index) const {
    return trace_.layers[static_cast<std::size_t>(index)];
  }

  void forward(const TracedLayer& t, Phase phase) {
    if (is_free(t)) return;
    const double in = t.in.elements() * batch_;
    const double out = t.out.elements() * batch_;
    if (is_dense(*t.layer)) {
      if (gated(t, phase)) of_weights(t.parameters, 2 * t.parameters);
      cast_weights(t);
      put(dense_class(*t.layer), batch_ * dense_flops(t) + (t.layer->bias ? out : 0),
          in + out + t.parameters);
      if (extras_.scaled && t.gated) elementwise(out, 2 * out);
    } else if (t.layer->kind == LayerKind::attention) {
      const double scores = attention_scores(t) * batch_;
      const double product = attention_product(t) * batch_;
      elementwise(0, 2 * in);  // q, k, v head by head
      put(OpClass::attention, product, in * 2 / 3 + scores);
      widened(softmax_flops * scores, 2 * scores, scores, scores);
      put(OpClass::attention, product, in / 3 + scores + out);
      elementwise(0, 2 * out);
    } else if (t.layer->kind == LayerKind::layer_norm) {
      widened(elementwise_flops(*t.layer) * out, in + out, in, out);
    } else {
      const double read = read_by(*t.layer, t.inputs.size(), in, out);
      put(sparse_class(*t.layer), elementwise_flops(*t.layer) * out, read + out);
      if (t.layer->kind == LayerKind::tokens) elementwise(0, 2 * out);
    }
  }

  void backward(const TracedLayer& t, Phase phase, bool input_gradient) {
    const double in = t.in.elements() * batch_;
    const double out = t.out.elements() * batch_;
    if (is_dense(*t.layer)) {
      const OpClass op = dense_class(*t.layer);
      const double flops = batch_ * dense_flops(t);
      if (extras_.scaled && t.gated) elementwise(out, 2 * out);
      if (input_gradient) put(op, flops, in + out + t.parameters);
      if (trained(t, phase) || gated(t, phase)) {
        put(op, flops, in + out + t.parameters);
        if (t.layer->bias) elementwise(out, out);
        cast_weights(t);
      }
      if (gated(t, phase)) of_weights(2 * t.parameters, 2 * t.parameters);
    } else if (t.layer->kind == LayerKind::attention) {
      const double scores = attention_scores(t) * batch_;
      const double product = attention_product(t) * batch_;
      elementwise(0, 2 * out);
      for (int i = 0; i < 2; ++i) put(OpClass::attention, product, in / 3 + scores + out);
      widened(softmax_flops * scores, 3 * scores, scores, scores);
      for (int i = 0; i < 2; ++i) put(OpClass::attention, product, in / 3 + scores + out);
      elementwise(0, 2 * in);
    } else {
      const double flops = elementwise_flops(*t.layer) * out;
      if (t.layer->kind == LayerKind::layer_norm) {
        widened(flops, in + 2 * out, out, in);
      } else {
        put(sparse_class(*t.layer), flops, in + 2 * out);
      }
      // Gradients of a norm's weights and of a scale's factors are sums over the rest.
      const bool sums = t.parameter_tensors > 0 || t.layer->kind == LayerKind::scale;
      if (sums) elementwise(out, 2 * out);
    }
  }

  void launch(int count) {
    for (int i = 0; i < count; ++i) elementwise(0, 0);
  }
  [[nodiscard]] Number number_of(OpClass op) const {
    if (width_ < word) return Number::fp16;
    const bool tensor_cores = op == OpClass::convolution && precision_ == Precision::fp32;
    return tensor_cores ? Number::tf32 : Number::fp32;
  }
  void put(OpClass op, double flops, double values) {
    cost_.kernels.push_back({op, flops, values * width_, number_of(op)});
  }
  void elementwise(double flops, double values) { put(OpClass::elementwise, flops, values); }
  void moves(double flops, double bytes) {
    cost_.kernels.push_back({OpClass::elementwise, flops, bytes, Number::fp32});
  }
  // Work on weights and their gradients, which autocast leaves in FP32.
  void of_weights(double flops, double values) { moves(flops, values * (mixed_ ? word : width_)); }
  // Casts a dense layer's weights to half precision, or their gradients back.
  void cast_weights(const TracedLayer& t) {
    if (!mixed_) return;
    const double each = t.parameters / t.parameter_tensors;
    for (int i = 0; i < t.parameter_tensors; ++i) moves(0, each * (word + half_word));
  }
  // An operator that autocast runs in FP32: casts of half-precision values before and after it.
  void widened(double flops, double values, double cast_before, double cast_after) {
    if (!mixed_) return elementwise(flops, values);
    moves(0, cast_before * (word + half_word));
    moves(flops, values * word);
    moves(0, cast_after * (word + half_word));
  }

  const Trace& trace_;
  StepExtras extras_;
  double batch_;
  Precision precision_;
  bool mixed_;
  double width_;  // bytes of a value between operators
  StepCost cost_;
};

}  // namespace

double StepCost::flops() const {
  double sum = 0;
  for (const Kernel& k : kernels) sum += k.flops;
  return sum;
}

std::vector<double> forward_flops(const Trace& trace) {
  std::vector<double> flops;
  for (const TracedLayer& t : trace.layers) {
    if (is_dense(*t.layer)) {
      flops.push_back(dense_flops(t) + (t.layer->bias ? t.out.elements() : 0));
    } else if (t.layer->kind == LayerKind::attention) {
      flops.push_back(2 * attention_product(t) + softmax_flops * attention_scores(t));
    } else {
      flops.push_back(is_free(t) ? 0 : elementwise_flops(*t.layer) * t.out.elements());
    }
  }
  return flops;
}

StepCost training_step(const Trace& trace, Optimizer optimizer, Phase phase, int batch,
                       Precision precision, const StepExtras& extras) {
  StepWriter writer(trace, batch, precision, extras);
  const Stage all = whole(trace);
  const int exits = exits_in(trace, all);
  writer.forward(all, phase);
  writer.loss_forward(exits);
  writer.loss_backward(exits);
  writer.backward(all, phase);
  writer.update(all, optimizer, phase);
  return writer.done();
}

StepCost stage_step(const Trace& trace, const Stage& stage, Pass pass, Optimizer optimizer,
                    int batch, Precision precision) {
  if (precision == Precision::fp16 && pass != Pass::forward) {
    throw std::invalid_argument("stage_step: there is no training in fp16 alone");
  }
  StepWriter writer(trace, batch, precision);
  const int exits = exits_in(trace, stage);
  constexpr Phase phase = Phase::weights;
  switch (pass) {
    case Pass::forward:
      writer.forward(stage, phase);
      writer.loss_forward(exits);
      break;
    case Pass::backward:
      writer.loss_backward(exits);
      writer.backward(stage, phase);
      break;
    case Pass::accumulate:
      writer.accumulate(stage, phase);
      break;
    case Pass::update:
      writer.update(stage, optimizer, phase);
      break;
  }
  return writer.done();
}

StepCost inference_step(const Trace& trace, int batch, Precision precision) {
  Trace kept = trace;
  std::erase_if(kept.layers,
                [](const TracedLayer& t) { return t.layer->kind == LayerKind::dropout; });
  StepWriter writer(kept, batch, precision);
  writer.forward(whole(kept), Phase::weights);
  return writer.done();
}

double transfer_bytes(const Trace& trace) {
  return (trace.parameters() + trace.buffers()) * bytes_per_value;
}

StepCost aggregation_step(double model_bytes, const std::vector<double>& update_bytes,
                          std::size_t compared) {
  StepCost cost;
  for (const double bytes : update_bytes) {
    cost.kernels.push_back({OpClass::elementwise, 2 * bytes / word, 3 * bytes});
  }
  // |a - b| and its sum.
  cost.kernels.insert(cost.kernels.end(), compared,
                      {OpClass::elementwise, 3 * model_bytes / word, 2 * model_bytes});
  cost.kernels.push_back({OpClass::elementwise, 2 * model_bytes / word, 3 * model_bytes});
  return cost;
}

}  // namespace convoy::engine
