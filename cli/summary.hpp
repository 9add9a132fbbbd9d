#pragma once

// A run's figures as text and as JSON.

#include <string>

#include "sim/run/run.hpp"

namespace convoy::cli {

std::string summary_text(const sim::RunResult& result);
// One JSON object with the figures; values that do not apply (yet) are null. `with_curve`: adds
// every evaluation with the costs so far, for times to any accuracy.
std::string summary_json(const sim::RunResult& result, bool with_curve = false);

}  // namespace convoy::cli
