#pragma once

// Tables by columns, as the page has them. Internal to analysis/report.

#include <algorithm>
#include <cmath>
#include <iterator>
#include <type_traits>

#include "analysis/json.hpp"

namespace convoy::analysis {

// A table by columns: what `of` gives of each row.
template <class Rows, class Of>
Json column(const Rows& rows, Of of) {
  Json all = Json::array();
  auto& values = all.get_ref<Json::array_t&>();
  values.reserve(std::size(rows));
  for (const auto& row : rows) {
    if constexpr (std::is_floating_point_v<decltype(of(row))>) {
      const double value = of(row);
      values.emplace_back(std::isfinite(value) ? Json(value) : Json());
    } else {
      values.emplace_back(of(row));
    }
  }
  return all;
}

// A time of a run with ten digits of its whole length, which no screen tells apart: the page holds
// hundreds of thousands of them, and the shortest text of a time just so is half as long.
class Clock {
 public:
  explicit Clock(double until_s)
      : steps_per_s_(std::pow(10, 10 - std::ceil(std::log10(std::max(until_s, 1e-9))))) {}

  [[nodiscard]] double operator()(double time_s) const {
    return std::round(time_s * steps_per_s_) / steps_per_s_;
  }

 private:
  double steps_per_s_;
};

}  // namespace convoy::analysis
