#pragma once

// Windows: which members of each group a submodel keeps, by where in the group it begins. Depth and
// sizes are those of the submodel that is given, nested_submodel() say, so costs, memory and bytes
// are those of that one, too. A window wraps around at the group's end.
//
// Each group has its own period, its size; layers that share a group (a residual's ends) share the
// window. What moves is a whole member: of a group of attention heads a head, so that none is ever
// made of pieces of two (FedRolex's code rolls over the features of all heads laid side by side).

#include <cstdint>

#include "engine/model/submodel.hpp"

namespace convoy::engine {

// FedRolex (arXiv 2212.01548, code AIoT-MLSys-Lab/FedRolex 8135109): of a group of n members those
// of number (j - round) mod n, for j from 0 to below the number kept. The window moves backward by
// one a round, as in the code; in the paper it moves forward. `round`: from 0.
Submodel rolling_submodel(const Architecture& architecture, Submodel submodel, std::int64_t round);

// RAM-Fed (arXiv 2310.08670) as the repository of Co-S2P has it (lee355/Co-S2P 714c7d5): the window
// begins at floor(n x place), place = i / N in [0, 1) for client i of N, whatever the round. All
// clients together keep every member if each keeps at least n / N, rounded up.
Submodel staggered_submodel(const Architecture& architecture, Submodel submodel, double place);

}  // namespace convoy::engine
