#pragma once

// Tables by columns, as the page needs them. Internal to analysis/report.

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <type_traits>
#include <vector>

#include "analysis/json.hpp"
#include "sim/store/columns.hpp"

namespace convoy::analysis {

// A value of a row; null if absent or not finite.
template <class Value>
Json value_json(const Value& value) {
  if constexpr (std::is_floating_point_v<Value>) {
    return std::isfinite(value) ? Json(value) : Json();
  } else {
    return value;
  }
}
template <class Value>
Json value_json(const std::optional<Value>& value) {
  return value ? value_json(*value) : Json();
}

// A column of a table: `of` gives a row's value, or is the member that holds it.
template <class Rows, class Of>
Json column(const Rows& rows, Of of) {
  Json all = Json::array();
  auto& values = all.get_ref<Json::array_t&>();
  values.reserve(std::size(rows));
  for (const auto& row : rows) values.emplace_back(value_json(std::invoke(of, row)));
  return all;
}

// Rows of a store by columns, with the store's column names.
template <class Row>
Json columns_json(const std::vector<Row>& rows) {
  Json json = Json::object();
  sim::for_each_column<Row>([&](const auto& c) { json[c.name] = column(rows, c.member); });
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
