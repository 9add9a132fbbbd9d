#include "platforms/fit.hpp"

#include <utility>

#include "platforms/fit_search.hpp"
#include "platforms/roofline.hpp"

namespace convoy::platforms {
namespace {

// The machine with the usual efficiencies and overheads of a GPU.
Machine usual_machine(Machine machine) {
  constexpr double launch_s = 5e-5;
  constexpr double dense_s = 2e-5;
  machine.efficiency = {{{0.5, 0.4, 0.4, 0.01, 0.05, 0.05},
                         {0.4, 0.4, 0.4, 0.01, 0.05, 0.05},
                         {0.5, 0.5, 0.5, 0.01, 0.05, 0.05}}};
  machine.memory_efficiency.fill(0.7);
  machine.launch_overhead = launch_s;
  machine.dense_overhead = dense_s;
  return machine;
}

}  // namespace

Machine Fit::on(Machine machine) const {
  for (const Knob& knob : knobs) {
    if (knob.fitted) turn(knob, knob.value, machine);
  }
  return machine;
}

Fit fit_below(const std::vector<Observation>& observations, const Ceilings& most) {
  Fit result{.knobs = search(observations, most)};
  for (const Observation& o : observations) {
    result.steps.push_back(
        {o.step.name, o.step.seconds, seconds(o.step.cost, result.on(o.machine))});
  }
  return result;
}

Fit fit(const std::vector<Observation>& observations) {
  Ceilings none{};
  none.fill(1);
  return fit_below(observations, none);
}

std::vector<Observation> beginning(const std::vector<Observation>& observations) {
  std::vector<Observation> from = observations;
  for (Observation& o : from) o.machine = usual_machine(std::move(o.machine));
  // Overheads of one device are the same number of cycles in every mode: those of the first.
  const std::vector<Knob> knobs = knobs_of(from);
  const Machine first = from.front().machine;
  for (Observation& o : from) {
    for (const Knob& knob : knobs) turn(knob, read(knob, first), o.machine);
  }
  const Fit found = fit(from);
  for (const Knob& knob : found.knobs) {
    if (knob.fitted) continue;
    for (std::size_t k = 0; k < from.size(); ++k) {
      // The search is by logarithms: what the device does without is searched from the usual.
      const double own = read(knob, observations[k].machine);
      if (own > 0) turn(knob, own, from[k].machine);
    }
  }
  return from;
}

std::vector<Residual> leave_out(const std::vector<Observation>& observations,
                                const std::vector<std::string>& groups) {
  return each_left_out(observations, groups, fit, [](const Observation& o, const Fit& found) {
    return Residual{o.step.name, o.step.seconds, seconds(o.step.cost, found.on(o.machine))};
  });
}

}  // namespace convoy::platforms
