#pragma once

// How long a step takes on a machine. Each kernel takes the longer of its arithmetic and its memory
// traffic at the shares of the peaks that its class reaches (the roofline model, Williams et al.
// 2009). The CPU launches kernels one after another while earlier ones run: a kernel starts when it
// has been launched and the one before it has ended, so that many small ones are bound by the
// launching. On a CPU (Machine::launches_ahead is false) nobody else runs them: each is launched
// when the one before it has ended. Kernels whose operands fit in the cache, where the device's
// file knows one, find them there. A dense kernel may take some time of its own besides
// (Machine::dense_overhead): setting up, and an end where not all of the chip has work.

#include "engine/model/costs.hpp"
#include "platforms/device.hpp"

namespace convoy::platforms {

// FP16: half the bytes, at the peak of FP16.
enum class Precision { fp32, fp16 };

// Seconds of one step.
double seconds(const engine::StepCost& step, const Machine& machine,
               Precision precision = Precision::fp32);

}  // namespace convoy::platforms
