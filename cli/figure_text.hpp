#pragma once

// Figures for people.

#include <string>
#include <vector>

#include "analysis/figures.hpp"

namespace convoy::cli {

// 0.1234 of a share: "12.3 %"; others with their unit, as base/text.hpp has them.
std::string human(analysis::Unit unit, double value);
// Of one figure of several runs: the mean, and in brackets the least and the most where they
// differ. "": no values.
inline constexpr const char* mean_and_spread_heading = "mean [least .. most]";
std::string mean_and_spread(analysis::Unit unit, const std::vector<double>& values);
// With its sign; that of shares in percentage points.
std::string human_difference(analysis::Unit unit, double value);

}  // namespace convoy::cli
