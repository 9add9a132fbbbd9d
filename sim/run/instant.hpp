#pragma once

// The events of one instant, in the order in which the schedule hears of them. What it orders may
// cancel a task whose other events are still to come: no event follows a cancellation.

#include <functional>
#include <optional>
#include <vector>

#include "sim/task/event.hpp"

namespace convoy::sim {

class Instant {
 public:
  // `over`: see next(). `is_void`: the event is of a task that has been cancelled meanwhile.
  Instant(std::vector<Event> events, const Event& over, std::function<bool(const Event&)> is_void);

  // The next event that is not void; Event::last where none follows it. Where all that were to
  // follow have become void, `over` ends the instant in their place. Nothing: the instant is over.
  std::optional<Event> next();

 private:
  [[nodiscard]] bool is_empty() const;  // of events that are not void

  std::vector<Event> events_;  // the next one is at the end
  Event over_;
  std::function<bool(const Event&)> is_void_;
  bool has_begun_ = false;
  bool is_over_ = false;
};

}  // namespace convoy::sim
