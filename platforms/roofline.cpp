#include "platforms/roofline.hpp"

#include <algorithm>

namespace convoy::platforms {

Prediction predict(const engine::StepCost& step, const Machine& machine) {
  double launched = 0;
  double ended = 0;
  double busy = 0;     // s in which a kernel is computed
  double drawing = 0;  // the same, by what each draws
  for (const engine::Kernel& kernel : step.kernels) {
    const double arithmetic = kernel.flops / machine.flops_per_s(kernel);
    const bool cached = kernel.bytes <= machine.cache && machine.cache_bandwidth > 0;
    const double rate = cached ? machine.cache_bandwidth : machine.bytes_per_s(kernel);
    const double traffic = kernel.bytes / rate;
    const double of_its_own = engine::is_dense(kernel.op) ? machine.dense_overhead : 0;
    const double takes = of_its_own + std::max(arithmetic, traffic);
    launched = (machine.launches_ahead ? launched : ended) + machine.launch_overhead;
    // (In this order of additions: times are pinned to the last bit.)
    ended = std::max(ended, launched) + of_its_own + std::max(arithmetic, traffic);
    busy += takes;
    drawing += takes * (kernel.op == engine::OpClass::depthwise ? machine.depthwise_power : 1);
  }
  if (ended <= 0) return {0, machine.idle_w};
  // A CPU that launches computes.
  const double share = machine.launches_ahead ? busy / ended * (drawing / ended) : 1;
  return {ended, machine.idle_w + (machine.busy_w - machine.idle_w) * share};
}

double seconds(const engine::StepCost& step, const Machine& machine) {
  return predict(step, machine).seconds;
}

}  // namespace convoy::platforms
