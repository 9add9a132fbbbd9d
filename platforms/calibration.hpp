#pragma once

// Fits a machine to measurements: finds the figures with which the roofline model predicts them.
//
//   Fit found = fit(beginning(observations));  // of one device, in several modes and precisions
// found.set(device, "to 39 latencies");      // writes only the fitted figures
//   found.median_error;                        // of the predicted times

#include <string>
#include <vector>

#include "engine/model/timed_step.hpp"
#include "platforms/device.hpp"
#include "platforms/roofline.hpp"

namespace convoy::platforms {

struct Residual {
  std::string name;
  double measured = 0;   // s
  double predicted = 0;  // s
  [[nodiscard]] double error() const { return predicted / measured - 1; }
};
// Quantile of the absolute errors; share in [0, 1]: 0.5 is the median. 0 without residuals.
double error_quantile(const std::vector<Residual>& residuals, double share);

// A measured step, and the device in its mode before the fit.
struct Observation {
  engine::TimedStep step;
  Machine machine;
};

// A figure of a device that a fit may change. Overheads are in clock cycles if the machines' clocks
// are known (CPU clock for launches, GPU clock for dense kernels), so that one figure holds for all
// modes; else in s.
struct Knob {
  enum class Kind {
    efficiency,
    memory_efficiency,
    launch_overhead,
    dense_overhead,
    cache,
    cache_bandwidth
  };
  Kind kind = Kind::efficiency;
  engine::Number number = engine::Number::fp32;       // efficiency, of the memory also
  engine::OpClass op = engine::OpClass::elementwise;  // efficiency
  double value = 0;
  // True if the measurements depend on the figure. Else `value` is the first machine's own, and
  // each machine keeps its own.
  bool fitted = false;
};

struct Fit {
  std::vector<Knob> knobs;
  std::vector<Residual> steps;
  double median_error = 0;  // of the absolute relative errors of the steps' times
  double worst_error = 0;

  // The machine of the same device with the fitted figures.
  [[nodiscard]] Machine on(Machine machine) const;
  // Writes the fitted figures, with this note, into the device. Gives texts about the figures that
  // stay because the measurements do not depend on them: "attention efficiency 0.2 (assumed)".
  std::vector<std::string> set(Device& device, const std::string& note) const;
};

// Fits efficiencies, overheads and the cache (if the machines have one), starting from the
// observations' machines; only figures that some step depends on. Minimizes errors of the logarithm
// of the steps' times; large errors count linearly, so that disturbed steps, or steps that the
// roofline cannot describe, do not spoil the rest. Peaks and memory bandwidth are fixed.
Fit fit(const std::vector<Observation>& observations);

// Starting points for a fit that do not depend on assumptions about the device: usual values, but
// the device's own values for figures on which the measurements do not depend.
std::vector<Observation> beginning(const std::vector<Observation>& observations);

// The machine with the usual efficiencies and overheads of a GPU.
Machine usual_machine(Machine machine);

// Leave-one-group-out: predicts each observation by a fit to the other groups, starting from
// beginning(). Estimates the errors for unmeasured cases. `groups`: each observation's group (its
// model, its mode).
std::vector<Residual> leave_out(const std::vector<Observation>& observations,
                                const std::vector<std::string>& groups);

struct Calibration {
  Machine machine;  // without names and memory
  std::vector<Residual> steps;
  double median_error = 0;
  double worst_error = 0;
};

// Calibrates an unknown machine. Single operators give the peak (the fastest), the memory bandwidth
// (the highest rate), starting points and upper limits for dense operators; a fit to whole training
// steps gives the rest. Needs operators of every dense class, some elementwise ones, and some
// steps.
Calibration calibrate(const std::vector<engine::TimedStep>& operators,
                      const std::vector<engine::TimedStep>& steps, bool launches_ahead);

}  // namespace convoy::platforms
