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
#include "platforms/roofline.hpp"

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

// Searches for the efficiencies, the overheads and the cache (where `start` has one) that give the
// smallest errors of the logarithm of the steps' times, large ones counting in proportion only (a
// step that was disturbed, or that the roofline cannot describe, does not spoil the rest). Peaks
// and the memory's bandwidth are those of `start`, where the search begins; a figure that no step
// depends on stays there.
Calibration fit(const std::vector<engine::TimedStep>& steps, const Machine& start,
                Precision precision);

// The machine with usual efficiencies and overheads of a GPU in place of its own: where a search
// may begin that is to owe nothing to what was assumed of the device.
Machine usual_machine(Machine machine);

// Where the search for a device's figures begins: at the usual ones, and at the device's own where
// the steps say nothing of a figure (no step has a kernel of that class, say), so that it stays.
Machine beginning(const std::vector<engine::TimedStep>& steps, const Machine& device,
                  Precision precision);

// Writes what was fitted into a device, with that note. What stayed where the search began
// (`start`, of beginning()) was not determined by the measurements: there the device keeps its
// figure, its origin and its note. Which ones, for people: "attention efficiency 0.2 (assumed)".
std::vector<std::string> set_fitted(Device& device, const Machine& start, const Machine& found,
                                    const std::string& note);

// Each step as predicted by a fit to the others: what can be expected of steps never measured.
std::vector<Residual> leave_one_out(const std::vector<engine::TimedStep>& steps,
                                    const Machine& start, Precision precision);

// Of absolute errors; share in [0, 1]: 0.5 is the median. 0 where there are none.
double error_quantile(const std::vector<Residual>& residuals, double share);

// A machine of which nothing is known. From operators on their own: the peak (the fastest of them),
// the bandwidth of the memory (the one that moves most), where the search begins, and what no dense
// operator inside a step exceeds; the rest by a fit to whole training steps. There must be
// operators of every dense class, elementwise ones among them, and some steps.
Calibration calibrate(const std::vector<engine::TimedStep>& operators,
                      const std::vector<engine::TimedStep>& steps, bool launches_ahead);

}  // namespace convoy::platforms
