#pragma once

// Virtual time and what is to happen at a given one. Internal to sim/world.
//
// SimGrid runs timers of equal dates in no order that could be relied on; so the calls are kept
// here, in order of time and then of setting, behind one timer of SimGrid's.

#include <cstdint>
#include <functional>
#include <map>
#include <simgrid/kernel/Timer.hpp>
#include <unordered_map>
#include <utility>

namespace convoy::sim {

class Timers {
 public:
  using Call = std::function<void()>;
  using Id = std::pair<double, std::uint64_t>;  // the order of calling

  // Time counts from the moment of construction. `poll` is called now and then, however little
  // else happens.
  explicit Timers(Call poll);

  [[nodiscard]] double now() const;                      // s
  [[nodiscard]] double epoch() const { return epoch_; }  // SimGrid's time at time 0

  // At that time, before activities that end then. Never for an infinite time.
  Id at(double time, Call call);
  // At that time, after all activities that end then: at one instant SimGrid runs timers first, and
  // sums of the same durations differ in their last bits; so it is set a hair later.
  Id after(double time, Call call);
  void cancel(const Id& id);
  // Like after(), for a timer with a number of its caller's: set again, it is another one.
  void set(std::int64_t number, double time, Call call);
  void unset(std::int64_t number);  // ignored where it is not set, or has been called
  // In this instant, once, through SimGrid: not among the above, and not undone by clear().
  void soon(Call call) const;

  // Calls everything that is due by now.
  void run_due();
  // Throws std::runtime_error where it is called too often without the clock moving: something goes
  // round in circles.
  void check_progress();
  // Takes all of them down, and sets no more.
  void clear();

 private:
  using Timer = simgrid::kernel::timer::Timer;

  void arm();

  Call poll_;
  double epoch_;
  std::map<Id, Call> calls_;
  std::unordered_map<std::int64_t, Id> numbered_;
  std::uint64_t next_ = 0;
  std::uint64_t called_ = 0;
  Timer* armed_ = nullptr;  // for the first of them
  bool cleared_ = false;
  double checked_ = -1;  // the time, last
  int checks_here_ = 0;
};

}  // namespace convoy::sim
