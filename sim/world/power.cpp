#include "sim/world/power.hpp"

#include "sim/world/variation.hpp"

namespace convoy::sim {

PowerMeter::PowerMeter(const Power& power, const Behaviour& behaviour)
    : power_(power),
      measured_(signal_of(behaviour, platforms::Column::power_w, power.idle_w)),
      speed_(signal_of(behaviour, platforms::Column::speed, 1)),
      measured_from_s_(behaviour.trace_use.start_s) {}

void PowerMeter::passed(double from, double to, const State& state) {
  if (to <= from || !state.present) return;
  if (measured_ && from < measured_from_s_ && measured_from_s_ < to) {
    passed(from, measured_from_s_, state);
    passed(measured_from_s_, to, state);
    return;
  }
  double joules = 0;
  if (measured_ && from >= measured_from_s_) {
    joules = measured_->integral(from, to);
  } else {
    joules = power_.idle_w * (to - from);
    if (state.computes > 0) {
      const double nominal_s = speed_ ? speed_->integral(from, to) : to - from;
      joules += (state.computing_w - power_.idle_w) * nominal_s * state.busy;
    }
    if (state.transfers > 0) {
      joules += (power_.communicating_w.value_or(power_.idle_w) - power_.idle_w) * (to - from);
    }
  }
  total_ += joules;
  const int activities = state.transfers + state.computes;
  if (activities > 0) share_ += joules / activities;
}

}  // namespace convoy::sim
