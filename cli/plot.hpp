#pragma once

// Plots in plain characters for the terminal.

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace convoy::cli {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  // x rising
};

// Accuracy (0 to 1) over virtual time (s), in steps: each evaluation holds until the next. Each
// series has its own sign, explained below the plot.
std::string plot_accuracy(const std::vector<Series>& series);

// One series over [0, end] s, in steps; the axis goes from 0, or the lowest value, to the highest.
// `human`: formats a value.
std::string plot_steps(const Series& series, double end,
                       const std::function<std::string(double)>& human);

}  // namespace convoy::cli
