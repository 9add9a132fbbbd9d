#pragma once

// Which nodes of a run are real devices: found out by whoever has them (a bridge, a recording) and
// applied to the scenario once.

#include <optional>

#include "sim/scenario/scenario.hpp"
#include "sim/task/by_node.hpp"

namespace convoy::sim {

struct Participant {
  bool is_real = false;  // else simulated
  bool is_present = false;
  std::int64_t samples = 0;  // that it trains on
};
using Participants = ByNode<Participant>;

// The nodes as the scenario has them: with backend = "hil" those are real, and absent.
Participants participants_of(const Scenario& scenario);

// The scenario with these nodes real, and no others. One that trains on other samples than the
// scenario gives it has data of its own, whose number alone is known.
Scenario with(Scenario scenario, const Participants& participants);

}  // namespace convoy::sim
