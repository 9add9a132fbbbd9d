#pragma once

// How good a model is.

#include <span>

#include "engine/learning/network.hpp"
#include "engine/learning/samples.hpp"

namespace convoy::engine {

// Scores of each exit of a network on some samples, in batches of at most `batch`; `after` and
// `untrained` are left to the caller. Throws Stopped. Without samples all scores are 0.
std::vector<ExitScore> score(const Network& network, const Tensors& tensors, const Samples& samples,
                             std::span<const std::int64_t> indices, int classes, int batch,
                             const std::stop_token& stop);

}  // namespace convoy::engine
