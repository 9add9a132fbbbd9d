#pragma once

// Values of metrics as text for people, with as many digits as tell neighbours apart.

#include <optional>
#include <string>
#include <vector>

#include "analysis/metric_list.hpp"

namespace convoy::cli {

// Those that are known.
std::vector<double> known(const std::vector<std::optional<double>>& values);

// How values that stand together are written.
class MetricText {
 public:
  // With the fewest digits at which values that differ look different, but at most four decimals
  // more than usual.
  MetricText(analysis::Unit unit, const std::vector<double>& values);

  // A share 0.1234 becomes "12.3 %"; other units as in base/text.hpp.
  [[nodiscard]] std::string operator()(double value) const;
  // "" without a value.
  [[nodiscard]] std::string operator()(const std::optional<double>& value) const;

 private:
  analysis::Unit unit_;
  int more_ = 0;  // decimals more than usual
};

// A metric of several runs, by group: the mean, and in brackets minimum and maximum if they differ;
// "" without values.
inline constexpr const char* mean_and_spread_heading = "mean [least .. most]";
std::vector<std::string> means_and_spreads(analysis::Unit unit,
                                           const std::vector<std::vector<double>>& groups);

// A difference with sign, and its interval "low .. high", "" if there is none; differences of
// shares in percentage points.
struct DifferenceText {
  std::string mean;
  std::string interval;
};
DifferenceText difference_text(analysis::Unit unit, double mean, std::optional<double> low,
                               std::optional<double> high);

}  // namespace convoy::cli
