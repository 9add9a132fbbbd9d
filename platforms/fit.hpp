#pragma once

// Fits a machine to measurements: finds the figures with which the roofline model predicts them.
//
//   Fit found = fit(beginning(observations));      // of one device, in several modes and
//   precisions error_quantile(found.steps, 0.5);              // of the predicted times
//   set_fitted(device, found, "to 39 latencies");  // fitted_device.hpp

#include <string>
#include <vector>

#include "engine/model/timed_step.hpp"
#include "platforms/device.hpp"
#include "platforms/knob.hpp"
#include "platforms/residuals.hpp"

namespace convoy::platforms {

// A measured step, and the device in its mode before the fit.
struct Observation {
  engine::TimedStep step;
  Machine machine;
};

struct Fit {
  std::vector<Knob> knobs;
  std::vector<Residual> steps;

  // The machine of the same device with the fitted figures.
  [[nodiscard]] Machine on(Machine machine) const;
};

// Fits efficiencies, overheads and the cache (if the machines have one), starting from the
// observations' machines; only figures that some step depends on. Minimizes errors of the logarithm
// of the steps' times; large errors count linearly, so that disturbed steps, or steps that the
// roofline cannot describe, do not spoil the rest. Peaks and memory bandwidth are fixed.
Fit fit(const std::vector<Observation>& observations);

// The same with upper limits for the efficiencies in FP32, (0, 1]; those in other formats: 1.
using Ceilings = ByClass<double>;
Fit fit_below(const std::vector<Observation>& observations, const Ceilings& most);

// Starting points for a fit that do not depend on assumptions about the device: usual values, but
// the device's own values for figures on which the measurements do not depend.
std::vector<Observation> beginning(const std::vector<Observation>& observations);

// Predicts each observation by a fit to the other groups, starting from beginning(). Estimates the
// errors for unmeasured cases (each_left_out in residuals.hpp).
std::vector<Residual> leave_out(const std::vector<Observation>& observations,
                                const std::vector<std::string>& groups);

}  // namespace convoy::platforms
