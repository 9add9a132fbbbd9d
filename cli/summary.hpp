#pragma once

// A run's figures for people and for programs.

#include <string>

#include "sim/run/run.hpp"

namespace convoy::cli {

std::string summary_text(const sim::RunResult& result);
// One JSON object with the same figures; what does not apply (yet) is null.
std::string summary_json(const sim::RunResult& result);

}  // namespace convoy::cli
