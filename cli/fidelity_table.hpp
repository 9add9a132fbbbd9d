#pragma once

// The errors of a simulation against what was measured, for people.

#include <string>

#include "analysis/fidelity.hpp"

namespace convoy::cli {

// A heading, a table by node and label with the totals below, the ends of the runs, remarks.
std::string fidelity_text(const analysis::Fidelity& fidelity);

}  // namespace convoy::cli
