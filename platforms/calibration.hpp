#pragma once

// A machine from measurements: what the roofline has to be told so that it predicts them.
//
//   Fit found = fit(beginning(observations));  // of one device, in several modes and precisions
//   found.set(device, "to 39 latencies");      // what was fitted, and nothing else
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
// Of absolute errors; share in [0, 1]: 0.5 is the median. 0 where there are none.
double error_quantile(const std::vector<Residual>& residuals, double share);

// A step that was measured, and the device in the mode it was measured in, as it is before a fit.
struct Observation {
  engine::TimedStep step;
  Machine machine;
};

// One figure of a device that a fit may find. Overheads are in cycles where the machines' clocks
// are known (of the CPU for launching, of the GPU for dense kernels), so that one figure holds for
// all modes; else in s.
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
  // The measurements tell it: turned a little, it changes their errors. Otherwise `value` is the
  // first machine's own, and each machine keeps its own.
  bool fitted = false;
};

struct Fit {
  std::vector<Knob> knobs;
  std::vector<Residual> steps;
  double median_error = 0;  // of the steps, absolute, as a share of the measured time
  double worst_error = 0;

  // A machine of the same device with the figures that were fitted.
  [[nodiscard]] Machine on(Machine machine) const;
  // Writes what was fitted into the device, with that note, and touches nothing else. Gives what
  // stays as it was, since the measurements say nothing of it: "attention efficiency 0.2
  // (assumed)".
  std::vector<std::string> set(Device& device, const std::string& note) const;
};

// Searches for the efficiencies, the overheads and the cache (where the machines have one) that
// give the smallest errors of the logarithm of the steps' times, large ones counting in proportion
// only (a step that was disturbed, or that the roofline cannot describe, does not spoil the rest).
// Searched for are the figures that some step depends on; the search begins at those of the
// observations' machines. Peaks and the memory's bandwidth stay.
Fit fit(const std::vector<Observation>& observations);

// Where the search for a device's figures begins so that it owes nothing to what was assumed of
// the device: at usual ones, and at the device's own where the measurements say nothing of one, so
// that it stays.
std::vector<Observation> beginning(const std::vector<Observation>& observations);

// The machine with usual efficiencies and overheads of a GPU in place of its own.
Machine usual_machine(Machine machine);

// Each observation as predicted by a fit to those of other groups, from the beginning of all: what
// can be expected of what was never measured. `groups`: of each, what is left out together with it
// (its model, its mode).
std::vector<Residual> leave_out(const std::vector<Observation>& observations,
                                const std::vector<std::string>& groups);

struct Calibration {
  Machine machine;  // without names and memory
  std::vector<Residual> steps;
  double median_error = 0;
  double worst_error = 0;
};

// A machine of which nothing is known. From operators on their own: the peak (the fastest of them),
// the bandwidth of the memory (the one that moves most), where the search begins, and what no dense
// operator inside a step exceeds; the rest by a fit to whole training steps. There must be
// operators of every dense class, elementwise ones among them, and some steps.
Calibration calibrate(const std::vector<engine::TimedStep>& operators,
                      const std::vector<engine::TimedStep>& steps, bool launches_ahead);

}  // namespace convoy::platforms
