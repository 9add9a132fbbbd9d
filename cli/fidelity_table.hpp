#pragma once

// The errors of a simulation against what was measured, for `convoy compare`.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "analysis/fidelity.hpp"

namespace convoy::cli {

// A heading, a table by node and label with the totals below, the ends of the runs, remarks.
std::string fidelity_text(const analysis::Fidelity& fidelity);

// An array; errors are shares of the measured duration, what is not known is null.
nlohmann::ordered_json fidelity_json(const std::vector<analysis::Fidelity>& all);

}  // namespace convoy::cli
