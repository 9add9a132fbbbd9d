#pragma once

// Which nodes of a run are real devices. A bridge or a recording decides; with() then applies the
// decision to the scenario.

#include "sim/scenario/scenario.hpp"
#include "sim/task/by_node.hpp"

namespace convoy::sim {

struct Participant {
  bool is_real = false;  // else simulated
  bool is_present = false;
  std::int64_t samples = 0;  // number of training samples
  bool own_data = false;     // that are its own: known to itself alone
};
using Participants = ByNode<Participant>;

// The nodes as in the scenario: those with backend = "hil" are real and absent.
Participants participants_of(const Scenario& scenario);

// The scenario with exactly these nodes real. A node whose number of samples differs from the
// scenario's has its own data as well. Of own data only the number is known (LocalSplit::unlisted).
Scenario with(Scenario scenario, const Participants& participants);

}  // namespace convoy::sim
