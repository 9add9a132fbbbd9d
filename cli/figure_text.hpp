#pragma once

// Figures as text for people.

#include <string>
#include <vector>

#include "analysis/figures.hpp"

namespace convoy::cli {

// A share 0.1234 becomes "12.3 %"; other units as in base/text.hpp.
std::string human(analysis::Unit unit, double value);
// A figure of several runs: the mean, and in brackets minimum and maximum if they differ. ""
// without values.
inline constexpr const char* mean_and_spread_heading = "mean [least .. most]";
std::string mean_and_spread(analysis::Unit unit, const std::vector<double>& values);
// With sign; differences of shares in percentage points.
std::string human_difference(analysis::Unit unit, double value);

}  // namespace convoy::cli
