#include "sim/run/instant.hpp"

#include <algorithm>
#include <utility>

#include "sim/task/event.hpp"

namespace convoy::sim {

Instant::Instant(std::vector<Event> events, const Event& over,
                 std::function<bool(const Event&)> is_void)
    : events_(std::move(events)), over_(over), is_void_(std::move(is_void)) {
  std::sort(events_.begin(), events_.end(),
            [](const Event& a, const Event& b) { return comes_before(b, a); });
}

bool Instant::is_empty() const { return std::ranges::all_of(events_, is_void_); }

std::optional<Event> Instant::next() {
  if (is_over_) return std::nullopt;
  while (!events_.empty() && is_void_(events_.back())) events_.pop_back();
  Event event = over_;
  if (!events_.empty()) {
    event = events_.back();
    events_.pop_back();
  } else if (!has_begun_) {
    return std::nullopt;
  }
  has_begun_ = true;
  event.last = is_over_ = is_empty();
  return event;
}

}  // namespace convoy::sim
