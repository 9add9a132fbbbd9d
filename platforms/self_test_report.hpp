#pragma once

// Reads reports of `convoy-node --self-test` (hil/agent/self_test.hpp): timed steps, draws, and the
// device made from them.

#include <string>
#include <string_view>

#include "platforms/measurements.hpp"

namespace convoy::platforms {

// Key that identifies the file type; its value is the format's version.
constexpr const char* report_key = "convoy_self_test";
constexpr int report_version = 1;

// Adds the rows. Throws base::UserError if the file is no report or of a newer version.
void read_report(std::string_view text, const std::string& file, Measurements& into);

}  // namespace convoy::platforms
