#include "engine/learning/autograd.hpp"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <memory>

namespace convoy::engine {
namespace {

// Features come last for tokens and vectors, second for images.
std::int64_t feature_dimension(const Tensor& x) { return x.dim() == 4 ? 1 : x.dim() - 1; }

class Scatter : public torch::autograd::Function<Scatter> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const Tensor& indices, std::int64_t features) {
    const std::int64_t dimension = feature_dimension(x);
    context->save_for_backward({indices});
    context->saved_data["dimension"] = dimension;
    std::vector<std::int64_t> shape = x.sizes().vec();
    shape[static_cast<std::size_t>(dimension)] = features;
    return at::zeros(shape, x.options()).index_copy_(dimension, indices, x);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const Tensor indices = context->get_saved_variables()[0];
    const std::int64_t dimension = context->saved_data["dimension"].toInt();
    return {gradients[0].index_select(dimension, indices), Tensor(), Tensor()};
  }
};

class DrawnWeights : public torch::autograd::Function<DrawnWeights> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& scores,
                        const Tensor& constants, const Tensor& numbers) {
    context->save_for_backward({scores, constants});
    return constants * numbers.lt(scores.sigmoid());
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const torch::autograd::variable_list saved = context->get_saved_variables();
    const Tensor p = saved[0].sigmoid();
    return {gradients[0] * saved[1] * (p * (1 - p)), Tensor(), Tensor()};
  }
};

}  // namespace

void backward(const Tensor& loss) { torch::autograd::backward({loss}, {}); }

Tensors backward(const Tensors& outputs, const Tensors& gradients, const Tensors& inputs) {
  // A leaf's gradient is stored in the layout of the leaf; a hook sees it before that.
  const auto arrived = std::make_shared<Tensors>(inputs.size());
  std::vector<unsigned> hooks;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    hooks.push_back(inputs[i].register_hook([arrived, i](const Tensor& g) { (*arrived)[i] = g; }));
  }
  torch::autograd::backward(outputs, gradients);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    inputs[i].remove_hook(hooks[i]);
    inputs[i].mutable_grad().reset();
  }
  return *arrived;
}

Tensor drawn_weights(const Tensor& scores, const Tensor& constants, const Tensor& numbers) {
  return DrawnWeights::apply(scores, constants, numbers);
}

Tensor scatter_features(const Tensor& x, const Tensor& indices, std::int64_t features) {
  return Scatter::apply(x, indices, features);
}

}  // namespace convoy::engine
