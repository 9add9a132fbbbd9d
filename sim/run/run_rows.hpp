#pragma once

// Makes the store's rows of the run and of its nodes.

#include <string>
#include <vector>

#include "sim/run/summary.hpp"
#include "sim/scenario/scenario.hpp"
#include "sim/store/rows.hpp"

namespace convoy::sim {

// `version`: Convoy's version; `world`: description of the network model.
RunRow run_row(const Scenario& scenario, const std::string& version, const std::string& world);
std::vector<NodeRow> node_rows(const Scenario& scenario);
std::vector<NodeEnd> node_ends(const Summary& summary);

}  // namespace convoy::sim
