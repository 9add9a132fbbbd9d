// Memory of a backward: gradients, and when what the forward kept is released.

#include <utility>

#include "engine/model/onednn_copies.hpp"
#include "engine/model/step_walk.hpp"

namespace convoy::engine {

void StepWalk::backward() {
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

void StepWalk::give(int tensor, Held slope) {
  if (!wants(tensor)) return;
  Held& so_far = gradient(tensor);
  so_far = so_far ? workspace(elements(tensor)) : std::move(slope);
}

void StepWalk::undo(const TracedLayer& t, Held slope, Saved& saved) {
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

void StepWalk::undo_convolution(const TracedLayer& t, Held& slope, Saved& saved) {
  const int x = t.inputs.front();
  const bool copies = blocked(t, batch_);
  Held of_input;
  if (wants(x)) {
    Held blocked_result;
    if (copies) {
      const Held y = workspace(blocked_out(t, batch_));
      const Held w = workspace(blocked_weights(t));
      blocked_result = workspace(blocked_in(t, batch_));
    }
    of_input = workspace(in(t));
  }
  Held of_weights;
  if (copies && (trained(t, phase_) || gated(t, phase_))) {
    // oneDNN's result exists besides its scratch, then besides the dense gradient.
    of_weights = workspace(blocked_weights(t));
    const Held scratch = workspace(gradient_scratch(t, batch_));
  }
  make_parameter_gradients(t, slope, saved, std::move(of_weights));
  give(x, std::move(of_input));
}

void StepWalk::make_parameter_gradients(const TracedLayer& t, Held& slope, Saved& saved,
                                        Held made_from) {
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

void StepWalk::keep_gradients(const TracedLayer& t) {
  const bool added = how_.load.accumulates;
  Held made = make(added ? &MemoryCost::workspace : &MemoryCost::gradients, t.parameters * word);
  if (!added) lasting_.push_back(std::move(made));
}

void StepWalk::undo_attention(const TracedLayer& t, Held slope, Saved& saved) {
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

}  // namespace convoy::engine
