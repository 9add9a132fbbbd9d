#include "sim/world/shared_processor.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace convoy::sim {
double SharedProcessor::rate(const Clock& clock) const {
  if (&clock == &shared_) return speed_;
  const bool alone = rest_.ends.empty() && guaranteed_.shares > 0;
  if (&clock == &guaranteed_) {
    return speed_ * (alone ? (1 - shared_.shares) / guaranteed_.shares : 1);
  }
  const double left = std::max(0.0, 1 - shared_.shares - guaranteed_.shares);
  return speed_ * left / static_cast<double>(std::max<std::size_t>(rest_.ends.size(), 1));
}

double SharedProcessor::shows_now(const Clock& clock) const {
  return clock.shows + (timers_.now() - since_) * rate(clock);
}

void SharedProcessor::advance() {
  for (Clock* clock : {&shared_, &guaranteed_, &rest_}) {
    // Without computes a clock starts again: so it does not lose digits in a long run.
    clock->shows = clock->ends.empty() ? 0 : shows_now(*clock);
  }
  since_ = timers_.now();
}

void SharedProcessor::add(RunningActivity& a, double seconds, double share, bool at_least) {
  advance();
  Clock& clock = share <= 0 ? rest_ : at_least ? guaranteed_ : shared_;
  const double work = share > 0 ? seconds / share : seconds;
  places_[&a] = {&clock, clock.ends.emplace(clock.shows + work, &a), work, share};
  clock.shares += share;
  plan();
}

void SharedProcessor::remove(const RunningActivity& a) {
  if (!has(a)) return;
  advance();
  take_out(a);
  plan();
}

void SharedProcessor::take_out(const RunningActivity& a) {
  const auto there = places_.find(&a);
  const Place& place = there->second;
  Clock& clock = *place.clock;
  clock.ends.erase(place.end);
  clock.shares -= place.share;
  if (clock.ends.empty()) clock.shares = 0;  // prevents accumulated rounding errors
  places_.erase(there);
}

void SharedProcessor::set_speed(double speed) {
  if (speed == speed_) return;
  advance();
  speed_ = speed;
  plan();
}

double SharedProcessor::finished_share(const RunningActivity& a) const {
  const auto there = places_.find(&a);
  if (there == places_.end()) return 0;
  const Place& place = there->second;
  return std::clamp(1 - (place.end->first - shows_now(*place.clock)) / place.work, 0.0, 1.0);
}

// Call after advance().
double SharedProcessor::end_of(const Clock& clock, double shows) const {
  const double speed = rate(clock);
  return speed > 0 ? since_ + std::max(shows - clock.shows, 0.0) / speed : Ends::never;
}

// Call after advance().
void SharedProcessor::plan() {
  double first = Ends::never;
  for (const Clock* clock : {&shared_, &guaranteed_, &rest_}) {
    if (clock->ends.empty()) continue;
    first = std::min(first, end_of(*clock, clock->ends.begin()->first));
  }
  ends_.plan(*this, first);
}

void SharedProcessor::end_due() {
  advance();
  std::vector<RunningActivity*> due;
  for (const Clock* clock : {&shared_, &guaranteed_, &rest_}) {
    for (const auto& [end, a] : clock->ends) {
      if (end_of(*clock, end) > since_ + Ends::hair(since_)) break;
      due.push_back(a);
    }
  }
  for (const RunningActivity* a : due) take_out(*a);
  plan();
  for (RunningActivity* a : due) ended_(*a);
}

}  // namespace convoy::sim
