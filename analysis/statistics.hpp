#pragma once

// Confidence of the mean of a few differences.

#include <optional>
#include <string>
#include <vector>

namespace convoy::analysis {

struct Interval {
  double mean = 0;
  std::optional<double> low;  // of the 95 % confidence interval; nothing: only one value
  std::optional<double> high;
  std::string method;  // "t" (Student), "bootstrap" (ten values or more), or ""
};

// For independent values, at least one. Below ten values Student's t interval, mean -+ t(0.975, n -
// 1) s / sqrt n. From ten on the bias-corrected and accelerated bootstrap (Efron 1987) with 10,000
// resamples, which assumes no distribution; its random seed is fixed.
Interval mean_interval(const std::vector<double>& values);

// Student's interval, however many values there are; at least one.
Interval student_interval(const std::vector<double>& values);

}  // namespace convoy::analysis
