#pragma once

// Networks of frozen weights of which it is learned who takes part (ElementKind::sampled, FedPM):
// the version holds a score for each weight and bias of convolutions and linear layers; p =
// sigmoid(score), and a weight takes part with probability p.

#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// What nobody sends, the same on every machine: weights and biases +-c, c = e sqrt(1 / fan-in) of
// their layer, with a random sign each; norms 1 and 0; CLS, positions and words uniform, deviation
// 0.02. Undefined for running statistics. Each tensor has a stream of its own, by the seed and its
// number.
Tensors frozen_network(const Layout& layout, std::uint64_t seed);

// Version 0: scores N(0, 1), running statistics as ever, and what is frozen.
Tensors initial_scores(const Layout& layout, const Tensors& frozen, std::uint64_t seed);

// Who takes part (bool), drawn on the scores' device.
Tensor draw(const Tensor& scores, at::Generator& generator);

// The network that a version is tested as, on the host: weights that take part in one sample, drawn
// by the seed with the same numbers for every version; or those of p > 1/2.
Tensors network_of(const Layout& layout, const Tensors& frozen, const Tensors& version,
                   std::uint64_t seed, bool threshold);

// A sample of masks as an update brings it (engine/rules/fedpm.hpp), and back.
Tensor counted(const Tensor& takes_part);
Tensor takes_part(const Tensor& counted);

}  // namespace convoy::engine
