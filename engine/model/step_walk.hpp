#pragma once

// A training step as LibTorch does it, followed with the size of every tensor. Operators keep for
// backward what LibTorch's derivatives name (tools/autograd/derivatives.yaml); a tensor is released
// with its last holder, as there. For memory.cpp, which has the public functions.
//
// forward_memory.cpp and backward_memory.cpp have the passes, onednn_copies.hpp what convolutions
// copy. After a change of an operator in engine/learning/network.cpp, change these, too.

#include <vector>

#include "engine/model/layer_costs.hpp"
#include "engine/model/meter.hpp"
#include "engine/model/stage_costs.hpp"

namespace convoy::engine {

constexpr double index_bytes = 8;  // LibTorch's indices and labels are 64-bit

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
  // The layers of `stage`. Throws std::invalid_argument for training in fp16 alone.
  StepWalk(const Trace& trace, const Stage& stage, const Circumstances& how);

  // A step with existing optimizer state, as in all steps but the first. `others`: a stash for
  // each other micro-batch in flight.
  MemoryCost peak(const MemoryCost& others);
  // What a forward leaves for its backward.
  MemoryCost stash();

 private:
  using Kind = Meter::Kind;

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

  void hold_model();
  // Labels, and the samples or what the stage before has sent.
  void hold_batch();
  // Gradients of what was sent on have arrived. LibTorch's caller keeps them during the backward.
  void hold_gradients();
  // What was received and sent, and gradients of both.
  void release_boundaries();

  void forward();
  // The layer's output; tensors for backward go to `saved` (null: no backward).
  Held apply(const TracedLayer& t, Saved* saved);
  Held apply_dense(const TracedLayer& t, Saved* saved);
  Held apply_attention(const TracedLayer& t, Saved* saved);

  void backward();
  // A tensor read by several layers gets the sum of their gradients.
  void give(int tensor, Held slope);
  // `slope`: gradient of the output. Makes those of the inputs and parameters.
  void undo(const TracedLayer& t, Held slope, Saved& saved);
  void undo_convolution(const TracedLayer& t, Held& slope, Saved& saved);
  void undo_attention(const TracedLayer& t, Held slope, Saved& saved);
  // `made_from`: released when the gradients exist.
  void make_parameter_gradients(const TracedLayer& t, Held& slope, Saved& saved,
                                Held made_from = {});
  // The layer's gradients are kept, or added to those of earlier micro-batches.
  void keep_gradients(const TracedLayer& t);

  // The optimizer. One temporary per tensor: the root in AdamW and Adan, the distance from the
  // received weights.
  void update();

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
  std::vector<std::vector<int>> released_after_;  // by layer
  std::vector<double> elements_;                  // by tensor, of the whole batch
  std::vector<const TracedLayer*> exits_;
  std::vector<Held> log_softmax_;
};

}  // namespace convoy::engine
