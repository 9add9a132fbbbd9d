#pragma once

// What a fit has found, in a device and its file.

#include <string>
#include <vector>

#include "platforms/fit.hpp"

namespace convoy::platforms {

// Writes the fitted figures, with this note, into the device. Gives texts about the figures that
// stay because the measurements do not depend on them: "attention efficiency 0.2 (assumed)".
std::vector<std::string> set_fitted(Device& device, const Fit& fit, const std::string& note);

}  // namespace convoy::platforms
