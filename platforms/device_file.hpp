#pragma once

// A device as the text of a file that read_device reads.

#include <string>
#include <vector>

#include "platforms/device.hpp"

namespace convoy::platforms {

// `comments`: lines to begin with, without their "# ". Figures have four digits, memory sizes all.
std::string to_toml(const Device& device, const std::vector<std::string>& comments);

}  // namespace convoy::platforms
