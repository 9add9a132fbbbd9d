#pragma once

// Computes a run's figures from the finished world.

#include <map>

#include "sim/run/recorder.hpp"
#include "sim/run/summary.hpp"
#include "sim/scenario/scenario.hpp"
#include "sim/world/world.hpp"

namespace convoy::sim {

// `diverged`: by node, the number of tasks that ended in the world but whose updates held NaN or
// infinity. The caller fills in rounds, max_lag_s, wall_time_s and store.
Summary summarize(const Scenario& scenario, const World& world, const Recorder& recorder,
                  const std::map<NodeId, int>& diverged);

}  // namespace convoy::sim
