#pragma once

// Virtual time and what is to happen at a given one. Internal to sim/world.

#include <functional>
#include <simgrid/kernel/Timer.hpp>
#include <unordered_set>

namespace convoy::sim {

class Timers {
 public:
  using Call = std::function<void()>;

  // Time counts from the moment of construction.
  Timers();

  [[nodiscard]] double now() const;  // s

  // At that time, before anything else of it. Never for an infinite time.
  void at(double time, Call call);
  // At that time, after all activities that end then. At one instant SimGrid runs timers first, and
  // sums of the same durations differ in their last bits: so it is set a hair later.
  void after(double time, Call call);
  // Now, after the activities that end now; not undone by clear().
  void soon(Call call) const;

  // Takes all of them down, and sets no more.
  void clear();

 private:
  using Timer = simgrid::kernel::timer::Timer;

  double epoch_;
  bool cleared_ = false;
  std::unordered_set<Timer*> timers_;
};

}  // namespace convoy::sim
