#pragma once

// A device made of what was measured of a machine.

#include <string>

#include "engine/api/profile.hpp"
#include "platforms/calibration.hpp"

namespace convoy::platforms {

// What is said of the measuring in the device's file.
struct ProfileLabel {
  std::string name;     // of the device
  std::string device;   // that was measured: cpu, cuda:0
  std::string program;  // "convoy 0.1.0"
  bool quick = false;
};

// The figures with which the roofline predicts what was measured.
Calibration calibrate(const engine::Profile& profile, const ProfileLabel& label);

// The device's file.
std::string profiled_toml(const engine::Profile& profile, const Calibration& found,
                          const ProfileLabel& label);

}  // namespace convoy::platforms
