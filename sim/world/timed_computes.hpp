#pragma once

// Computes that have their node to themselves, ended by timers instead of SimGrid's Execs. Used
// where the star's solver computes the transfers, so that SimGrid only keeps the clock: its Execs
// take time in proportion to their number at each end. Internal to sim/world.

#include <cstdint>
#include <functional>
#include <set>
#include <utility>

#include "sim/world/ends.hpp"
#include "sim/world/running.hpp"
#include "sim/world/timers.hpp"

namespace convoy::sim {

class TimedComputes final : public Ending {
 public:
  // `ended`: called for each compute at its end, from a timer or from Ends::end_due().
  TimedComputes(const Timers& timers, Ends& ends, std::function<void(RunningActivity&)> ended)
      : timers_(timers), ends_(ends), ended_(std::move(ended)) {}

  // Its left_s at nominal speed, left_at and speed (0: it stands still) are set.
  void start(RunningActivity& a);
  // Its left_s, left_at and speed are set anew; ignored if it has ended.
  void changed(RunningActivity& a);
  // It has ended, or is given up.
  void remove(const RunningActivity& a);
  void end_due() override;

 private:
  // By end, s, and then by the order in which they were ready.
  using Key = std::pair<double, std::uint64_t>;
  struct Under {
    Key key;
    RunningActivity* a = nullptr;
    bool operator<(const Under& other) const { return key < other.key; }
  };

  bool take_out(const RunningActivity& a);  // false: it is not there
  void plan();

  const Timers& timers_;
  Ends& ends_;
  std::function<void(RunningActivity&)> ended_;
  std::set<Under> by_end_;
};

}  // namespace convoy::sim
