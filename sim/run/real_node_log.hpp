#pragma once

// What a run tells of its real nodes: who comes and goes, what failed, what was delivered late.

#include <string>

#include "sim/scenario/scenario.hpp"
#include "sim/world/world.hpp"

namespace convoy::sim {

void tell_presence(const Scenario& scenario, const ElasticClock::Presence& presence, double now);

// Gives why the run fails with it (hil.late = "fail"); empty: it goes on.
std::string tell_report(const Scenario& scenario, const RealReport& report);

}  // namespace convoy::sim
