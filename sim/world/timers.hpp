#pragma once

// Virtual time and scheduled calls. Internal to sim/world.
//
// SimGrid runs timers with equal dates in an undefined order. So the calls are kept here, ordered
// by time and then by setting, behind one timer of SimGrid's.

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
  using Id = std::pair<double, std::uint64_t>;  // defines the order of calls

  // Time counts from construction. `poll` is called from time to time, even if nothing else
  // happens.
  explicit Timers(Call poll);

  [[nodiscard]] double now() const;                      // s
  [[nodiscard]] double epoch() const { return epoch_; }  // SimGrid's time at time 0

  // Calls at `time`, before activities that end then. Never for an infinite time.
  Id at(double time, Call call);
  // Calls at `time`, after all activities that end then. SimGrid runs timers first, and sums of
  // equal durations may differ in their last bits; so the timer is set slightly later.
  Id after(double time, Call call);
  void cancel(const Id& id);
  // As after(), for a timer with a number. Set again before it is called, both are called, and
  // unset() takes the later one back.
  void set(std::int64_t number, double time, Call call);
  void unset(std::int64_t number);  // ignored if not set or already called
  // Calls once within this instant, directly by SimGrid: run_due() and clear() do not affect it.
  void soon(Call call) const;
  // As soon(), but after all activities that SimGrid ends at this instant.
  void behind(Call call) const;

  // Makes all calls that are due by now.
  void run_due();
  // Throws std::runtime_error if called too often without progress of the clock (an endless loop).
  void check_progress();
  // Removes all timers; no more can be set.
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
  Timer* armed_ = nullptr;  // for the first call
  bool cleared_ = false;
  double checked_ = -1;  // time of the last check
  int checks_here_ = 0;
};

}  // namespace convoy::sim
