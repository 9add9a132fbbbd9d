// Peak memory of a training step: step_walk.hpp follows it, and the peak is the maximum.

#include <algorithm>
#include <stdexcept>

#include "engine/model/step_walk.hpp"

namespace convoy::engine {
namespace {

// Elements of the largest parameter tensor of a layer.
double largest_tensor(const TracedLayer& t) {
  if (is_dense(*t.layer)) return t.parameters - (t.layer->bias ? t.out.features : 0);
  const bool norm =
      t.layer->kind == LayerKind::batch_norm || t.layer->kind == LayerKind::layer_norm;
  return norm ? t.parameters / 2 : t.parameters;
}

}  // namespace

StepWalk::StepWalk(const Trace& trace, const Stage& stage, const Circumstances& how)
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
      released_after_(released_after(trace)),
      elements_(static_cast<std::size_t>(trace.tensors)) {
  if (how.precision == Precision::fp16) {
    throw std::invalid_argument("memory of a training: there is none in fp16 alone");
  }
  elements_[0] = in(trace.layers.front());
  for (const TracedLayer& t : trace.layers) {
    elements_[static_cast<std::size_t>(t.output)] = out(t);
  }
  if (first_ > 0) received_ = crossing(trace, stage.first);
  if (end_ < trace.layers.size()) sent_ = crossing(trace, stage.last);
}

MemoryCost StepWalk::peak(const MemoryCost& others) {
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

MemoryCost StepWalk::stash() {
  hold_batch();
  if (!how_.load.recompute) forward();
  return {.weights = meter_.now().weights, .activations = meter_.now().activations};
}

void StepWalk::hold_model() {
  for (std::size_t i = first_; i < end_; ++i) {
    const TracedLayer& t = trace_.layers[i];
    weights_ += (t.parameters + t.buffers) * word;
    if (trained(t, phase_)) trained_ += t.parameters * word;
  }
  lasting_.push_back(make(&MemoryCost::weights, weights_ * (how_.keeps_received ? 2 : 1)));
  lasting_.push_back(make(&MemoryCost::optimizer, trained_ * state_values(how_.optimizer)));
  if (how_.load.accumulates) lasting_.push_back(make(&MemoryCost::gradients, trained_));
}

void StepWalk::hold_batch() {
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

void StepWalk::hold_gradients() {
  for (const int tensor : sent_) {
    if (!wants(tensor)) continue;
    gradient(tensor) = workspace(elements(tensor));
    boundary_.push_back(gradient(tensor));
  }
}

void StepWalk::release_boundaries() {
  boundary_.clear();
  for (const int tensor : received_) gradient(tensor).reset();
  for (const int tensor : received_) value(tensor).reset();
  for (const int tensor : sent_) value(tensor).reset();
}

void StepWalk::update() {
  const bool root = how_.optimizer == Optimizer::adamw || how_.optimizer == Optimizer::adan;
  if (!root && !how_.keeps_received) return;
  double largest = 0;
  for (std::size_t i = first_; i < end_; ++i) {
    const TracedLayer& t = trace_.layers[i];
    if (trained(t, phase_)) largest = std::max(largest, largest_tensor(t));
  }
  const Held temporary = workspace(largest);
}

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
