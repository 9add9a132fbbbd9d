#pragma once

// What a device draws in a mode from its clocks, fitted to measured draws (roofline.hpp says how
// that of a step follows):
//
//   busy_w = idle_w + k x cores x f x (1 + v x f)^2
//
// with f the clock of the GPU and cores those that are awake: switching power is proportional to
// what switches, to the clock and to the square of the voltage, which rises with the clock.

#include <string>
#include <vector>

#include "platforms/calibration.hpp"
#include "platforms/roofline.hpp"

namespace convoy::platforms {

// A step whose draw was measured, and the device in the mode it was measured in: idle_w is taken as
// it is, cores and clock must be known.
struct DrawObservation {
  std::string name;
  engine::StepCost step;
  Machine machine;
  double watts = 0;
};

struct PowerFit {
  double watts = 0;      // k, of 1000 cores at 1 GHz
  double per_ghz = 0;    // v
  double depthwise = 1;  // Machine::depthwise_power; 1 where no step has depthwise kernels

  [[nodiscard]] Machine on(Machine machine) const;
  [[nodiscard]] double predicted(const DrawObservation& o) const;
};

// By the least sum of the absolute logarithms of the errors.
PowerFit fit_power(const std::vector<DrawObservation>& observations);
// Each as predicted by a fit to those of other groups.
std::vector<Residual> leave_out(const std::vector<DrawObservation>& observations,
                                const std::vector<std::string>& groups);

}  // namespace convoy::platforms
