#pragma once

// How far predictions are from measurements, also of cases that a fit has not seen.

#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace convoy::platforms {

struct Residual {
  std::string name;
  double measured = 0;   // s, or W
  double predicted = 0;  // in the same unit
  [[nodiscard]] double error() const { return predicted / measured - 1; }
};

// Quantile of the absolute errors; share in [0, 1]: 0.5 is the median. 0 without residuals.
double error_quantile(const std::vector<Residual>& residuals, double share);

// Leave-one-group-out for any fit. Gives residual(observation, found) for each observation, with
// `found` = fit_to(all other groups). Without other groups the residual is empty (measured is 0).
// `groups`: each observation's group (its model, its mode).
template <class Observed, class FitTo, class ResidualOf>
std::vector<Residual> each_left_out(const std::vector<Observed>& observations,
                                    const std::vector<std::string>& groups, FitTo fit_to,
                                    ResidualOf residual) {
  std::vector<Residual> all(observations.size());
  for (const std::string& left : std::set<std::string>(groups.begin(), groups.end())) {
    std::vector<Observed> others;
    for (std::size_t i = 0; i < observations.size(); ++i) {
      if (groups[i] != left) others.push_back(observations[i]);
    }
    if (others.empty()) continue;
    const auto found = fit_to(others);
    for (std::size_t i = 0; i < observations.size(); ++i) {
      if (groups[i] == left) all[i] = residual(observations[i], found);
    }
  }
  return all;
}

}  // namespace convoy::platforms
