#include "engine/learning/full_gradient.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "engine/api/objective.hpp"
#include "engine/learning/autograd.hpp"
#include "engine/learning/loss.hpp"
#include "engine/learning/network.hpp"

namespace convoy::engine {
namespace {

// Adds `share` of the leaves' gradients to the sums, and removes them.
void move_gradients(const Tensors& leaves, double share, Tensors& sums) {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (!sums[i].defined() || !leaves[i].grad().defined()) continue;
    sums[i].add_(leaves[i].grad().to(at::kDouble), share);
    leaves[i].mutable_grad().reset();
  }
}

// Zeros in FP64 for each leaf that gets a gradient.
Tensors zeros_for(const Tensors& leaves) {
  Tensors sums(leaves.size());
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (!leaves[i].defined() || !leaves[i].requires_grad()) continue;
    sums[i] = at::zeros(leaves[i].sizes(), leaves[i].options().dtype(at::kDouble));
  }
  return sums;
}

}  // namespace

FullGradient::FullGradient(const EngineContext& context) : context_(context) {
  const std::string why = why_no_objective(*context.layout.architecture, context.rules);
  if (!why.empty()) throw base::UserError("evaluation.gradient_norm: " + why);
  for (std::size_t node = 0; node < context.parts.size(); ++node) {
    const LocalSplit& part = context.parts[node];
    if (part.unlisted > 0) {
      throw base::UserError(fmt::format(
          "evaluation.gradient_norm: the data of node {} are known to itself alone", node));
    }
    samples_.insert(samples_.end(), part.train.begin(), part.train.end());
  }
  if (samples_.empty()) {
    throw base::UserError("evaluation.gradient_norm: no node has samples to train on");
  }
}

Tensors FullGradient::leaves(const TensorWeights& version) const {
  Tensors all = effective(context_, version);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!all[i].defined()) continue;
    // Other threads read the version's own tensors, so these must not ask for gradients.
    all[i] = all[i].detach().to(context_.device);
    if (!context_.layout.tensors[i].buffer) all[i].requires_grad_();
  }
  return all;
}

Objective FullGradient::at(const TensorWeights& version, const std::stop_token& stop) const {
  const Network network(context_.layout, full_submodel(*context_.layout.architecture));
  const Tensors weights = leaves(version);
  Tensors sums = zeros_for(weights);
  TransferOptions no_transfer;
  no_transfer.weight = 0;
  Objective objective;
  const std::span<const std::int64_t> samples = samples_;
  const auto most = static_cast<std::size_t>(context_.evaluation_batch);
  for (std::size_t from = 0; from < samples.size(); from += most) {
    if (stop.stop_requested()) throw Stopped();
    const std::size_t n = std::min(most, samples.size() - from);
    const double share = static_cast<double>(n) / static_cast<double>(samples.size());
    const Batch batch = context_.train->batch(samples.subspan(from, n));
    const Tensor loss =
        training_loss(network.forward(weights, batch.input, {}), batch.labels, no_transfer);
    backward(loss);
    objective.value += share * loss.item<double>();
    move_gradients(weights, share, sums);
  }
  const at::NoGradGuard no_grad;
  const OptimizerOptions& optimizer = context_.training.optimizer;
  const double decay = optimizer.kind == OptimizerKind::sgd ? optimizer.weight_decay : 0;
  double squares = 0;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    if (!sums[i].defined()) continue;
    const Tensor w = weights[i].to(at::kDouble);
    sums[i].add_(w, decay);
    squares += sums[i].square().sum().item<double>();
    objective.value += decay / 2 * w.square().sum().item<double>();
  }
  objective.gradient_norm = std::sqrt(squares);
  return objective;
}

}  // namespace convoy::engine
