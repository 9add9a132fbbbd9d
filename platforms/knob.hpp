#pragma once

// A figure of a device that a fit may change, and its place in a machine.

#include "engine/model/costs.hpp"
#include "platforms/device.hpp"

namespace convoy::platforms {

// Overheads are in clock cycles if the machines' clocks are known (CPU clock for launches, GPU
// clock for dense kernels), so that one figure holds for all modes; else in s.
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

// True for efficiencies: shares of a peak, [smallest_share, 1].
bool is_share(const Knob& knob);

inline constexpr double smallest_share = 1e-5;

// The figure of the machine, in the knob's unit.
double read(const Knob& knob, const Machine& machine);
void turn(const Knob& knob, double value, Machine& machine);

}  // namespace convoy::platforms
