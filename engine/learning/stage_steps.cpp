// A stage's step in two parts, weight stashing and versions of its weights (stage.hpp).

#include <fmt/format.h>

#include <utility>

#include "engine/learning/stage.hpp"

namespace convoy::engine {

const Tensors& StageTraining::weights_after(std::optional<std::int64_t> version) {
  if (!version) return weights_;
  versions_.erase(versions_.begin(), versions_.lower_bound(*version));
  const auto found = versions_.find(*version);
  if (found != versions_.end()) return found->second;
  fail(fmt::format("its weights after {} steps are not there; it has made {}", *version, steps_));
}

void StageTraining::collect(const Tensors& weights) {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (!weights[i].defined() || !weights[i].grad().defined()) continue;
    Tensor& sum = gradients_[i];
    sum = sum.defined() ? sum + weights[i].grad() : weights[i].grad();
    weights[i].mutable_grad().reset();
  }
}

Tensors StageTraining::take_gradients() {
  if (back_.empty()) fail("its gradients are to be taken, and no micro-batch has come back");
  collect(weights_);
  back_.clear();
  shares_ = 0;
  return std::exchange(gradients_, Tensors(layout_.size()));
}

void StageTraining::step_by(const Tensors& gradients) {
  if (!options_.stashes_weights) check_all_back();
  const at::NoGradGuard no_grad;
  // Whoever went forward with the present weights keeps them.
  if (!stashes_.empty() || options_.keeps_versions) {
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      if (!weights_[i].defined() || layout_.tensors[i].buffer) continue;
      weights_[i] = weights_[i].detach().clone().requires_grad_();
    }
  }
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (weights_[i].defined() && gradients[i].defined()) weights_[i].mutable_grad() = gradients[i];
  }
  if (options_.clip > 0) clip_gradients(weights_, options_.clip);
  optimizer_.step(weights_);
  drop_gradients(weights_);
  ++steps_;
  if (options_.keeps_versions) versions_.emplace(steps_, weights_);
}

void StageTraining::join_statistics(std::size_t tensor, const Tensor& then, const Tensor& joined) {
  const at::NoGradGuard no_grad;
  Tensor& present = weights_[tensor];
  if (at::equal(present, then)) {
    present.copy_(joined);
  } else {
    present.add_(joined - then);
  }
}

}  // namespace convoy::engine
