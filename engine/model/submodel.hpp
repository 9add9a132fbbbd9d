#pragma once

// A submodel: the first blocks of an architecture and the kept members of each prunable group.

#include <cstdint>
#include <vector>

#include "engine/model/architecture.hpp"

namespace convoy::engine {

struct Submodel {
  int depth = 0;  // number of blocks kept
  // By group of the architecture: indices of the kept members, rising. Groups of blocks beyond the
  // depth are empty.
  std::vector<std::vector<int>> kept;
  // By tensor of the architecture: how many of its elements a mask keeps (PruneFL); empty: all.
  std::vector<std::int64_t> elements = {};

  // Number of members kept of a group; `group` must be a valid index (not -1).
  [[nodiscard]] int members(int group) const {
    return static_cast<int>(kept[static_cast<std::size_t>(group)].size());
  }
};

// Number of members kept, by group; costs depend on these sizes only.
std::vector<int> sizes_of(const Submodel& submodel);
// A submodel of this depth and these sizes.
Submodel submodel_of_sizes(int depth, const std::vector<int>& sizes);
// Share of kept members in the groups within its depth; 1 without groups. Under masks: of kept
// elements in the prunable tensors.
double kept_share(const Architecture& architecture, const Submodel& submodel);

// The smallest submodel that contains all of these.
Submodel union_of(const Architecture& architecture, const std::vector<Submodel>& submodels);

// All blocks and members.
Submodel full_submodel(const Architecture& architecture);

// Blocks kept at a rate in (0, 1]: the first floor(depth * rate), at least 1 (Co-S2P's code), less
// those behind the last exit among them: nothing would train these. `all_blocks`: as at a rate of
// 1, here and below, so that the rate cuts the width alone.
int depth_at(const Architecture& architecture, double rate, bool all_blocks = false);

// Depth as above at full width: what the mask phase of Co-S2P trains.
Submodel depth_submodel(const Architecture& architecture, double rate, bool all_blocks = false);

// Depth as above, and the first round(size * rate) members (at least 1) of each group: the sizes
// that drawing the top gates gives exactly, whichever members those are.
Submodel nested_submodel(const Architecture& architecture, double rate, bool all_blocks = false);

}  // namespace convoy::engine
