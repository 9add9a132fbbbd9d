#pragma once

// Windows: a submodel keeps neighbouring members of each group, from a first member on. Depth and
// sizes are those of the given submodel (usually nested_submodel()), so costs, memory and bytes are
// equal, too. A window wraps around at the group's end.
//
// Each group has its own period, its size. Layers that share a group (the ends of a residual) share
// the window. Windows move by whole members; in a group of attention heads by whole heads, so that
// no head is made of parts of two (FedRolex's code rolls over the features of all heads).

#include <cstdint>

#include "engine/model/submodel.hpp"

namespace convoy::engine {

// FedRolex (arXiv 2212.01548, code AIoT-MLSys-Lab/FedRolex 8135109): keeps the members (j - round)
// mod n of a group of n members, for j from 0 to below the number kept. The window moves backward
// by one per round, as in the code; in the paper it moves forward. `round`: from 0.
Submodel rolling_submodel(const Architecture& architecture, Submodel submodel, std::int64_t round);

// RAM-Fed (arXiv 2310.08670) as in Co-S2P's repository (lee355/Co-S2P 714c7d5): the window begins
// at floor(n x place) in every round; place = i / N in [0, 1) for client i of N. The clients
// together keep every member if each keeps at least n / N, rounded up.
Submodel staggered_submodel(const Architecture& architecture, Submodel submodel, double place);

}  // namespace convoy::engine
