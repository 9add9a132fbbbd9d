#include "platforms/roofline.hpp"

#include <algorithm>

namespace convoy::platforms {

double seconds(const engine::StepCost& step, const Machine& machine, Precision precision) {
  const bool half = precision == Precision::fp16;
  const double memory = machine.memory_bandwidth * machine.memory_efficiency;
  const double peak = half ? machine.peak_fp16 : machine.peak_fp32;
  double launched = 0;
  double ended = 0;
  for (const engine::Kernel& kernel : step.kernels) {
    const double share = machine.efficiency.at(static_cast<std::size_t>(kernel.op));
    const double bytes = half ? kernel.bytes / 2 : kernel.bytes;
    const double arithmetic = kernel.flops / (peak * share);
    const bool cached = bytes <= machine.cache && machine.cache_bandwidth > 0;
    const double traffic = bytes / (cached ? machine.cache_bandwidth : memory);
    const double of_its_own = engine::is_dense(kernel.op) ? machine.dense_overhead : 0;
    launched = (machine.launches_ahead ? launched : ended) + machine.launch_overhead;
    ended = std::max(ended, launched) + of_its_own + std::max(arithmetic, traffic);
  }
  return ended;
}

}  // namespace convoy::platforms
