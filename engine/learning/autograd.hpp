#pragma once

// What needs LibTorch's autograd headers, in one place: they are large.

#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// Gradients of a scalar in all leaves that it depends on.
void backward(const Tensor& loss);

// Kept features back to their places among `features`, zeros elsewhere: features are dimension 1 of
// images, the last one of tokens and vectors. LibTorch's own index_copy would keep its source until
// backward.
Tensor scatter_features(const Tensor& x, const Tensor& indices, std::int64_t features);

}  // namespace convoy::engine
