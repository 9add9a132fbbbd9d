#pragma once

// Draws initial weights.

#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// Convolutions: Kaiming normal (fan-in, gain sqrt 2). Linear layers and all biases: uniform within
// 1/sqrt(fan-in), as in LibTorch. MobileNetV2 and EfficientNet as torchvision has them: see
// FirstWeights. Norms: 1 and 0. CLS, positions and words: normal, deviation 0.02.
// Each tensor has its own random stream, by the seed and its index.
Tensors initial_tensors(const Layout& layout, std::uint64_t seed);

}  // namespace convoy::engine
