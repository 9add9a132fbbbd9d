#pragma once

// The search for the figures with which the roofline predicts measured steps. Internal to
// platforms: fit.hpp is what fits use.

#include <vector>

#include "platforms/fit.hpp"

namespace convoy::platforms {

// The figures on which some of the steps depend.
std::vector<Knob> knobs_of(const std::vector<Observation>& observations);

// The same figures with the values that fit_below() finds.
std::vector<Knob> search(const std::vector<Observation>& observations, const Ceilings& most);

}  // namespace convoy::platforms
