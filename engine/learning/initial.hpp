#pragma once

// Weights to begin with.

#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// Convolutions: Kaiming normal (fan-in, gain sqrt 2); linear layers and all biases: uniform within
// 1/sqrt(fan-in), as LibTorch's own; norms 1 and 0; CLS, positions and words: normal, deviation
// .02. Each tensor from a stream of its own, by the seed and its place.
Tensors initial_tensors(const Layout& layout, std::uint64_t seed);

}  // namespace convoy::engine
