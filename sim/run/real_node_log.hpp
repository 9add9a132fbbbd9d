#pragma once

// Logs the events of real nodes: connections, failures, late deliveries.

#include <string>

#include "sim/scenario/scenario.hpp"
#include "sim/world/world.hpp"

namespace convoy::sim {

void tell_presence(const Scenario& scenario, const ElasticClock::Presence& presence, double now);

// Gives the reason if the run must fail with this report (hil.late = "fail"); empty: it goes on.
std::string tell_report(const Scenario& scenario, const RealReport& report);

}  // namespace convoy::sim
