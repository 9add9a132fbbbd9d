#pragma once

// Evaluates a model.

#include <span>

#include "engine/learning/network.hpp"
#include "engine/learning/samples.hpp"

namespace convoy::engine {

struct Scoring {
  int classes = 0;
  int batch = 1;  // samples of a batch, at most
  // So many exits, the first ones, also predict together: by the mean of their scores (DepthFL).
  // 0: none do.
  std::size_t together = 0;
  Tensor absent = {};  // see loss.hpp
};

// Scores of each exit of a network on `samples`, and last those of the exits together. The caller
// fills in `after` and `untrained`. Throws Stopped. Empty without samples.
std::vector<ExitScore> score(const Network& network, const Tensors& tensors, const Samples& samples,
                             std::span<const std::int64_t> indices, const Scoring& scoring,
                             const std::stop_token& stop);

// Number of a submodel's exits.
std::size_t exits_in(const Architecture& architecture, const Submodel& submodel);

}  // namespace convoy::engine
