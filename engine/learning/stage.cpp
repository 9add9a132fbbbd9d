#include "engine/learning/stage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/random.hpp"
#include "engine/learning/autograd.hpp"
#include "engine/learning/loss.hpp"

namespace convoy::engine {
namespace {

// Numbers of the tensors that cross before a stage's first layer, and behind its last.
std::vector<int> crosses_before(const Trace& trace, const Stage& stage) {
  return stage.first == 0 ? std::vector<int>{0} : crossing(trace, stage.first);
}
std::vector<int> crosses_behind(const Trace& trace, const Stage& stage) {
  return stage.last == whole(trace).last ? std::vector<int>() : crossing(trace, stage.last);
}

std::vector<int> numbers_of(const Boundary& boundary) {
  std::vector<int> numbers;
  for (const auto& [number, tensor] : boundary) numbers.push_back(number);
  return numbers;
}

Tensors values_of(const Boundary& boundary) {
  Tensors values;
  for (const auto& [number, tensor] : boundary) values.push_back(tensor);
  return values;
}

}  // namespace

std::vector<std::size_t> tensors_of(const Layout& layout, const Trace& trace, const Stage& stage) {
  std::set<std::string> layers;
  for (int i = stage.first; i < stage.last; ++i) {
    layers.insert(trace.layers.at(static_cast<std::size_t>(i)).path);
  }
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (layers.contains(layout.tensors[i].layer)) numbers.push_back(i);
  }
  return numbers;
}

StageTraining::StageTraining(const Layout& layout, const Submodel& submodel, const Stage& stage,
                             const TensorWeights& weights, const at::Device& device,
                             StageOptions options)
    : layout_(layout),
      submodel_(submodel),
      stage_(stage),
      network_(layout, submodel),
      options_(std::move(options)),
      inputs_(crosses_before(trace(), stage)),
      outputs_(crosses_behind(trace(), stage)),
      exits_(exits_in(trace(), stage)),
      needs_two_samples_(needs_two_samples(trace(), stage)),
      weights_(layout.size()),
      optimizer_(options_.optimizer, options_.learning_rate),
      gradients_(layout.size()) {
  check_options();
  for (int tensor = 0; tensor < trace().tensors; ++tensor) {
    has_gradient_.push_back(engine::has_gradient(trace(), tensor));
  }
  for (int i = stage.first; i < stage.last; ++i) {
    const TracedLayer& t = trace().layers[static_cast<std::size_t>(i)];
    has_norms_ = has_norms_ || t.layer->kind == LayerKind::batch_norm;
  }
  for (const std::size_t i : tensors_of(layout, trace(), stage)) {
    if (!weights.tensors.at(i).defined()) {
      fail(fmt::format("it is given no \"{}\"", layout.tensors[i].name));
    }
    const Tensor part = part_of(weights, layout, submodel, i);
    weights_[i] = part.to(device, part.scalar_type(), false, true);  // a copy
    if (!layout.tensors[i].buffer) weights_[i].requires_grad_();
  }
  if (options_.keeps_versions) versions_.emplace(0, weights_);
}

void StageTraining::fail(const std::string& what) const {
  throw base::UserError(fmt::format("{}, layers {} to {} of {}: {}", options_.name, stage_.first,
                                    stage_.last - 1, layout_.architecture->name, what));
}

void StageTraining::check_options() const {
  if (layout_.elements != ElementKind::all) {
    fail(fmt::format("a model of {} weights cannot be trained in stages",
                     name_of(element_words, layout_.elements)));
  }
  if (options_.clip > 0 && stage_ != whole(trace())) {
    fail(
        "training.clip limits the norm of the whole model's gradient, which a stage does not know; "
        "leave it out");
  }
  if (options_.transfer.weight > 0 && exits_ > 0 && exits_ < exits_in(trace(), whole(trace()))) {
    fail(
        "exits teach one another only within one stage; set schedule.transfer.weight = 0, or cut "
        "elsewhere");
  }
}

void StageTraining::check_new(int microbatch, const Boundary& inputs,
                              const std::optional<Targets>& targets) const {
  if (stashes_.contains(microbatch)) {
    fail(fmt::format("micro-batch {} went forward already and did not come back", microbatch));
  }
  if (back_.contains(microbatch)) {
    fail(fmt::format("micro-batch {} went forward and came back already since the last step",
                     microbatch));
  }
  if (numbers_of(inputs) != inputs_) {
    fail(fmt::format("micro-batch {} comes with the tensors {}, and needs {}", microbatch,
                     fmt::join(numbers_of(inputs), " "), fmt::join(inputs_, " ")));
  }
  const std::int64_t samples = inputs.begin()->second.size(0);
  for (const auto& [number, tensor] : inputs) {
    if (tensor.size(0) == samples) continue;
    fail(fmt::format("micro-batch {} has {} samples, and {} in tensor {}", microbatch, samples,
                     tensor.size(0), number));
  }
  if (samples < 2 && needs_two_samples_) {
    fail(
        fmt::format("it normalizes over the samples, and micro-batch {} has only one; take fewer "
                    "micro-batches",
                    microbatch));
  }
  if (!has_exit()) return;
  if (!targets) fail(fmt::format("micro-batch {} comes without labels", microbatch));
  if (targets->labels.dim() != 1 || targets->labels.size(0) != samples) {
    fail(fmt::format("micro-batch {} has {} samples and {} labels", microbatch, samples,
                     targets->labels.numel()));
  }
  if (!(targets->share > 0 && targets->share <= 1)) {
    fail(fmt::format("micro-batch {} is a share of {} of its batch", microbatch, targets->share));
  }
}

bool StageTraining::updates_statistics(int microbatch) const {
  if (!has_norms_ || options_.static_norms || counted_.contains(microbatch)) return false;
  if (!counted_.empty() && microbatch < *counted_.rbegin()) {
    fail(fmt::format("micro-batch {} comes after {}, and running statistics take them in order",
                     microbatch, *counted_.rbegin()));
  }
  return true;
}

StageTraining::Made StageTraining::compute(int microbatch, const Stash& stash,
                                           bool update_statistics) const {
  base::Random draws({options_.draws, static_cast<std::uint64_t>(microbatch)});
  const Mode mode{.training = true,
                  .update_statistics = update_statistics,
                  .rate = options_.rate,
                  .layer_draws = draws.bits()};
  Tensors values(static_cast<std::size_t>(trace().tensors));
  for (const auto& [number, tensor] : stash.inputs) {
    values[static_cast<std::size_t>(number)] = tensor;
  }
  const Network::TensorOf weights = [&stash](std::size_t i) { return stash.weights[i]; };
  const Tensors exits = network_.forward(stage_, weights, values, mode);
  Made made;
  for (const int number : outputs_) {
    made.outputs.emplace(number, values[static_cast<std::size_t>(number)]);
  }
  if (!exits.empty()) {
    made.loss = training_loss(exits, stash.targets->labels, options_.transfer, options_.absent);
  }
  return made;
}

Boundary StageTraining::forward(int microbatch, const Boundary& inputs,
                                const std::optional<Targets>& targets, bool recompute,
                                std::optional<std::int64_t> version) {
  check_new(microbatch, inputs, targets);
  const bool update_statistics = updates_statistics(microbatch);
  Stash stash;
  stash.weights = weights_after(version);
  stash.targets = targets;
  stash.samples = inputs.begin()->second.size(0);
  for (const auto& [number, tensor] : inputs) {
    Tensor leaf = tensor.detach();
    if (has_gradient(number)) leaf.requires_grad_();
    stash.inputs.emplace(number, std::move(leaf));
  }
  const at::AutoGradMode records(!recompute);
  stash.made = compute(microbatch, stash, update_statistics);
  if (update_statistics) counted_.insert(microbatch);
  Boundary outputs;
  for (const auto& [number, tensor] : stash.made->outputs) {
    outputs.emplace(number, tensor.detach());
  }
  note(outputs);
  if (has_exit()) stash.loss = stash.made->loss.item<double>();
  is_finite_ = is_finite_ && std::isfinite(stash.loss);
  if (recompute) stash.made.reset();
  stashes_.emplace(microbatch, std::move(stash));
  return outputs;
}

void StageTraining::check_gradients(int microbatch, const Stash& stash,
                                    const Boundary& gradients) const {
  std::vector<int> wanted;
  std::copy_if(outputs_.begin(), outputs_.end(), std::back_inserter(wanted),
               [this](int number) { return has_gradient(number); });
  if (numbers_of(gradients) != wanted) {
    fail(fmt::format("micro-batch {} comes back with gradients of the tensors {}, and needs {}",
                     microbatch, fmt::join(numbers_of(gradients), " "), fmt::join(wanted, " ")));
  }
  for (const auto& [number, gradient] : gradients) {
    if (gradient.size(0) == stash.samples) continue;
    fail(fmt::format("micro-batch {} has {} samples, and gradients of {}", microbatch,
                     stash.samples, gradient.size(0)));
  }
}

Boundary StageTraining::backward(int microbatch, const Boundary& gradients) {
  const auto found = stashes_.find(microbatch);
  if (found == stashes_.end()) {
    fail(fmt::format("micro-batch {} is to come back and did not go forward", microbatch));
  }
  check_gradients(microbatch, found->second, gradients);
  Stash stash = std::move(found->second);
  stashes_.erase(found);
  const at::AutoGradMode records(true);
  if (!stash.made) stash.made = compute(microbatch, stash, false);

  // The gradients that come from behind first: as in the whole model, where later layers are gone
  // through first.
  Tensors ends;
  Tensors slopes;
  for (const auto& [number, gradient] : gradients) {
    ends.push_back(stash.made->outputs.at(number));
    slopes.push_back(gradient);
  }
  if (stash.made->loss.defined()) {
    ends.push_back(stash.made->loss);
    slopes.push_back(at::full_like(stash.made->loss, stash.targets->share));
  }
  stash.made.reset();  // the graph alone is needed from here on
  Boundary leaves;
  for (const auto& [number, leaf] : stash.inputs) {
    if (has_gradient(number)) leaves.emplace(number, leaf);
  }
  Tensors arrived(leaves.size());
  if (!ends.empty()) arrived = engine::backward(ends, slopes, values_of(leaves));
  if (options_.stashes_weights) collect(stash.weights);
  Boundary result;
  for (std::size_t i = 0; const auto& [number, leaf] : leaves) {
    const Tensor& gradient = arrived[i++];
    result.emplace(number, gradient.defined() ? gradient.detach() : at::zeros_like(leaf.detach()));
  }
  note(result);
  back_.insert(microbatch);
  if (has_exit()) shares_ += stash.targets->share;
  losses_ += stash.loss * static_cast<double>(stash.samples);
  samples_ += stash.samples;
  return result;
}

void StageTraining::note(const Boundary& made) {
  is_finite_ = is_finite_ && engine::is_finite(values_of(made));
}

void StageTraining::discard(int microbatch) {
  if (stashes_.erase(microbatch) > 0) return;
  fail(fmt::format("micro-batch {} is to be discarded and did not go forward", microbatch));
}

void StageTraining::check_all_back() const {
  if (stashes_.empty()) return;
  std::vector<int> open;
  for (const auto& [number, stash] : stashes_) open.push_back(number);
  fail(fmt::format("it is to step before the micro-batches {} are back", fmt::join(open, " ")));
}

void StageTraining::step() {
  check_all_back();
  if (back_.empty()) fail("it is to step and no micro-batch has come back since its last step");
  constexpr double rounding = 1e-6;
  if (has_exit() && std::abs(shares_ - 1) > rounding) {
    fail(fmt::format("it is to step by the micro-batches {}, which are {:g} of their batch",
                     fmt::join(back_, " "), shares_));
  }
  if (options_.clip > 0) clip_gradients(weights_, options_.clip);
  optimizer_.step(weights_);
  drop_gradients(weights_);
  back_.clear();
  shares_ = 0;
  ++steps_;
}

std::optional<Boundary> StageTraining::train(const Boundary& inputs, const Targets& targets) {
  if (!stashes_.empty() || !back_.empty()) fail("it is to train a batch at once amid another");
  const auto number = static_cast<int>(steps_);
  const bool was_finite = std::exchange(is_finite_, engine::is_finite(values_of(inputs)));
  const double losses = losses_;
  const std::int64_t samples = samples_;
  Tensors statistics(weights_.size());
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (weights_[i].defined() && layout_.tensors[i].buffer) statistics[i] = weights_[i].clone();
  }
  Boundary gradients;
  if (is_finite_) forward(number, inputs, targets);
  if (!stashes_.empty()) gradients = backward(number, {});
  for (const Tensor& w : weights_) {
    if (w.defined() && w.grad().defined()) is_finite_ = is_finite_ && engine::is_finite({w.grad()});
  }
  if (std::exchange(is_finite_, was_finite)) {
    step();
    return gradients;
  }
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (statistics[i].defined()) weights_[i].copy_(statistics[i]);
  }
  drop_gradients(weights_);
  counted_.erase(number);
  losses_ = losses;
  samples_ = samples;
  back_.clear();
  shares_ = 0;
  return std::nullopt;
}

Boundary StageTraining::no_gradients(const Boundary& inputs) const {
  Boundary gradients;
  for (const auto& [number, tensor] : inputs) {
    if (has_gradient(number)) gradients.emplace(number, at::zeros_like(tensor));
  }
  return gradients;
}

void StageTraining::resume(OptimizerState state) {
  for (Tensors& slot : state.slots) {
    slot.resize(layout_.size());
    for (std::size_t i = 0; i < slot.size(); ++i) {
      if (!weights_[i].defined()) {
        slot[i].reset();
      } else if (slot[i].defined()) {
        slot[i] = slot[i].to(weights_[i].device(), slot[i].scalar_type(), false, true);
      }
    }
  }
  optimizer_.resume(std::move(state));
}

Tensors StageTraining::changes(const TensorWeights& received) const {
  const at::NoGradGuard no_grad;
  Tensors changes(weights_.size());
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (!weights_[i].defined()) continue;
    changes[i] = weights_[i].detach().to(at::kCPU, weights_[i].scalar_type(), false, true);
    if (layout_.tensors[i].buffer) continue;
    changes[i].sub_(part_of(received, layout_, submodel_, i));
  }
  return changes;
}

}  // namespace convoy::engine
