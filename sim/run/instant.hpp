#pragma once

// The events of one instant, in the order in which the schedule gets them. The schedule may cancel
// a task whose other events are still pending: those are then dropped.

#include <functional>
#include <optional>
#include <vector>

#include "sim/task/event.hpp"

namespace convoy::sim {

class Instant {
 public:
  // `over`: see next(). `is_void`: true for events of a task that has been cancelled meanwhile.
  Instant(std::vector<Event> events, const Event& over, std::function<bool(const Event&)> is_void);

  // The next event that is not void, with Event::last if no other follows. If all remaining events
  // have become void, `over` is given as the last one. Nothing: the instant is over.
  std::optional<Event> next();

 private:
  [[nodiscard]] bool is_empty() const;  // no event left that is not void

  std::vector<Event> events_;  // reversed: the next event is at the end
  Event over_;
  std::function<bool(const Event&)> is_void_;
  bool has_begun_ = false;
  bool is_over_ = false;
};

}  // namespace convoy::sim
