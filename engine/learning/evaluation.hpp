#pragma once

// Evaluates a model.

#include <span>

#include "engine/learning/network.hpp"
#include "engine/learning/samples.hpp"

namespace convoy::engine {

// Scores of each exit of a network on `samples`, in batches of at most `batch`. The caller fills in
// `after` and `untrained`. Throws Stopped. All scores are 0 without samples.
std::vector<ExitScore> score(const Network& network, const Tensors& tensors, const Samples& samples,
                             std::span<const std::int64_t> indices, int classes, int batch,
                             const std::stop_token& stop);

}  // namespace convoy::engine
