#include "sim/world/ends.hpp"

#include <cmath>

namespace convoy::sim {

void Ends::plan(Ending& where, double time) {
  if (const auto there = planned_.find(&where); there != planned_.end()) {
    if (there->second.first == time) return;
    ends_.erase(there->second);
    planned_.erase(there);
  }
  if (time < never) {
    const Id id(time, next_++);
    ends_.emplace(id, &where);
    planned_.emplace(&where, id);
  }
  arm();
}

void Ends::arm() {
  const double first = ends_.empty() ? never : ends_.begin()->first.first;
  if (timer_ && planned_for_ == first) return;
  if (timer_) timers_.cancel(*timer_);
  timer_.reset();
  if (first == never) return;
  // So early that what follows (Timers::behind) comes exactly then.
  planned_for_ = first;
  timer_ = timers_.at(std::nextafter(first, -never), [this] {
    timer_.reset();
    end_due();
  });
}

void Ends::end_due() {
  const double now = timers_.now();
  while (!ends_.empty() && ends_.begin()->first.first <= now + hair(now)) {
    Ending* const where = ends_.begin()->second;
    planned_.erase(where);
    ends_.erase(ends_.begin());
    where->end_due();
  }
  arm();
}

}  // namespace convoy::sim
