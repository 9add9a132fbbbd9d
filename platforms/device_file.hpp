#pragma once

// Writes a device as a text that read_device() reads.

#include <string>
#include <vector>

#include "platforms/device.hpp"

namespace convoy::platforms {

// `comments`: first lines, without "# ". Figures get four digits, memory sizes all.
std::string to_toml(const Device& device, const std::vector<std::string>& comments);

}  // namespace convoy::platforms
