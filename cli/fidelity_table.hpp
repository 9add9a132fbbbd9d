#pragma once

// Prints the errors of a simulation relative to measurements.

#include <string>

#include "analysis/fidelity.hpp"

namespace convoy::cli {

// A heading, a table by node and label with totals, the ends of the runs, remarks.
std::string fidelity_text(const analysis::Fidelity& fidelity);

}  // namespace convoy::cli
