#pragma once

// What tells one scenario from another: the text and the hashes that its runs are known by.
// Internal to sim/scenario.

#include <string>

#include "base/value.hpp"
#include "sim/scenario/scenario.hpp"

namespace convoy::sim {

// Fills in scenario.resolved, .hash and .course. `root`: what the scenario says in the end;
// `files`: of what it names by path, whatever determines the run.
void identify(Scenario& scenario, base::Value root, const std::string& files);

}  // namespace convoy::sim
