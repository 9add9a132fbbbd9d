#include "cli/time_left.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.hpp"

namespace convoy::cli {

std::string about_seconds(double seconds) {
  constexpr double two_minutes = 120;
  seconds = std::ceil(seconds);
  return seconds < two_minutes ? fmt::format("{:.0f} s", seconds) : base::human_seconds(seconds);
}

std::optional<double> TimeLeft::operator()(double share, double before, double wall_s) {
  constexpr double least_share = 0.005;  // below it a rate says little
  constexpr double least_wall_s = 1;
  constexpr double wrong = 0.25;     // share of the time left
  constexpr double smoothing = 0.5;  // weight of a new, lower estimate
  const double done = share - before;
  if (done < least_share || wall_s < least_wall_s) return std::nullopt;
  const double left_s = (1 - share) * wall_s / done;
  const double end_s = wall_s + left_s;
  constexpr double least_s = 4;  // smaller errors do not matter
  if (!end_s_ || end_s > *end_s_ + wrong * std::max(left_s, least_s)) {
    end_s_ = end_s;
  } else if (end_s < *end_s_) {
    *end_s_ += smoothing * (end_s - *end_s_);
  }
  return std::max(0.0, *end_s_ - wall_s);
}

}  // namespace convoy::cli
