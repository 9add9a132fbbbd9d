#pragma once

// Dates in logs, and rows that have the same one. Internal to platforms/traces.

#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/csv.hpp"

namespace convoy::platforms {

// Seconds since some midnight of "10-01-2025 20:05:55", "08-10-2021 17:01:45.652" (month first) or
// "2020.02.14_13.21.26"; nothing where it is none.
std::optional<double> parse_stamp(std::string_view text);

// Moments of a log that may repeat; spread(): those of one moment evenly up to the next one.
std::vector<double> spread(const std::vector<double>& moments, double last_interval_s);

// The longest step between two moments and how many are longer than three of the middle one; a
// remark for people, empty where there is nothing to say.
std::string gaps_in(const std::vector<double>& moments);

}  // namespace convoy::platforms
