#pragma once

// Facts about layers used by costs.cpp and memory.cpp.

#include "engine/model/costs.hpp"
#include "engine/model/last_uses.hpp"

namespace convoy::engine {

constexpr double word = bytes_per_value;  // FP32
constexpr double half_word = word / 2;    // FP16

inline bool is_dense(const Layer& layer) {
  return layer.kind == LayerKind::conv2d || layer.kind == LayerKind::linear;
}

// True for views of the input and identities (no pruned rows to scatter, nothing to pool).
inline bool is_free(const TracedLayer& t) {
  return t.layer->kind == LayerKind::flatten || t.layer->kind == LayerKind::select_first ||
         (t.layer->kind == LayerKind::adaptive_pool && t.in.height == t.out.height &&
          t.in.width == t.out.width) ||
         (t.layer->kind == LayerKind::scatter && t.in.features == t.out.features);
}

// Elements of attention's score matrices: tokens x tokens per kept head.
inline double attention_scores(const TracedLayer& t) {
  return t.in.positions() * t.in.positions() * t.heads;
}

// Parameters trained in the mask phase besides the gates: CLS, positions, norms, the exit.
inline bool trained(const TracedLayer& t, Phase phase) {
  if (phase == Phase::importance) return false;
  return phase == Phase::weights || t.in_exit() || t.layer->kind == LayerKind::layer_norm ||
         t.layer->kind == LayerKind::batch_norm || t.layer->kind == LayerKind::tokens;
}

// True if the layer's rows have gates. (A norm has the gates of its input; its few
// parameters are both trained and gated.)
inline bool gated(const TracedLayer& t, Phase phase) { return phase != Phase::weights && t.gated; }

// By tensor: true if a gradient flows to it, that is, after anything trained or gated.
inline std::vector<bool> tensors_with_gradient(const Trace& trace, Phase phase) {
  std::vector<bool> wanted(static_cast<std::size_t>(trace.tensors), false);
  for (const TracedLayer& t : trace.layers) {
    bool any = (t.parameter_tensors > 0 && trained(t, phase)) || gated(t, phase);
    for (const int i : t.inputs) any = any || wanted[static_cast<std::size_t>(i)];
    wanted[static_cast<std::size_t>(t.output)] = any;
  }
  return wanted;
}

// Values of optimizer state per parameter (engine/learning/optimizer.hpp).
inline double state_values(Optimizer optimizer) {
  switch (optimizer) {
    case Optimizer::sgd:
      return 0;
    case Optimizer::sgd_momentum:
      return 1;
    case Optimizer::adamw:
      return 2;
    case Optimizer::adan:
      return 4;
  }
  return 0;
}

}  // namespace convoy::engine
