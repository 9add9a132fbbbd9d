#pragma once

// A run's figures for people and for programs.

#include <string>

#include "sim/run/run.hpp"

namespace convoy::cli {

std::string summary_text(const sim::RunResult& result);
// One JSON object with the same figures; what does not apply (yet) is null. `with_curve`: and each
// evaluation of the model with what it had taken, from which times to any accuracy can be told.
std::string summary_json(const sim::RunResult& result, bool with_curve = false);

}  // namespace convoy::cli
