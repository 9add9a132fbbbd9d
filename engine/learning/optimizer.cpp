#include "engine/learning/optimizer.hpp"

#include <cmath>

namespace convoy::engine {

// The slot's tensor; created with zeros.
Tensor& OptimizerSteps::slot(std::size_t number, std::size_t at, const Tensor& like) {
  Tensor& tensor = state_.slots[number][at];
  if (!tensor.defined()) tensor = at::zeros_like(like);
  return tensor;
}

void OptimizerSteps::step(const Tensors& tensors) {
  const at::NoGradGuard no_grad;
  state_.slots.resize(OptimizerState::most_slots);
  for (Tensors& slot : state_.slots) slot.resize(tensors.size());
  ++state_.steps;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& w = tensors[i];
    if (!w.defined() || !w.grad().defined()) continue;
    switch (options_.kind) {
      case OptimizerKind::sgd:
        sgd(w, w.grad(), i);
        break;
      case OptimizerKind::adamw:
        adamw(w, w.grad(), i);
        break;
      case OptimizerKind::adan:
        adan(w, w.grad(), i);
        break;
    }
  }
}

void OptimizerSteps::sgd(const Tensor& w, Tensor g, std::size_t at) {
  if (options_.weight_decay > 0) g.add_(w, options_.weight_decay);
  if (options_.momentum > 0) {
    Tensor& mean = slot(0, at, w);
    mean.mul_(options_.momentum).add_(g);
    if (options_.nesterov) {
      g.add_(mean, options_.momentum);
    } else {
      w.sub_(mean, rate_);
      return;
    }
  }
  w.sub_(g, rate_);
}

// Loshchilov and Hutter 2019 (arXiv 1711.05101), as in LibTorch.
void OptimizerSteps::adamw(const Tensor& w, const Tensor& g, std::size_t at) {
  const double b1 = options_.betas.at(0);
  const double b2 = options_.betas.at(1);
  const auto t = static_cast<double>(state_.steps);
  Tensor& m = slot(0, at, w);
  Tensor& v = slot(1, at, w);
  w.mul_(1 - rate_ * options_.weight_decay);
  m.mul_(b1).add_(g, 1 - b1);
  v.mul_(b2).addcmul_(g, g, 1 - b2);
  const Tensor root = v.sqrt().div_(std::sqrt(1 - std::pow(b2, t))).add_(options_.epsilon);
  w.addcdiv_(m, root, -rate_ / (1 - std::pow(b1, t)));
}

// Xie et al. 2022 (arXiv 2208.06677). g: gradient, d: its change since the last step (0 at the
// first); m, v: running means of g and d; n: of (g + b2 d)^2.
void OptimizerSteps::adan(const Tensor& w, Tensor g, std::size_t at) {
  const double b1 = options_.betas.at(0);
  const double b2 = options_.betas.at(1);
  const double b3 = options_.betas.at(2);
  const auto t = static_cast<double>(state_.steps);
  const bool first = !state_.slots[3][at].defined();
  Tensor& m = slot(0, at, w);
  Tensor& v = slot(1, at, w);
  Tensor& n = slot(2, at, w);
  Tensor& before = slot(3, at, w);
  m.mul_(b1).add_(g, 1 - b1);
  if (first) {
    before.copy_(g);
    n.addcmul_(g, g, 1 - b3);
  } else {
    const Tensor change = g - before;
    before.copy_(g);
    v.mul_(b2).add_(change, 1 - b2);
    g.add_(change, b2);
    n.mul_(b3).addcmul_(g, g, 1 - b3);
  }
  const double c1 = 1 - std::pow(b1, t);
  const double c2 = 1 - std::pow(b2, t);
  const double c3 = 1 - std::pow(b3, t);
  const Tensor root = n.div(c3).sqrt_().add_(options_.epsilon);
  w.addcdiv_(m, root, -rate_ / c1);
  if (!first) w.addcdiv_(v, root, -rate_ * b2 / c2);
  w.div_(1 + rate_ * options_.weight_decay);
}

void drop_gradients(const Tensors& tensors) {
  for (const Tensor& t : tensors) {
    if (t.defined()) t.mutable_grad().reset();
  }
}

double clip_gradients(const Tensors& tensors, double limit) {
  const at::NoGradGuard no_grad;
  double squares = 0;
  for (const Tensor& w : tensors) {
    if (!w.defined() || !w.grad().defined()) continue;
    const double norm = w.grad().norm().item<double>();
    squares += norm * norm;
  }
  const double norm = std::sqrt(squares);
  constexpr double margin = 1e-6;  // as LibTorch's clip_grad_norm_
  if (const double factor = limit / (norm + margin); factor < 1) {
    for (const Tensor& w : tensors) {
      if (w.defined() && w.grad().defined()) w.grad().mul_(factor);
    }
  }
  return norm;
}

}  // namespace convoy::engine
