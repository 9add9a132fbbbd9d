#include "platforms/power_fit.hpp"

#include <algorithm>
#include <cmath>

#include "platforms/roofline.hpp"

namespace convoy::platforms {
namespace {

constexpr double giga = 1e9;

bool has_depthwise(const DrawObservation& o) {
  return std::any_of(o.step.kernels.begin(), o.step.kernels.end(),
                     [](const engine::Kernel& k) { return k.op == engine::OpClass::depthwise; });
}

double loss(const std::vector<DrawObservation>& observations, const PowerFit& fit) {
  double sum = 0;
  for (const DrawObservation& o : observations) {
    sum += std::abs(std::log(fit.predicted(o) / o.watts));
  }
  return sum;
}

}  // namespace

Machine PowerFit::on(Machine machine) const {
  const double ghz = machine.gpu_hz / giga;
  const double volts = 1 + per_ghz * ghz;
  machine.busy_w = machine.idle_w + watts * machine.gpu_cores / 1000 * ghz * volts * volts;
  machine.depthwise_power = depthwise;
  return machine;
}

double PowerFit::predicted(const DrawObservation& o) const {
  return predict(o.step, on(o.machine)).watts;
}

PowerFit fit_power(const std::vector<DrawObservation>& observations) {
  const bool depthwise = std::ranges::any_of(observations, has_depthwise);
  PowerFit best{10, 0.3, depthwise ? 0.5 : 1};
  double least = loss(observations, best);
  constexpr double last = 0.002;
  constexpr double worth_it = 1e-9;
  for (double stride = 1; stride > last;) {
    bool moved = false;
    const auto attempt = [&](double a, double b, double c) {
      PowerFit tried = best;
      tried.watts *= std::exp(a);
      tried.per_ghz *= std::exp(b);
      if (depthwise) tried.depthwise = std::min(1.0, tried.depthwise * std::exp(c));
      const double l = loss(observations, tried);
      if (!(l < least - worth_it)) return;
      least = l;
      best = tried;
      moved = true;
    };
    // Changes both in opposite directions.
    for (const double s : {stride, -stride}) {
      attempt(s, 0, 0);
      attempt(0, s, 0);
      attempt(0, 0, s);
      attempt(s, -s, 0);
      attempt(s, 0, -s);
    }
    if (!moved) stride /= 2;
  }
  return best;
}

std::vector<Residual> leave_out(const std::vector<DrawObservation>& observations,
                                const std::vector<std::string>& groups) {
  return each_left_out(observations, groups, fit_power,
                       [](const DrawObservation& o, const PowerFit& found) {
                         return Residual{o.name, o.watts, found.predicted(o)};
                       });
}

}  // namespace convoy::platforms
