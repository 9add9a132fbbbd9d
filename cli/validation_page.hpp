#pragma once

// Shows predictions against measurements: tables for the terminal and Markdown, and an HTML page.

#include <string>

#include "platforms/validation.hpp"

namespace convoy::cli {

// All rows with their errors, by group.
std::string validation_text(const platforms::Validation& validation);
// One line per device, mode and precision: number of rows, errors fitted and left out.
std::string validation_markdown(const platforms::Validation& validation);
// HTML that needs no network: summary, measured against predicted, all rows, and unused rows with
// reasons.
std::string validation_page(const platforms::Validation& validation);

}  // namespace convoy::cli
