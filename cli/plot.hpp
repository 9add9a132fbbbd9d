#pragma once

// A plot for the terminal, in plain characters.

#include <string>
#include <utility>
#include <vector>

namespace convoy::cli {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  // x rising
};

// Accuracy (0 to 1) over virtual time (s): steps, since what was reached holds until the next
// judgement. Each series has a sign of its own, named below.
std::string plot_accuracy(const std::vector<Series>& series);

}  // namespace convoy::cli
