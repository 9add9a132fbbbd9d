// Peak memory of a training step: follows the step of engine/learning in LibTorch with the size of
// every tensor, and takes the maximum. Operators keep for backward what LibTorch's derivatives name
// (tools/autograd/derivatives.yaml); a tensor is released with its last holder, as there.

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "engine/model/layer_costs.hpp"
#include "engine/model/meter.hpp"
#include "engine/model/stage_costs.hpp"

namespace convoy::engine {
namespace {

constexpr double index_bytes = 8;  // LibTorch's indices and labels are 64-bit
// oneDNN convolves in blocks of so many channels (AVX-512; 8 with AVX2), padding the rest.
constexpr int channel_block = 16;

using Kind = Meter::Kind;

double rounded_up(int channels) {
  const int blocks = (channels + channel_block - 1) / channel_block;
  return static_cast<double>(blocks * channel_block);
}

// Elements of the largest parameter tensor of a layer.
double largest_tensor(const TracedLayer& t) {
  if (is_dense(*t.layer)) return t.parameters - (t.layer->bias ? t.out.features : 0);
  const bool norm =
      t.layer->kind == LayerKind::batch_norm || t.layer->kind == LayerKind::layer_norm;
  return norm ? t.parameters / 2 : t.parameters;
}

// What a step does, beside its layers.
struct Circumstances {
  Optimizer optimizer = Optimizer::sgd;
  Phase phase = Phase::weights;
  StageLoad load;
  bool keeps_received = false;
  Precision precision = Precision::fp32;
};

class StepWalk {
 public:
  StepWalk(const Trace& trace, const Stage& stage, const Circumstances& how)
      : trace_(trace),
        first_(static_cast<std::size_t>(stage.first)),
        end_(static_cast<std::size_t>(stage.last)),
        how_(how),
        phase_(how.phase),
        batch_(how.load.microbatch),
        mixed_(how.precision == Precision::fp16_mixed),
        width_(mixed_ ? half_word : word),
        wanted_(tensors_with_gradient(trace, how.phase)),
        values_(static_cast<std::size_t>(trace.tensors)),
        gradients_(static_cast<std::size_t>(trace.tensors)),
        saved_(trace.layers.size()),
        last_use_(static_cast<std::size_t>(trace.tensors)),
        elements_(static_cast<std::size_t>(trace.tensors)) {
    if (how.precision == Precision::fp16) {
      throw std::invalid_argument("memory of a training: there is none in fp16 alone");
    }
    elements_[0] = in(trace.layers.front());
    for (std::size_t i = 0; i < trace.layers.size(); ++i) {
      const TracedLayer& t = trace.layers[i];
      for (const int input : t.inputs) last_use_[static_cast<std::size_t>(input)] = i;
      elements_[static_cast<std::size_t>(t.output)] = out(t);
    }
    if (first_ > 0) received_ = crossing(trace, stage.first);
    if (end_ < trace.layers.size()) sent_ = crossing(trace, stage.last);
  }

  // A step with existing optimizer state, as in all steps but the first. `others`: a stash for
  // each other micro-batch in flight.
  MemoryCost peak(const MemoryCost& others) {
    hold_model();
    Saved in_flight = {make(&MemoryCost::activations, others.activations),
                       make(&MemoryCost::weights, others.weights)};
    hold_batch();
    if (how_.load.recompute) hold_gradients();
    forward();
    if (!how_.load.recompute) hold_gradients();
    backward();
    in_flight.clear();
    release_boundaries();
    update();
    return meter_.peak();
  }

  // What a forward leaves for its backward.
  MemoryCost stash() {
    hold_batch();
    if (!how_.load.recompute) forward();
    return {.weights = meter_.now().weights, .activations = meter_.now().activations};
  }

 private:
  Held make(Kind kind, double bytes) { return std::make_shared<Storage>(meter_, kind, bytes); }
  Held activation(double elements) { return make(&MemoryCost::activations, elements * width_); }
  Held workspace(double elements) { return make(&MemoryCost::workspace, elements * width_); }
  // A tensor in FP32 also under autocast.
  Held wide(double elements) { return make(&MemoryCost::activations, elements * word); }

  [[nodiscard]] double in(const TracedLayer& t) const { return t.in.elements() * batch_; }
  [[nodiscard]] double out(const TracedLayer& t) const { return t.out.elements() * batch_; }
  // What a dropout layer draws: of all features, or one a sample.
  [[nodiscard]] double dropped(const TracedLayer& t) const {
    return t.layer->by_sample ? batch_ : out(t);
  }
  [[nodiscard]] bool wants(int tensor) const { return wanted_[static_cast<std::size_t>(tensor)]; }
  [[nodiscard]] double elements(int tensor) const {
    return elements_[static_cast<std::size_t>(tensor)];
  }
  [[nodiscard]] Stage stage() const { return {static_cast<int>(first_), static_cast<int>(end_)}; }
  Held& value(int tensor) { return values_[static_cast<std::size_t>(tensor)]; }
  Held& gradient(int tensor) { return gradients_[static_cast<std::size_t>(tensor)]; }

  void hold_model() {
    for (std::size_t i = first_; i < end_; ++i) {
      const TracedLayer& t = trace_.layers[i];
      weights_ += (t.parameters + t.buffers) * word;
      if (trained(t, phase_)) trained_ += t.parameters * word;
    }
    lasting_.push_back(make(&MemoryCost::weights, weights_ * (how_.keeps_received ? 2 : 1)));
    lasting_.push_back(make(&MemoryCost::optimizer, trained_ * state_values(how_.optimizer)));
    if (how_.load.accumulates) lasting_.push_back(make(&MemoryCost::gradients, trained_));
  }

  // Labels, and the samples or what the stage before has sent.
  void hold_batch() {
    const bool has_exit = exits_in(trace_, stage()) > 0;
    if (has_exit) lasting_.push_back(make(&MemoryCost::activations, index_bytes * batch_));
    if (first_ == 0) {
      const bool text = is_token_numbers(trace_, 0);
      value(0) = make(&MemoryCost::activations, elements(0) * (text ? index_bytes : word));
      lasting_.push_back(value(0));
    }
    for (const int tensor : received_) {
      const double bytes = bytes_of(trace_, tensor, static_cast<int>(batch_), how_.precision);
      value(tensor) = make(&MemoryCost::activations, bytes);
      boundary_.push_back(value(tensor));
    }
  }

  // Gradients of what was sent on have arrived. LibTorch's caller keeps them during the backward.
  void hold_gradients() {
    for (const int tensor : sent_) {
      if (!wants(tensor)) continue;
      gradient(tensor) = workspace(elements(tensor));
      boundary_.push_back(gradient(tensor));
    }
  }

  // What was received and sent, and gradients of both.
  void release_boundaries() {
    boundary_.clear();
    for (const int tensor : received_) gradient(tensor).reset();
    for (const int tensor : received_) value(tensor).reset();
    for (const int tensor : sent_) value(tensor).reset();
  }

  // --- forward ---------------------------------------------------------------------------------

  void forward() {
    for (std::size_t i = first_; i < end_; ++i) {
      const TracedLayer& t = trace_.layers[i];
      value(t.output) = apply(t, wants(t.output) ? &saved_[i] : nullptr);
      if (ends_exit(trace_, i)) exits_.push_back(&t);
      for (const int tensor : t.inputs) {
        if (last_use_[static_cast<std::size_t>(tensor)] == i) value(tensor).reset();
      }
    }
    // Cross entropy keeps the logarithms of its softmax.
    for (const TracedLayer* t : exits_) log_softmax_.push_back(wide(out(*t)));
    for (const TracedLayer* t : exits_) value(t->output).reset();
    cast_weights_.clear();
  }

  // The layer's output; tensors for backward go to `saved` (null: no backward).
  Held apply(const TracedLayer& t, Saved* saved) {
    const Held& x = value(t.inputs.front());
    const auto keep = [&](const Held& held) {
      if (saved != nullptr) saved->push_back(held);
    };
    switch (t.layer->kind) {
      case LayerKind::conv2d:
      case LayerKind::linear:
        return apply_dense(t, saved);
      case LayerKind::batch_norm:
      case LayerKind::layer_norm: {
        const bool by_feature = t.layer->kind == LayerKind::batch_norm;
        const bool widens = mixed_ && !by_feature;  // layer norm reads and writes FP32
        keep(widens ? wide(in(t)) : x);
        // Mean and deviation.
        keep(wide(2 * (by_feature ? t.in.features : t.in.positions() * batch_)));
        const Held as_written = widens ? wide(out(t)) : Held();
        return activation(out(t));
      }
      case LayerKind::relu:
      case LayerKind::sigmoid:
      case LayerKind::tanh: {
        Held y = activation(out(t));
        keep(y);
        return y;
      }
      case LayerKind::dropout: {
        keep(make(&MemoryCost::activations, dropped(t)));  // a mask of one byte
        const Held wide_mask = workspace(dropped(t));      // the product's FP32 copy of it
        return activation(out(t));
      }
      case LayerKind::max_pool:
        keep(x);
        keep(make(&MemoryCost::activations, index_bytes * out(t)));
        return activation(out(t));
      case LayerKind::adaptive_pool:
        if (is_free(t)) return x;
        [[fallthrough]];
      case LayerKind::relu6:
      case LayerKind::gelu:
      case LayerKind::silu:
      case LayerKind::hard_sigmoid:
      case LayerKind::hard_swish:
      case LayerKind::average_pool:
      case LayerKind::global_pool:
        keep(x);
        return activation(out(t));
      case LayerKind::scale:
        keep(x);
        keep(value(t.inputs.back()));
        return activation(out(t));
      case LayerKind::flatten:
      case LayerKind::select_first:
        return x;  // a view
      case LayerKind::scatter:
        return is_free(t) ? x : activation(out(t));
      case LayerKind::tokens: {
        const int sums = t.layer->segments > 0 ? 2 : 1;
        Held rows = t.layer->cls ? activation(out(t)) : x;
        for (int i = 0; i < sums; ++i) rows = activation(out(t));
        return rows;
      }
      case LayerKind::attention:
        return apply_attention(t, saved);
      case LayerKind::embedding:
      case LayerKind::add:
      case LayerKind::concat:
      case LayerKind::upsample:
        return activation(out(t));
    }
    return {};
  }

  Held apply_dense(const TracedLayer& t, Saved* saved) {
    const Held& x = value(t.inputs.front());
    const bool gates = gated(t, phase_);
    const Held effective =
        gates ? make(&MemoryCost::weights, t.parameters * word) : Held();  // gate x weight
    const Held cast = mixed_ ? make(&MemoryCost::weights, t.parameters * half_word) : Held();
    if (mixed_) cast_weights_.push_back(cast);  // autocast keeps it until the end of forward
    if (saved != nullptr) {
      if (gates || trained(t, phase_)) saved->push_back(x);
      saved->push_back(effective);
      if (mixed_) saved->push_back(cast);
    }
    if (!blocked(t)) return activation(out(t));
    const Held y = [&] {
      const Held x_blocked = workspace(blocked_in(t));
      const Held w_blocked = workspace(blocked_weights(t));
      return workspace(blocked_out(t));
    }();
    return activation(out(t));
  }

  // engine/learning/network.cpp, attention().
  Held apply_attention(const TracedLayer& t, Saved* saved) {
    const Held& qkv = value(t.inputs.front());
    const double part = in(t) / 3;
    const double scores = attention_scores(t) * batch_;
    // Products use copies by head; with a single head keys and values are views.
    const auto by_head = [&] { return t.heads == 1 ? qkv : activation(part); };
    const Held q = activation(part);
    const Held k = by_head();
    Held matrix = activation(scores);
    matrix = wide(scores);  // softmax
    const Held softmax = matrix;
    if (mixed_) matrix = activation(scores);
    const Held v = by_head();
    if (saved != nullptr) *saved = {matrix, v, q, k, softmax};
    const Held mixed = activation(out(t));
    return activation(out(t));
  }

  // --- oneDNN's copies -------------------------------------------------------------------------

  // Convolutions use blocked copies; LibTorch computes 1x1 ones on small batches as products.
  [[nodiscard]] bool blocked(const TracedLayer& t) const {
    constexpr int batch_of_pointwise = 16;
    const Layer& layer = *t.layer;
    return layer.kind == LayerKind::conv2d &&
           (layer.kernel > 1 || layer.stride > 1 || batch_ >= batch_of_pointwise);
  }
  // Inputs with fewer channels than a block are read directly.
  [[nodiscard]] static bool is_plain(const TracedLayer& t) { return t.in.features < channel_block; }
  [[nodiscard]] double blocked_in(const TracedLayer& t) const {
    return is_plain(t) ? 0 : rounded_up(t.in.features) * t.in.positions() * batch_;
  }
  [[nodiscard]] double blocked_out(const TracedLayer& t) const {
    return rounded_up(t.out.features) * t.out.positions() * batch_;
  }
  [[nodiscard]] static double blocked_weights(const TracedLayer& t) {
    const double from = (is_plain(t) ? t.in.features : rounded_up(t.in.features)) / t.layer->parts;
    return rounded_up(t.out.features) * from * t.layer->kernel * t.layer->kernel;
  }
  // Scratch memory for the weights' gradient.
  [[nodiscard]] double gradient_scratch(const TracedLayer& t) const {
    constexpr int widest_window = 14;  // of oneDNN's own kernels
    if (t.layer->kernel <= widest_window) return blocked_out(t) + blocked_in(t);
    // By products: windows of one image, and a buffer of the weights' size, which oneDNN reserves
    // in bytes instead of values (src/cpu/gemm_convolution_utils.cpp): 4 times too large.
    const double window = static_cast<double>(t.layer->kernel) * t.layer->kernel * t.in.features;
    return window * (t.out.positions() + word * t.out.features);
  }

  // --- backward --------------------------------------------------------------------------------

  void backward() {
    for (auto t = exits_.rbegin(); t != exits_.rend(); ++t) {
      const Held of_softmax = workspace(out(**t));
      gradient((*t)->output) = workspace(out(**t));
      log_softmax_.pop_back();
    }
    for (std::size_t i = end_; i-- > first_;) {
      const TracedLayer& t = trace_.layers[i];
      Held slope = std::move(gradient(t.output));
      if (!slope) continue;
      undo(t, std::move(slope), saved_[i]);
      saved_[i].clear();
    }
  }

  // A tensor read by several layers gets the sum of their gradients.
  void give(int tensor, Held slope) {
    if (!wants(tensor)) return;
    Held& so_far = gradient(tensor);
    so_far = so_far ? workspace(elements(tensor)) : std::move(slope);
  }

  // `slope`: gradient of the output. Makes those of the inputs and parameters.
  void undo(const TracedLayer& t, Held slope, Saved& saved) {
    const int x = t.inputs.front();
    switch (t.layer->kind) {
      case LayerKind::conv2d:
        return undo_convolution(t, slope, saved);
      case LayerKind::linear: {
        Held of_input = wants(x) ? workspace(in(t)) : Held();
        make_parameter_gradients(t, slope, saved);
        return give(x, std::move(of_input));
      }
      case LayerKind::batch_norm: {
        const Held unused = workspace(in(t));  // LibTorch computes the result twice
        Held of_input = workspace(in(t));
        make_parameter_gradients(t, slope, saved);
        return give(x, std::move(of_input));
      }
      case LayerKind::dropout: {
        slope = workspace(out(t));  // scaled
        const Held wide_mask = workspace(dropped(t));
        return give(x, workspace(in(t)));
      }
      case LayerKind::layer_norm: {
        Held of_input = workspace(in(t));
        make_parameter_gradients(t, slope, saved);
        return give(x, std::move(of_input));
      }
      case LayerKind::relu:
      case LayerKind::relu6:
      case LayerKind::tanh:
      case LayerKind::gelu:
      case LayerKind::sigmoid:
      case LayerKind::silu:
      case LayerKind::hard_sigmoid:
      case LayerKind::hard_swish:
      case LayerKind::upsample:
      case LayerKind::max_pool:
      case LayerKind::average_pool:
      case LayerKind::global_pool:
      case LayerKind::select_first:
        return give(x, workspace(in(t)));
      case LayerKind::flatten:
        return give(x, std::move(slope));
      case LayerKind::scale: {
        Held of_input = workspace(in(t));
        {
          const Held products = workspace(in(t));  // summed to the factors' gradients
          give(t.inputs.back(), workspace(t.in.features * batch_));
        }
        return give(x, std::move(of_input));
      }
      case LayerKind::adaptive_pool:
      case LayerKind::scatter:
        return give(x, is_free(t) ? std::move(slope) : workspace(in(t)));
      case LayerKind::add:
      case LayerKind::concat:  // views of it
        for (const int input : t.inputs) give(input, slope);
        return;
      case LayerKind::tokens:
        make_parameter_gradients(t, slope, saved);
        // Copies tokens back to the layout of an image.
        if (wants(x)) give(x, t.layer->cls ? workspace(in(t)) : std::move(slope));
        return;
      case LayerKind::embedding:
        return make_parameter_gradients(t, slope, saved);
      case LayerKind::attention:
        return undo_attention(t, std::move(slope), saved);
    }
  }

  void undo_convolution(const TracedLayer& t, Held& slope, Saved& saved) {
    const int x = t.inputs.front();
    const bool copies = blocked(t);
    Held of_input;
    if (wants(x)) {
      Held blocked_result;
      if (copies) {
        const Held y = workspace(blocked_out(t));
        const Held w = workspace(blocked_weights(t));
        blocked_result = workspace(blocked_in(t));
      }
      of_input = workspace(in(t));
    }
    Held of_weights;
    if (copies && (trained(t, phase_) || gated(t, phase_))) {
      // oneDNN's result exists besides its scratch, then besides the dense gradient.
      of_weights = workspace(blocked_weights(t));
      const Held scratch = workspace(gradient_scratch(t));
    }
    make_parameter_gradients(t, slope, saved, std::move(of_weights));
    give(x, std::move(of_input));
  }

  // `made_from`: released when the gradients exist.
  void make_parameter_gradients(const TracedLayer& t, Held& slope, Saved& saved,
                                Held made_from = {}) {
    if (gated(t, phase_) && is_dense(*t.layer)) {
      const Held of_effective = workspace(t.parameters);
      made_from.reset();
      slope.reset();
      saved.clear();
      const Held by_gate = workspace(t.parameters);  // gradient x weight, to be summed by row
      return;
    }
    if (trained(t, phase_)) {
      const bool in_half = mixed_ && is_dense(*t.layer);
      const Held as_made = in_half ? workspace(t.parameters) : Held();
      keep_gradients(t);
    }
  }

  // The layer's gradients are kept, or added to those of earlier micro-batches.
  void keep_gradients(const TracedLayer& t) {
    const bool added = how_.load.accumulates;
    Held made = make(added ? &MemoryCost::workspace : &MemoryCost::gradients, t.parameters * word);
    if (!added) lasting_.push_back(std::move(made));
  }

  void undo_attention(const TracedLayer& t, Held slope, Saved& saved) {
    const double part = in(t) / 3;
    const double scores = attention_scores(t) * batch_;
    Held of_matrix = workspace(scores);
    const Held of_v = workspace(part);
    slope.reset();
    Held matrix = std::move(saved[0]);
    Held softmax = std::move(saved[4]);
    saved[1].reset();
    if (mixed_) matrix.reset();
    of_matrix = workspace(scores);  // before the softmax
    softmax.reset();
    matrix.reset();
    Held of_q = workspace(part);
    const Held of_k = workspace(part);
    of_matrix.reset();
    saved.clear();
    of_q = workspace(part);  // scaled
    give(t.inputs.front(), workspace(in(t)));
  }

  // --- the optimizer ---------------------------------------------------------------------------

  // One temporary per tensor: the root in AdamW and Adan, the distance from the received weights.
  void update() {
    const bool root = how_.optimizer == Optimizer::adamw || how_.optimizer == Optimizer::adan;
    if (!root && !how_.keeps_received) return;
    double largest = 0;
    for (std::size_t i = first_; i < end_; ++i) {
      const TracedLayer& t = trace_.layers[i];
      if (trained(t, phase_)) largest = std::max(largest, largest_tensor(t));
    }
    const Held temporary = workspace(largest);
  }

  const Trace& trace_;
  std::size_t first_;  // layers [first, end)
  std::size_t end_;
  Circumstances how_;
  Phase phase_;
  double batch_;
  bool mixed_;
  double width_;  // bytes of a value between operators
  std::vector<bool> wanted_;
  std::vector<int> received_;  // tensors that cross the cut before the stage
  std::vector<int> sent_;      // and the one behind it

  Meter meter_;
  double weights_ = 0;
  double trained_ = 0;
  std::vector<Held> lasting_;       // to the end of the step
  std::vector<Held> cast_weights_;  // to the end of forward
  std::vector<Held> values_;
  std::vector<Held> gradients_;
  std::vector<Held> boundary_;  // what was received: values and gradients; to the end of backward
  std::vector<Saved> saved_;    // by layer
  std::vector<std::size_t> last_use_;  // by tensor: the last layer that reads it
  std::vector<double> elements_;       // by tensor, of the whole batch
  std::vector<const TracedLayer*> exits_;
  std::vector<Held> log_softmax_;
};

}  // namespace

MemoryCost training_memory(const Trace& trace, Optimizer optimizer, Phase phase, int batch,
                           bool keeps_received, Precision precision) {
  const Circumstances how = {.optimizer = optimizer,
                             .phase = phase,
                             .load = {.microbatch = batch},
                             .keeps_received = keeps_received,
                             .precision = precision};
  return StepWalk(trace, whole(trace), how).peak({});
}

MemoryCost stash(const Trace& trace, const Stage& stage, int microbatch, bool recompute,
                 Precision precision) {
  const Circumstances how = {.load = {.microbatch = microbatch, .recompute = recompute},
                             .precision = precision};
  return StepWalk(trace, stage, how).stash();
}

MemoryCost stage_memory(const Trace& trace, const Stage& stage, Optimizer optimizer,
                        const StageLoad& load, Precision precision) {
  const Circumstances how = {.optimizer = optimizer, .load = load, .precision = precision};
  if (load.stashes < 1) throw std::out_of_range("stage_memory: no micro-batch in flight");
  const MemoryCost one = stash(trace, stage, load.microbatch, load.recompute, precision);
  const double others = load.stashes - 1;
  return StepWalk(trace, stage, how)
      .peak({.weights = others * one.weights, .activations = others * one.activations});
}

}  // namespace convoy::engine
