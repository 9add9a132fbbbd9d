#include "platforms/roofline.hpp"

#include <algorithm>

namespace convoy::platforms {

double seconds(const engine::StepCost& step, const Machine& machine) {
  double launched = 0;
  double ended = 0;
  for (const engine::Kernel& kernel : step.kernels) {
    const double share = machine.efficiency.at(static_cast<std::size_t>(kernel.op));
    const double arithmetic = kernel.flops / (machine.peak_fp32 * share);
    const double traffic = kernel.bytes / (machine.memory_bandwidth * machine.memory_efficiency);
    launched += machine.launch_overhead;
    ended = std::max(ended, launched) + std::max(arithmetic, traffic);
  }
  return ended;
}

}  // namespace convoy::platforms
