#include "sim/world/timers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <simgrid/s4u.hpp>
#include <stdexcept>

namespace convoy::sim {
namespace {

constexpr std::uint64_t calls_between_polls = 4096;

constexpr int stuck_limit = 100'000;

}  // namespace

Timers::Timers(Call poll) : poll_(std::move(poll)), epoch_(simgrid::s4u::Engine::get_clock()) {}

double Timers::now() const { return simgrid::s4u::Engine::get_clock() - epoch_; }

Timers::Id Timers::at(double time, Call call) {
  const Id id(std::max(time, now()), next_++);
  if (cleared_ || std::isinf(time)) return id;
  calls_.emplace(id, std::move(call));
  arm();
  return id;
}

Timers::Id Timers::after(double time, Call call) {
  return at(time + 1e-12 * std::max(1.0, time), std::move(call));
}

void Timers::cancel(const Id& id) {
  if (calls_.erase(id) > 0) arm();
}

void Timers::set(std::int64_t number, double time, Call call) {
  numbered_[number] = after(std::max(time, now()), [this, number, call = std::move(call)] {
    numbered_.erase(number);
    call();
  });
}

void Timers::unset(std::int64_t number) {
  const auto there = numbered_.find(number);
  if (there == numbered_.end()) return;
  cancel(there->second);
  numbered_.erase(there);
}

void Timers::soon(Call call) const {
  Timer::set(simgrid::s4u::Engine::get_clock(), std::move(call));
}

// A timer of this date would come before them. The next number in double is another date.
void Timers::behind(Call call) const {
  constexpr double later = std::numeric_limits<double>::infinity();
  Timer::set(std::nextafter(simgrid::s4u::Engine::get_clock(), later), std::move(call));
}

void Timers::arm() {
  const bool right = armed_ != nullptr && !calls_.empty() &&
                     armed_->get_date() == calls_.begin()->first.first + epoch_;
  if (right) return;
  if (armed_ != nullptr) std::exchange(armed_, nullptr)->remove();
  if (calls_.empty()) return;
  armed_ = Timer::set(calls_.begin()->first.first + epoch_, [this] {
    armed_ = nullptr;
    run_due();
  });
}

void Timers::run_due() {
  while (!calls_.empty() && calls_.begin()->first.first <= now()) {
    const Call call = std::move(calls_.begin()->second);
    calls_.erase(calls_.begin());
    if (++called_ % calls_between_polls == 0) poll_();
    if (!cleared_) call();
  }
  arm();
}

void Timers::check_progress() {
  if (now() > checked_) {
    checked_ = now();
    checks_here_ = 0;
  } else if (++checks_here_ > stuck_limit) {
    throw std::runtime_error(
        fmt::format("virtual time stands still at {} s: {} times in a row something happened "
                    "without taking any time; is there a cost of zero in the scenario?",
                    now(), stuck_limit));
  }
}

void Timers::clear() {
  cleared_ = true;
  calls_.clear();
  arm();
}

}  // namespace convoy::sim
