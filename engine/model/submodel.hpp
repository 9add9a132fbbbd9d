#pragma once

// A submodel: the first blocks of an architecture and, of each prunable group, the members kept.

#include <vector>

#include "engine/model/architecture.hpp"

namespace convoy::engine {

struct Submodel {
  int depth = 0;  // blocks kept, from the first
  // For each group of the architecture the indices kept, rising. Groups of blocks beyond the depth
  // are empty.
  std::vector<std::vector<int>> kept;

  // Number of members kept of a group; `group` must be a valid index (not -1).
  [[nodiscard]] int members(int group) const {
    return static_cast<int>(kept[static_cast<std::size_t>(group)].size());
  }
};

// How many members of each group a submodel keeps: all that costs depend on.
std::vector<int> sizes_of(const Submodel& submodel);
// Some submodel of that depth and those sizes.
Submodel submodel_of_sizes(int depth, const std::vector<int>& sizes);
// Members kept as a share of those of the groups within its depth; 1 where there are none.
double kept_share(const Architecture& architecture, const Submodel& submodel);

// The smallest submodel that holds all of these.
Submodel union_of(const Architecture& architecture, const std::vector<Submodel>& submodels);

// Everything kept.
Submodel full_submodel(const Architecture& architecture);

// Blocks kept at a rate in (0, 1]: the first floor(depth * rate), at least 1 (Co-S2P's code), less
// those behind the last exit among them: nothing would train these.
int depth_at(const Architecture& architecture, double rate);

// Depth as above at full width: what the mask phase of Co-S2P trains.
Submodel depth_submodel(const Architecture& architecture, double rate);

// Depth as above, and the first round(size * rate) members (at least 1) of each group: the sizes
// that drawing the top gates gives exactly, whichever members those are.
Submodel nested_submodel(const Architecture& architecture, double rate);

}  // namespace convoy::engine
