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
// Neighbours that are alike share a row, and an end if they did the same, which for nodes that
// never work is nothing.
std::vector<NodeRow> node_rows(const Scenario& scenario);
std::vector<NodeEnd> node_ends(const Summary& summary);

}  // namespace convoy::sim
