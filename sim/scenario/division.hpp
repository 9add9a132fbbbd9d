#pragma once

// Divides the data among the nodes of a fleet. Internal to sim/scenario.

#include "sim/scenario/fleet.hpp"

namespace convoy::sim {

// Computes the number of training samples of each node (setting.nodes) and, if there is a source,
// which samples (scenario.parts). Throws base::UserError if the partition is impossible or leaves a
// learning node without samples. `remarks`: notes for the user.
void divide_data(Scenario& scenario, const Fleet& fleet, Setting& setting,
                 std::vector<std::string>& remarks);

}  // namespace convoy::sim
