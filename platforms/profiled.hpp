#pragma once

// Makes a device from the profile of a machine.

#include <string>

#include "engine/api/profile.hpp"
#include "platforms/calibration.hpp"

namespace convoy::platforms {

// Texts about the measurement for the device's file.
struct ProfileLabel {
  std::string name;     // name of the device
  std::string device;   // device measured: cpu, cuda:0
  std::string program;  // "convoy 0.1.0"
  bool quick = false;
};

// Fits the roofline's figures to the profile.
Calibration calibrate(const engine::Profile& profile, const ProfileLabel& label);

// The text of the device's file.
std::string profiled_toml(const engine::Profile& profile, const Calibration& found,
                          const ProfileLabel& label);

}  // namespace convoy::platforms
