#pragma once

// Time and power draw of a step on a machine. By the roofline model (Williams et al. 2009) each
// kernel takes the longer of its arithmetic and its memory traffic, at the efficiencies of its
// class. The CPU launches kernels in order while earlier ones run: a kernel starts when it has been
// launched and the one before has ended, so many small kernels are limited by launching. On a CPU
// (Machine::launches_ahead false) each kernel is launched after the end of the one before. Kernels
// whose operands fit in the cache, if the device's file has one, use its bandwidth. A dense kernel
// may take extra time (Machine::dense_overhead): set-up, and an end with part of the chip idle.
//
// The step gives the format and the number of bytes moved (engine::Precision).
//
// The draw is idle_w + (busy_w - idle_w) x u x w. u: share of the step in which a kernel runs; w:
// the same with depthwise kernels weighted by Machine::depthwise_power. A device that waits for
// launches half the time thus draws less than half: its governors lower the clocks. Our own
// formula, from 38 draws measured on AGX Orin in four modes and 24 on AGX Xavier
// (platforms/README.md), where memory-bound kernels drew as much as arithmetic-bound ones. It fails
// for launch-bound steps of another source (pagoda: ResNet-50 and MobileNetV3, batch 1: measured 27
// and 21 W, predicted 11 and 8).

#include "engine/model/costs.hpp"
#include "platforms/device.hpp"

namespace convoy::platforms {

struct Prediction {
  double seconds = 0;  // of one step
  double watts = 0;    // mean over the step
};
Prediction predict(const engine::StepCost& step, const Machine& machine);

// Seconds of one step.
double seconds(const engine::StepCost& step, const Machine& machine);

}  // namespace convoy::platforms
