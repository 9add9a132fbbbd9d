#pragma once

// A comparison of groups of runs, in the forms that people put it to use.

#include <string>

#include "analysis/comparison.hpp"

namespace convoy::cli {

// For the terminal: by figure and group the mean and how far its runs lie apart, the ratio to the
// baseline, the mean difference of equal seeds with its 95 % interval, and all points.
std::string comparison_text(const analysis::Comparison& comparison);

// A line that says to which accuracy the runs are timed, why to this one, and how many reach it;
// "" where there is none.
std::string level_text(const analysis::Comparison& comparison);

// The same with plain numbers, in seconds, bytes, joules and shares; a row for each figure and
// group, points as seed:value joined by spaces.
std::string comparison_csv(const analysis::Comparison& comparison);

// The same, without the points, as a table for LaTeX with the package booktabs.
std::string comparison_latex(const analysis::Comparison& comparison);

}  // namespace convoy::cli
