#include "sim/world/timers.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <simgrid/s4u.hpp>

namespace convoy::sim {

Timers::Timers() : epoch_(simgrid::s4u::Engine::get_clock()) {}

double Timers::now() const {
  return simgrid::s4u::Engine::get_clock() - epoch_;
}

void Timers::at(double time, Call call) {
  if (cleared_ || std::isinf(time)) return;
  auto self = std::make_shared<Timer*>(nullptr);
  *self = Timer::set(time + epoch_, [this, self, call = std::move(call)] {
    timers_.erase(*self);
    call();
  });
  timers_.insert(*self);
}

void Timers::after(double time, Call call) {
  at(time + 1e-12 * std::max(1.0, time), std::move(call));
}

void Timers::soon(Call call) const {
  Timer::set(simgrid::s4u::Engine::get_clock(), std::move(call));
}

void Timers::clear() {
  cleared_ = true;
  for (Timer* timer : timers_) timer->remove();
  timers_.clear();
}

}  // namespace convoy::sim
