#include "platforms/calibration.hpp"

#include <algorithm>
#include <limits>

#include "base/diagnostics.hpp"
#include "platforms/fit.hpp"

namespace convoy::platforms {
namespace {

using engine::Kernel;
using engine::Number;
using engine::OpClass;
using engine::TimedStep;

std::vector<Observation> on_one(const std::vector<TimedStep>& steps, const Machine& machine) {
  std::vector<Observation> all;
  all.reserve(steps.size());
  for (const TimedStep& t : steps) all.push_back({t, machine});
  return all;
}

double bytes_of(const TimedStep& t) {
  double sum = 0;
  for (const Kernel& k : t.cost.kernels) sum += k.bytes;
  return sum;
}

bool is_of(const TimedStep& t, OpClass op) { return t.cost.kernels.front().op == op; }

// Starting point, from single operators.
Machine first_guess(const std::vector<TimedStep>& operators, bool launches_ahead) {
  Machine m;
  m.launches_ahead = launches_ahead;
  m.launch_overhead = std::numeric_limits<double>::infinity();
  double& peak = m.peak[index_of(Number::fp32)];
  double most = 0;
  for (const TimedStep& t : operators) {
    peak = std::max(peak, t.cost.flops() / t.seconds);
    m.launch_overhead = std::min(m.launch_overhead, t.seconds);
    if (!is_of(t, OpClass::elementwise)) continue;
    m.cache_bandwidth = std::max(m.cache_bandwidth, bytes_of(t) / t.seconds);
    if (bytes_of(t) > most) {
      most = bytes_of(t);
      m.memory_bandwidth = most / t.seconds;
    }
  }
  if (peak <= 0 || most <= 0) {
    throw base::UserError("a calibration needs a matrix product and an elementwise operator");
  }
  ByClass<double>& shares = m.efficiency[index_of(Number::fp32)];
  for (const auto& op : engine::op_class_words) {
    double fastest = 0;
    for (const TimedStep& t : operators) {
      if (is_of(t, op.value)) fastest = std::max(fastest, t.cost.flops() / t.seconds);
    }
    shares.at(index_of(op.value)) = std::clamp(fastest / peak, smallest_share, 1.0);
  }
  double& depthwise = shares[index_of(OpClass::depthwise)];
  if (depthwise == smallest_share) depthwise = shares[index_of(OpClass::convolution)];
  m.dense_overhead = m.launch_overhead;
  m.memory_efficiency.fill(0.5);  // the largest sum reaches all of it: there is nothing faster
  constexpr double usual_cache = 1 << 20;
  m.cache = usual_cache;
  return m;
}

}  // namespace

Calibration calibrate(const std::vector<TimedStep>& operators, const std::vector<TimedStep>& steps,
                      bool launches_ahead) {
  Machine machine = first_guess(operators, launches_ahead);
  // Dense operators inside a step are not faster than the fastest single one of their class. (The
  // FLOPs of other classes are too approximate for such a limit.)
  Ceilings most = machine.efficiency[index_of(Number::fp32)];
  for (const auto& op : engine::op_class_words) {
    if (!engine::is_dense(op.value)) most.at(index_of(op.value)) = 1;
  }
  Calibration result;
  if (!steps.empty()) {
    const Fit found = fit_below(on_one(steps, machine), most);
    machine = found.on(machine);
    result.steps = found.steps;
  }
  result.median_error = error_quantile(result.steps, 0.5);
  result.worst_error = error_quantile(result.steps, 1);
  result.machine = std::move(machine);
  return result;
}

}  // namespace convoy::platforms
