#include "tests/support/fluid.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace convoy::test {

std::vector<double> fluid_rates(std::span<const FluidFlow* const> flows,
                                std::vector<double> capacity) {
  std::vector<double> rate(flows.size(), 0);
  std::vector<bool> stays(flows.size(), false);
  const std::vector<double> all = capacity;
  while (true) {
    std::vector<double> rising(capacity.size(), 0);
    for (std::size_t i = 0; i < flows.size(); ++i) {
      if (stays[i]) continue;
      for (const int link : flows[i]->links) {
        rising[static_cast<std::size_t>(link)] += flows[i]->weight;
      }
    }
    double step = std::numeric_limits<double>::infinity();
    for (std::size_t link = 0; link < capacity.size(); ++link) {
      if (rising[link] > 0) step = std::min(step, capacity[link] / rising[link]);
    }
    for (std::size_t i = 0; i < flows.size(); ++i) {
      if (stays[i] || flows[i]->limit <= 0) continue;
      step = std::min(step, (flows[i]->limit - rate[i]) / flows[i]->weight);
    }
    if (std::isinf(step)) return rate;
    for (std::size_t link = 0; link < capacity.size(); ++link) {
      capacity[link] -= step * rising[link];
    }
    for (std::size_t i = 0; i < flows.size(); ++i) {
      if (stays[i]) continue;
      rate[i] += step * flows[i]->weight;
      const bool at_limit = flows[i]->limit > 0 && rate[i] >= flows[i]->limit * (1 - 1e-12);
      stays[i] = at_limit || std::ranges::any_of(flows[i]->links, [&](int link) {
                   const auto at = static_cast<std::size_t>(link);
                   return capacity[at] < all[at] * 1e-12;
                 });
    }
  }
}

void simulate(std::vector<FluidFlow>& flows, const std::vector<double>& capacity) {
  for (FluidFlow& flow : flows) flow.left = flow.bytes;
  double now = 0;
  while (true) {
    std::vector<const FluidFlow*> running;
    double step = std::numeric_limits<double>::infinity();
    for (const FluidFlow& flow : flows) {
      if (flow.end < 0 && flow.starts <= now) running.push_back(&flow);
      if (flow.starts > now) step = std::min(step, flow.starts - now);
    }
    const std::vector<double> at = fluid_rates(running, capacity);
    for (std::size_t i = 0; i < running.size(); ++i) {
      step = std::min(step, running[i]->left / at[i]);
    }
    if (std::isinf(step)) return;
    for (std::size_t i = 0; i < running.size(); ++i) {
      FluidFlow& flow = flows[static_cast<std::size_t>(running[i] - flows.data())];
      flow.left -= step * at[i];
      if (flow.left <= 1e-6) flow.end = now + step;
    }
    now += step;
    // A comer is there although the sum of the steps may be a hair short of it.
    for (const FluidFlow& flow : flows) {
      if (std::abs(flow.starts - now) < 1e-12) now = std::max(now, flow.starts);
    }
  }
}

}  // namespace convoy::test
