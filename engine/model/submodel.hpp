#pragma once

// A submodel: the first blocks of an architecture and the kept members of each prunable group.

#include <vector>

#include "engine/model/architecture.hpp"

namespace convoy::engine {

struct Submodel {
  int depth = 0;  // number of blocks kept
  // By group of the architecture: indices of the kept members, rising. Groups of blocks beyond the
  // depth are empty.
  std::vector<std::vector<int>> kept;

  // Number of members kept of a group; `group` must be a valid index (not -1).
  [[nodiscard]] int members(int group) const {
    return static_cast<int>(kept[static_cast<std::size_t>(group)].size());
  }
};

// Number of members kept, by group; costs depend on these sizes only.
std::vector<int> sizes_of(const Submodel& submodel);
// A submodel of this depth and these sizes.
Submodel submodel_of_sizes(int depth, const std::vector<int>& sizes);
// Share of kept members in the groups within its depth; 1 without groups.
double kept_share(const Architecture& architecture, const Submodel& submodel);

// The smallest submodel that contains all of these.
Submodel union_of(const Architecture& architecture, const std::vector<Submodel>& submodels);

// All blocks and members.
Submodel full_submodel(const Architecture& architecture);

// Number of blocks at a rate in (0, 1]: floor(depth * rate), at least 1 (Co-S2P's code), without
// the blocks after the last exit among them, which nothing would train.
int depth_at(const Architecture& architecture, double rate);

// This depth at full width: trained in Co-S2P's mask phase.
Submodel depth_submodel(const Architecture& architecture, double rate);

// This depth, and the first round(size * rate) members (at least 1) of each group. Keeping the
// highest logits gives the same sizes, with other members.
Submodel nested_submodel(const Architecture& architecture, double rate);

}  // namespace convoy::engine
