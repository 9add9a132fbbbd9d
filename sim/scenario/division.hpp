#pragma once

// Dividing the data among the nodes of a fleet. Internal to sim/scenario.

#include "sim/scenario/fleet.hpp"

namespace convoy::sim {

// Works out how many samples each node trains on (setting.nodes) and, where there is a source,
// which ones (scenario.parts). Throws base::UserError where the partition is impossible or, for a
// run that learns, leaves a node without any. What should be known of it otherwise: in `remarks`.
void divide_data(Scenario& scenario, const Fleet& fleet, Setting& setting,
                 std::vector<std::string>& remarks);

}  // namespace convoy::sim
