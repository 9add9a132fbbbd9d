#pragma once

// Two searches for a root that the solvers of this folder share.

#include <algorithm>
#include <cmath>
#include <limits>

namespace convoy::sim {

inline constexpr double most_x = 20;  // covers ratios of prices from 1e-17 to 1e17 (shares.hpp)

// A value that falls as T grows, and its derivative.
struct Total {
  double value = 0;
  double slope = 0;
};

// The least T >= `floor` at which the value of total(T) is at most 1 (within rounding), by Newton
// steps on 1 / value, which is concave for sums of a / (T - c), between bounds that bisection
// narrows. Begins at `guess`. The value at `floor` must be finite.
template <class TotalAt>
double least_round(TotalAt&& total, double floor, double guess = 0) {
  double low = floor;
  double high = std::numeric_limits<double>::infinity();
  double t = std::max(floor, guess);
  double width = high;  // of the bounds, three steps before
  for (int step = 1; step < 400; ++step) {
    const auto now = total(t);
    if (t == floor && now.value <= 1) return floor;
    (now.value > 1 ? low : high) = t;
    double next = t + now.value * (1 - now.value) / now.slope;
    if (std::abs(next - t) <= 4e-16 * t) return t;
    if (next <= floor && low == floor) next = floor;  // maybe not tried yet
    bool halve = next != floor && !(next > low && next < high);
    if (step % 3 == 0) {
      halve = halve || high - low > width / 2;
      width = high - low;
    }
    if (halve || next == t) {
      next = std::isfinite(high) ? low + (high - low) / 2 : low + std::max(low - floor, low);
    }
    if (next == low || next == high) return std::isfinite(high) ? high : low;
    t = next;
  }
  return std::isfinite(high) ? high : t;
}

// Finds x in [-most_x, most_x] with y(x) = 0, or where y changes its sign, within `tolerance`, for
// a y that falls; an end of the range if it does not change there. Returns the last x that was
// tried.
template <class Y>
double balance(Y&& y, double tolerance = 1e-14) {
  double low = -most_x;
  double high = most_x;
  double x = 0;
  double last_x = 0;
  double last_y = std::numeric_limits<double>::infinity();
  double width = high - low;  // of the bounds, two steps before
  for (int step = 1; step < 150; ++step) {
    const double now = y(x);
    if (!(std::abs(now) >= 2e-15)) return x;
    (now > 0 ? low : high) = x;
    if (high - low < tolerance) return x;
    double next = x + now;  // logarithms of a ratio of shares fall by about 1 per unit of x
    if (std::isfinite(last_y) && now != last_y) next = x - now * (x - last_x) / (now - last_y);
    bool halve = !(next > low && next < high);
    if (step % 2 == 0) {
      halve = halve || high - low > width / 2;
      width = high - low;
    }
    if (halve) next = low + (high - low) / 2;
    last_x = x;
    last_y = now;
    if (next == x || next == low || next == high) return x;
    x = next;
  }
  return x;
}

}  // namespace convoy::sim
