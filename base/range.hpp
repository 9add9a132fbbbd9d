#pragma once

// The numbers that a key may have.

#include <limits>
#include <string>

namespace convoy::base {

struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false;   // low itself is outside
  bool high_open = false;  // high itself is outside

  [[nodiscard]] constexpr Range up_to(double limit) const { return {low, limit, low_open, false}; }
  [[nodiscard]] constexpr Range below(double limit) const { return {low, limit, low_open, true}; }
  [[nodiscard]] bool holds(double x) const;
  [[nodiscard]] std::string str() const;  // "at least 0 and below 1"

  bool operator==(const Range&) const = default;
};
constexpr Range at_least(double low) { return {.low = low}; }
constexpr Range above(double low) { return {.low = low, .low_open = true}; }

}  // namespace convoy::base
