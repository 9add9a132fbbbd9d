#pragma once

// What a run leaves behind of itself as a whole: its summary, and its rows in the store.

#include <map>
#include <string>
#include <vector>

#include "sim/run/recorder.hpp"
#include "sim/run/summary.hpp"
#include "sim/scenario/scenario.hpp"
#include "sim/store/rows.hpp"
#include "sim/world/world.hpp"

namespace convoy::sim {

// Of a world that has come to its end. `diverged`: tasks, by node, that the world has seen end as
// they should, and whose updates held NaN or infinity.
Summary summarize(const Scenario& scenario, const World& world, const Recorder& recorder,
                  const std::map<NodeId, int>& diverged);

// `version`: of Convoy; `world`: the model of the network, for people.
RunRow run_row(const Scenario& scenario, const std::string& version, const std::string& world);
std::vector<NodeRow> node_rows(const Scenario& scenario);
std::vector<NodeEnd> node_ends(const Summary& summary);

}  // namespace convoy::sim
