#pragma once

// Calibrates an unknown machine: finds all its figures from what was measured on it alone.

#include <vector>

#include "engine/model/timed_step.hpp"
#include "platforms/device.hpp"
#include "platforms/residuals.hpp"

namespace convoy::platforms {

struct Calibration {
  Machine machine;  // without names and memory
  std::vector<Residual> steps;
  double median_error = 0;  // of the absolute relative errors of the steps' times
  double worst_error = 0;
};

// Single operators give the peak (the fastest), the memory bandwidth (the highest rate), starting
// points and upper limits for dense operators; a fit to whole training steps gives the rest. Needs
// operators of every dense class, some elementwise ones, and some steps.
Calibration calibrate(const std::vector<engine::TimedStep>& operators,
                      const std::vector<engine::TimedStep>& steps, bool launches_ahead);

}  // namespace convoy::platforms
