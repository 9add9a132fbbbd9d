#include "sim/world/timed_computes.hpp"

#include <vector>

namespace convoy::sim {

void TimedComputes::start(RunningActivity& a) {
  // What has no more than that left when its speed changes has ended: it would stand still at 0.
  constexpr double nothing_s = 1e-9;
  const bool has_ended = a.left_s <= nothing_s && a.left_s < a.work_s;
  a.ends_s = has_ended ? a.left_at : a.speed > 0 ? a.left_at + a.left_s / a.speed : Ends::never;
  by_end_.insert({{a.ends_s, a.order}, &a});
  plan();
}

void TimedComputes::changed(RunningActivity& a) {
  if (take_out(a)) start(a);
}

void TimedComputes::remove(const RunningActivity& a) {
  if (take_out(a)) plan();
}

bool TimedComputes::take_out(const RunningActivity& a) {
  return by_end_.erase({{a.ends_s, a.order}, nullptr}) > 0;
}

void TimedComputes::plan() {
  ends_.plan(*this, by_end_.empty() ? Ends::never : by_end_.begin()->key.first);
}

void TimedComputes::end_due() {
  const double until = timers_.now() + Ends::hair(timers_.now());
  std::vector<RunningActivity*> due;
  while (!by_end_.empty() && by_end_.begin()->key.first <= until) {
    due.push_back(by_end_.begin()->a);
    by_end_.erase(by_end_.begin());
  }
  plan();
  for (RunningActivity* a : due) ended_(*a);
}

}  // namespace convoy::sim
