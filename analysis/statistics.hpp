#pragma once

// How far the mean of a few differences can be trusted.

#include <optional>
#include <string>
#include <vector>

namespace convoy::analysis {

struct Interval {
  double mean = 0;
  std::optional<double> low;  // of the 95 % confidence interval of the mean; nothing: one value
  std::optional<double> high;
  std::string method;  // "t" (Student), from ten values on "bootstrap", or ""
};

// Of values that are independent of one another; at least one. Below ten values Student's t
// interval, mean -+ t(0.975, n - 1) s / sqrt n. From ten on the bias-corrected and accelerated
// bootstrap (Efron 1987) with 10,000 resamples, which presumes no shape; its random numbers are
// fixed, so the same values give the same interval.
Interval mean_interval(const std::vector<double>& values);

}  // namespace convoy::analysis
