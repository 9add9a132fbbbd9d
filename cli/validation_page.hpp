#pragma once

// Predictions held against measurements, for people: as tables for the terminal and for Markdown,
// and as a page of its own.

#include <string>

#include "platforms/validation.hpp"

namespace convoy::cli {

// Each row with its errors, group by group.
std::string validation_text(const platforms::Validation& validation);
// One line a device, mode and precision: how many rows, errors fitted and left out.
std::string validation_markdown(const platforms::Validation& validation);
// HTML that opens without a network: the summary, measured against predicted, all rows, and what
// was not compared with why.
std::string validation_page(const platforms::Validation& validation);

}  // namespace convoy::cli
