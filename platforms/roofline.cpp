#include "platforms/roofline.hpp"

#include <algorithm>

namespace convoy::platforms {

double seconds(const engine::StepCost& step, const Machine& machine) {
  const double memory = machine.memory_bandwidth * machine.memory_efficiency;
  double launched = 0;
  double ended = 0;
  for (const engine::Kernel& kernel : step.kernels) {
    const double share = machine.efficiency.at(static_cast<std::size_t>(kernel.op));
    const double arithmetic = kernel.flops / (machine.peak_fp32 * share);
    const bool cached = kernel.bytes <= machine.cache && machine.cache_bandwidth > 0;
    const double traffic = kernel.bytes / (cached ? machine.cache_bandwidth : memory);
    launched = (machine.launches_ahead ? launched : ended) + machine.launch_overhead;
    ended = std::max(ended, launched) + std::max(arithmetic, traffic);
  }
  return ended;
}

}  // namespace convoy::platforms
