#include "cli/figure_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/text.hpp"

namespace convoy::cli {

std::string human(analysis::Unit unit, double value) {
  if (value < 0) return "-" + human(unit, -value);
  switch (unit) {
    case analysis::Unit::seconds:
      return base::human_seconds(value);
    case analysis::Unit::bytes:
      return base::human_bytes(value);
    case analysis::Unit::joules:
      return base::human_energy(value);
    case analysis::Unit::share:
      return fmt::format("{:.1f} %", 100 * value);
    case analysis::Unit::count: {
      constexpr double large = 1000;  // from here on without decimals
      const bool whole = value >= large || value == std::floor(value);
      return whole ? base::human_count(std::round(value)) : fmt::format("{:.2f}", value);
    }
  }
  return "";
}

std::string mean_and_spread(analysis::Unit unit, const std::vector<double>& values) {
  if (values.empty()) return "";
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  if (*least == *most) return human(unit, *least);
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  return fmt::format("{} [{} .. {}]", human(unit, sum / static_cast<double>(values.size())),
                     human(unit, *least), human(unit, *most));
}

std::string human_difference(analysis::Unit unit, double value) {
  if (unit == analysis::Unit::share) return fmt::format("{:+.1f} pp", 100 * value);
  return (value > 0 ? "+" : "") + human(unit, value);
}

}  // namespace convoy::cli
