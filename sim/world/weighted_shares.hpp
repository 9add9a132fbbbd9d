#pragma once

// Weighted max-min shares on any network, by filling: all rates rise together, each in proportion
// to its weight; a flow that reaches its limit or a full link stays. O(n log n) for n passages of
// flows through links. Pure. Internal to sim/world.

#include <span>
#include <vector>

namespace convoy::sim {

struct SharingFlow {
  double weight = 1;           // > 0
  double limit = 0;            // bytes/s, >= 0; may be infinite if one of its links is not
  std::span<const int> links;  // without duplicates
};

// The flows' rates, bytes/s. `capacity`: by link, >= 0, may be infinite.
std::vector<double> weighted_shares(std::span<const SharingFlow> flows,
                                    std::span<const double> capacity);

}  // namespace convoy::sim
