#pragma once

// The identity of a scenario: its canonical text and the hashes by which its runs are known.
// Internal to sim/scenario.

#include <string>

#include "base/value.hpp"
#include "sim/scenario/scenario.hpp"

namespace convoy::sim {

// Fills in scenario.resolved, .hash and .course. `root`: the final scenario tree; `files`: contents
// of the named files that affect the run.
void identify(Scenario& scenario, base::Value root, const std::string& files);

}  // namespace convoy::sim
