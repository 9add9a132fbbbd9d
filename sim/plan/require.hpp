#pragma once

// Internal to sim/plan: what planners ask of their problems.

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "base/diagnostics.hpp"

namespace convoy::sim {

// Throws base::UserError ("split plan: ...") if the condition does not hold.
inline void require(std::string_view planner, bool holds, const std::string& message) {
  if (!holds) throw base::UserError(fmt::format("{}: {}", planner, message));
}

}  // namespace convoy::sim
