#pragma once

// How long a step takes on a machine, and what the machine draws meanwhile. Each kernel takes the
// longer of its arithmetic and its memory traffic at the shares of the peaks that its class reaches
// (the roofline model, Williams et al. 2009). The CPU launches kernels one after another while
// earlier ones run: a kernel starts when it has been launched and the one before it has ended, so
// that many small ones are bound by the launching. On a CPU (Machine::launches_ahead is false)
// nobody else runs them: each is launched when the one before it has ended. Kernels whose operands
// fit in the cache, where the device's file knows one, find them there. A dense kernel may take
// some time of its own besides (Machine::dense_overhead): setting up, and an end where not all of
// the chip has work.
//
// In which format it computes, and how many bytes it moves, is in the step (engine::Precision).
//
// The draw is idle_w + (busy_w - idle_w) x u x w. u is the share of the step in which the device
// has a kernel to compute; w is the same with depthwise kernels counted by
// Machine::depthwise_power. So a device that waits for launches half the time draws less than half:
// its governors lower the clocks. Ours, from 38 measured draws of AGX Orin in four modes and 24 of
// AGX Xavier (platforms/README.md); kernels bound by memory drew as much there as those bound by
// arithmetic. It is far off where launches take most of the time in another source's rows (pagoda:
// ResNet-50 and MobileNetV3 one by one, measured 27 and 21 W, predicted 11 and 8).

#include "engine/model/costs.hpp"
#include "platforms/device.hpp"

namespace convoy::platforms {

struct Prediction {
  double seconds = 0;  // of one step
  double watts = 0;    // mean over it
};
Prediction predict(const engine::StepCost& step, const Machine& machine);

// Seconds of one step.
double seconds(const engine::StepCost& step, const Machine& machine);

}  // namespace convoy::platforms
