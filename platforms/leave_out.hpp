#pragma once

// Leave-one-group-out for any fit. Internal to platforms.

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "platforms/calibration.hpp"

namespace convoy::platforms {

// Gives residual(observation, found) for each observation, with `found` = fit_to(all other groups).
// Without other groups the residual is empty (measured is 0).
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
