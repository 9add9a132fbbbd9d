#pragma once

// Numbers in JSON, which has no NaN and no infinity: these are written as words.

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "base/diagnostics.hpp"
#include "base/text.hpp"

namespace convoy::base {

inline nlohmann::json json_number(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

// Throws UserError for other words. null is NaN: older agents wrote it so.
inline double read_json_number(const nlohmann::json& value) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (value.is_number()) return value.get<double>();
  const std::string word = value.is_null() ? "nan" : value.get<std::string>();
  if (word == "inf") return infinity;
  if (word == "-inf") return -infinity;
  if (word == "nan") return std::numeric_limits<double>::quiet_NaN();
  throw UserError(fmt::format("\"{}\" is no number", printable(word)));
}

}  // namespace convoy::base
