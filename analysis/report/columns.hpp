#pragma once

// Tables by columns, as the page needs them. Internal to analysis/report.

#include <algorithm>
#include <cmath>
#include <optional>
#include <type_traits>
#include <vector>

#include "analysis/json.hpp"
#include "sim/store/columns.hpp"

namespace convoy::analysis {

// A table by columns: `of` gives the values of a row.
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

// A value of a store's row; null if absent or not finite.
template <class Value>
Json stored_json(const Value& value) {
  if constexpr (std::is_floating_point_v<Value>) {
    return std::isfinite(value) ? Json(value) : Json();
  } else {
    return value;
  }
}
template <class Value>
Json stored_json(const std::optional<Value>& value) {
  return value ? stored_json(*value) : Json();
}

// Rows of a store by columns, with the store's column names.
template <class Row>
Json columns_json(const std::vector<Row>& rows) {
  Json json = Json::object();
  sim::for_each_column<Row>([&](const auto& c) {
    json[c.name] = column(rows, [&](const Row& row) { return stored_json(row.*c.member); });
  });
  return json;
}

// Times with ten digits relative to the run's length, which is finer than any screen: the page
// holds hundreds of thousands of times, and this halves their text.
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
