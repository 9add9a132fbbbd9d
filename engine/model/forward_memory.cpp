// Memory of a forward: what its operators make, and what they keep for the backward.

#include "engine/model/onednn_copies.hpp"
#include "engine/model/step_walk.hpp"

namespace convoy::engine {

void StepWalk::forward() {
  for (std::size_t i = first_; i < end_; ++i) {
    const TracedLayer& t = trace_.layers[i];
    value(t.output) = apply(t, wants(t.output) ? &saved_[i] : nullptr);
    if (ends_exit(trace_, i)) exits_.push_back(&t);
    for (const int tensor : released_after_[i]) value(tensor).reset();
  }
  // Cross entropy keeps the logarithms of its softmax.
  for (const TracedLayer* t : exits_) log_softmax_.push_back(wide(out(*t)));
  for (const TracedLayer* t : exits_) value(t->output).reset();
  cast_weights_.clear();
}

Held StepWalk::apply(const TracedLayer& t, Saved* saved) {
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

Held StepWalk::apply_dense(const TracedLayer& t, Saved* saved) {
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
  if (!blocked(t, batch_)) return activation(out(t));
  const Held y = [&] {
    const Held x_blocked = workspace(blocked_in(t, batch_));
    const Held w_blocked = workspace(blocked_weights(t));
    return workspace(blocked_out(t, batch_));
  }();
  return activation(out(t));
}

// engine/learning/network.cpp, attention().
Held StepWalk::apply_attention(const TracedLayer& t, Saved* saved) {
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

}  // namespace convoy::engine
