#pragma once

// Text forms of a comparison of groups of runs.

#include <string>

#include "analysis/comparison.hpp"

namespace convoy::cli {

// For the terminal: a column per run, a row per metric of `cases`. `ratios`: the comparison of
// these runs if each is a group of its own; adds the ratio to the baseline to each of the others.
std::string runs_text(const std::vector<analysis::RunSummary>& runs, const analysis::Cases& cases,
                      const analysis::Comparison* ratios);

// For the terminal: by metric and group the mean with minimum and maximum, the ratio to the
// baseline, and the mean difference at equal seeds with its 95 % interval.
std::string comparison_text(const analysis::Comparison& comparison);

// A line per accuracy used for times to accuracy: its source, and how many runs reach it.
std::string levels_text(const analysis::Comparison& comparison);
// A line per note (Comparison::notes).
std::string notes_text(const std::vector<std::string>& notes);
std::string level_text(const analysis::Level& level, std::size_t reached, std::size_t runs);

// CSV with plain numbers in the metrics' units; a row per metric and group, values as seed:value
// joined by spaces.
std::string comparison_csv(const analysis::Comparison& comparison);

// LaTeX table (package booktabs): a row per group, a column per metric with its unit in the
// heading; of several runs the mean and the sample standard deviation. `labels_are_latex`: the
// groups' labels are used as they are.
std::string comparison_latex(const analysis::Comparison& comparison, bool labels_are_latex);

}  // namespace convoy::cli
