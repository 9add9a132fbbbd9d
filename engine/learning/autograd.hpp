#pragma once

// Code that needs LibTorch's large autograd headers, in one place.

#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// Computes the gradients of a scalar in all leaves that it depends on.
void backward(const Tensor& loss);

// Of part of a network: adds to the leaves behind it what `gradients`, those of its `outputs`, come
// to there; gives those of its `inputs` (leaves, whose own gradients stay undefined) as they are
// computed, in the same memory layout: a sum over another layout adds in another order. Undefined
// where nothing arrives.
Tensors backward(const Tensors& outputs, const Tensors& gradients, const Tensors& inputs);

// Puts kept features back to their places among `features`, zeros elsewhere. Features are dimension
// 1 of images, the last dimension of tokens and vectors. LibTorch's index_copy would keep its
// source in memory until backward.
Tensor scatter_features(const Tensor& x, const Tensor& indices, std::int64_t features);

// The weights that take part: `constants` where `numbers` (uniform in [0, 1)) are below p =
// sigmoid(scores), else 0. Backward goes straight through the draw (FedPM): the gradient in a score
// is that in its weight x the constant x p (1 - p).
Tensor drawn_weights(const Tensor& scores, const Tensor& constants, const Tensor& numbers);

}  // namespace convoy::engine
