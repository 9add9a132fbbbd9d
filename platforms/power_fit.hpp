#pragma once

// Fits a device's power draw in a mode, as a function of its clocks, to measurements (roofline.hpp
// derives the draw of a step from it):
//
//   busy_w = idle_w + k x cores x f x (1 + v x f)^2
//
// f: GPU clock; cores: active cores. Switching power is proportional to the number of switching
// elements, to the clock and to the square of the voltage, which rises with the clock.

#include <string>
#include <vector>

#include "engine/model/costs.hpp"
#include "platforms/device.hpp"
#include "platforms/residuals.hpp"

namespace convoy::platforms {

// A step with measured draw, and the device in its mode; idle_w is fixed, cores and clock must be
// known.
struct DrawObservation {
  std::string name;
  engine::StepCost step;
  Machine machine;
  double watts = 0;
};

struct PowerFit {
  double watts = 0;      // k, per 1000 cores at 1 GHz
  double per_ghz = 0;    // v
  double depthwise = 1;  // Machine::depthwise_power; 1 without depthwise kernels

  [[nodiscard]] Machine on(Machine machine) const;
  [[nodiscard]] double predicted(const DrawObservation& o) const;
};

// Minimizes the sum of the absolute logarithmic errors.
PowerFit fit_power(const std::vector<DrawObservation>& observations);
// Predicts each observation by a fit to the other groups.
std::vector<Residual> leave_out(const std::vector<DrawObservation>& observations,
                                const std::vector<std::string>& groups);

}  // namespace convoy::platforms
