#pragma once

// A plot for the terminal, in plain characters.

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace convoy::cli {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  // x rising
};

// Accuracy (0 to 1) over virtual time (s): steps, since what was reached holds until the next
// evaluation. Each series has a sign of its own, named below.
std::string plot_accuracy(const std::vector<Series>& series);

// One series over [0, end] s, as steps, from 0 or its lowest value to its highest; `human`: a value
// for people.
std::string plot_steps(const Series& series, double end,
                       const std::function<std::string(double)>& human);

}  // namespace convoy::cli
