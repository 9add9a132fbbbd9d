#pragma once

// A machine from measurements: what the roofline has to be told so that it predicts them.
//
//   const Calibration found = calibrate(profile.operators, profile.steps, false);
//   found.machine.launch_overhead;   // s
//   found.median_error;              // of the steps' predicted times

#include <string>
#include <vector>

#include "engine/model/timed_step.hpp"
#include "platforms/device.hpp"

namespace convoy::platforms {

struct Residual {
  std::string name;
  double measured = 0;   // s
  double predicted = 0;  // s
  [[nodiscard]] double error() const { return predicted / measured - 1; }
};

struct Calibration {
  Machine machine;  // without names and memory
  std::vector<Residual> steps;
  double median_error = 0;  // of the steps, absolute, as a share of the measured time
  double worst_error = 0;
};

// From operators on their own: the peak (the fastest of them), the bandwidth of the memory (the one
// that moves most), and where the search begins. From whole training steps, by a search for the
// smallest errors of the logarithm of the time, large ones counting in proportion only (a step that
// was disturbed, or that the roofline cannot describe, does not spoil the rest): the efficiencies,
// the launch overhead, the cache. A figure that no step depends on stays where the search began.
// There must be operators of every dense class, elementwise ones among them, and some steps.
Calibration calibrate(const std::vector<engine::TimedStep>& operators,
                      const std::vector<engine::TimedStep>& steps, bool launches_ahead);

}  // namespace convoy::platforms
