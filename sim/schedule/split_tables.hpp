#pragma once

// Makes the tables of split_explanation.hpp from plans, for schedules that explain themselves.

#include <span>

#include "sim/schedule/split_explanation.hpp"
#include "sim/schedule/split_problem.hpp"

namespace convoy::sim {

// Bounds are left out; `plan.cuts` are indices of places.
SplitTable table_of(const Setting& setting, const SplitProblems& problems,
                    std::span<const NodeId> nodes, const SplitPlan& plan);

// SplitFed's best common cut with equal and with the best shares, one device after another, and
// each device's own choice: the cut that is the fastest if it has everything, with equal shares.
std::vector<SplitAlternative> split_alternatives(const SplitProblem& problem);

}  // namespace convoy::sim
