#pragma once

// The range of numbers that a key accepts.

#include <limits>
#include <string>

namespace convoy::base {

struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false;   // low is excluded
  bool high_open = false;  // high is excluded

  [[nodiscard]] constexpr Range up_to(double limit) const { return {low, limit, low_open, false}; }
  [[nodiscard]] constexpr Range below(double limit) const { return {low, limit, low_open, true}; }
  [[nodiscard]] bool holds(double x) const;
  [[nodiscard]] std::string str() const;  // "at least 0 and below 1"

  bool operator==(const Range&) const = default;
};
constexpr Range at_least(double low) { return {.low = low}; }
constexpr Range above(double low) { return {.low = low, .low_open = true}; }

}  // namespace convoy::base
