#pragma once

// Transfers as fluids, computed step by step: what the world's network is compared with. On each
// link weighted max-min shares: the rates of all flows rise in proportion to their weights until a
// link on their way is full or their own limit is reached.

#include <set>
#include <span>
#include <vector>

namespace convoy::test {

struct FluidFlow {
  double bytes = 0;
  double weight = 1;
  double limit = 0;     // bytes/s; 0: none
  double starts = 0;    // of its data, s
  std::set<int> links;  // indices of the capacities
  double left = 0;      // set to `bytes` at its start
  double end = -1;      // result
};

// The rates of the flows that are there, bytes/s.
std::vector<double> fluid_rates(std::span<const FluidFlow* const> flows,
                                std::vector<double> capacity);

// Sets the ends. `capacity`: bytes/s, by link.
void simulate(std::vector<FluidFlow>& flows, const std::vector<double>& capacity);

}  // namespace convoy::test
