#pragma once

// From a world that has come to its end to the figures of its run.

#include <map>

#include "sim/run/recorder.hpp"
#include "sim/run/summary.hpp"
#include "sim/scenario/scenario.hpp"
#include "sim/world/world.hpp"

namespace convoy::sim {

// `diverged`: tasks, by node, that the world has seen end as they should, and whose updates held
// NaN or infinity. The caller fills in rounds, max_lag_s, wall_time_s and store.
Summary summarize(const Scenario& scenario, const World& world, const Recorder& recorder,
                  const std::map<NodeId, int>& diverged);

}  // namespace convoy::sim
