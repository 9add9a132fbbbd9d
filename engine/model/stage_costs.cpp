#include "engine/model/stage_costs.hpp"

#include <utility>

namespace convoy::engine {
namespace {

void append(StepCost& cost, const StepCost& more) {
  cost.kernels.insert(cost.kernels.end(), more.kernels.begin(), more.kernels.end());
}

}  // namespace

StepCost stage_round(const Trace& trace, const Stage& stage, Optimizer optimizer,
                     const std::vector<int>& microbatches, bool recompute, Precision precision) {
  StepCost cost;
  const auto pass = [&](Pass which, int batch) {
    append(cost, stage_step(trace, stage, which, optimizer, batch, precision));
  };
  bool first = true;
  for (const int batch : microbatches) {
    pass(Pass::forward, batch);
    if (recompute) pass(Pass::forward, batch);
    pass(Pass::backward, batch);
    if (!std::exchange(first, false)) pass(Pass::accumulate, batch);
  }
  pass(Pass::update, 0);
  return cost;
}

}  // namespace convoy::engine
