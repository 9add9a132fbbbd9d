#pragma once

// The rows of a run as a whole, and of its nodes, for the store.

#include <string>
#include <vector>

#include "sim/run/summary.hpp"
#include "sim/scenario/scenario.hpp"
#include "sim/store/rows.hpp"

namespace convoy::sim {

// `version`: of Convoy; `world`: the model of the network, for people.
RunRow run_row(const Scenario& scenario, const std::string& version, const std::string& world);
std::vector<NodeRow> node_rows(const Scenario& scenario);
std::vector<NodeEnd> node_ends(const Summary& summary);

}  // namespace convoy::sim
