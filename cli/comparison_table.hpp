#pragma once

// Text forms of a comparison of groups of runs.

#include <string>

#include "analysis/comparison.hpp"

namespace convoy::cli {

// For the terminal: by figure and group the mean with minimum and maximum, the ratio to the
// baseline, the mean difference at equal seeds with its 95 % interval, and all values.
std::string comparison_text(const analysis::Comparison& comparison);

// One line: the accuracy used for times to accuracy, its source, and how many runs reach it; "" if
// there is none.
std::string level_text(const analysis::Comparison& comparison);

// CSV with plain numbers in seconds, bytes, joules and shares; a row per figure and group, values
// as seed:value joined by spaces.
std::string comparison_csv(const analysis::Comparison& comparison);

// LaTeX table (package booktabs), without the single values.
std::string comparison_latex(const analysis::Comparison& comparison);

}  // namespace convoy::cli
