#pragma once

// What `convoy-node --self-test` writes (hil/agent/self_test.hpp), as measurements: steps timed,
// draws, the device that was made of them.

#include <string>
#include <string_view>

#include "platforms/measurements.hpp"

namespace convoy::platforms {

// The key that says what file this is, and the version of its format.
constexpr const char* report_key = "convoy_self_test";
constexpr int report_version = 1;

// Adds the rows. Throws base::UserError for what is no report, or one of a later version.
void read_report(std::string_view text, const std::string& file, Measurements& into);

}  // namespace convoy::platforms
