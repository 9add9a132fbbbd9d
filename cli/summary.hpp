#pragma once

// A run's figures for people and for programs.

#include <string>

#include "sim/run/run.hpp"

namespace convoy::cli {

std::string summary_text(const sim::RunResult& result);
// One JSON object with the keys of section 6 of the design; what does not apply is null.
std::string summary_json(const sim::RunResult& result);

}  // namespace convoy::cli
