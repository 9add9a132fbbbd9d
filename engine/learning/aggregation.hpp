#pragma once

// How updates become the next version of the global model.

#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// An update and what it was trained from.
struct Received {
  const UpdateHeld* update = nullptr;
  const WeightsHeld* base = nullptr;  // only the drift rules look at it
};

struct Merged {
  Tensors weights;
  Trained trained;
  std::int64_t coverage_min = 0;
  double untrained = 0;
  std::vector<double> shares;
};

// The weights gamma_i by a rule (engine/api/options.hpp), sum 1. Buffers do not count in norms.
std::vector<double> shares_of(const Layout& layout, AggregationRule rule, const Tensors& current,
                              const std::vector<Received>& updates);

// Applies the rule; updates are added in the order given, in double where they meet.
Merged merge(const Layout& layout, AggregationRule rule, const WeightsHeld& current,
             const std::vector<Received>& updates);

// Share of the parameters of the tensors named that no update has held so far.
double untrained_share(const Layout& layout, const Trained& trained,
                       const std::vector<bool>& counted);

}  // namespace convoy::engine
