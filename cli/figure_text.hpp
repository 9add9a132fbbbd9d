#pragma once

// Figures for people.

#include <string>

#include "analysis/figures.hpp"

namespace convoy::cli {

// 0.1234 of a share: "12.3 %"; others with their unit, as base/text.hpp has them.
std::string human(analysis::Unit unit, double value);
// With its sign; that of shares in percentage points.
std::string human_difference(analysis::Unit unit, double value);

}  // namespace convoy::cli
