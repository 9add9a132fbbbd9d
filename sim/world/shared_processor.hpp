#pragma once

// A node's processor that several computes share, or one compute has in part. Internal to
// sim/world.
//
// A compute with a share s runs at s x the node's speed, whoever else runs. One whose share is a
// guarantee (Activity::at_least) has that at least: while no compute without a share runs, these
// divide all that the exact shares leave, in proportion. The computes without a share have in equal
// parts what the shares leave, and are faster when there are fewer. So all three kinds are exact
// with a clock each that counts work: of the node's speed, of a guaranteed share's, of a part's. A
// compute ends when its clock shows what it showed at its start plus the compute's own work
// ("virtual time", Parekh and Gallager 1993). An event costs O(log n). A lone compute without a
// share does not need this: SimGrid runs it.

#include <functional>
#include <map>
#include <unordered_map>

#include "sim/world/ends.hpp"
#include "sim/world/running.hpp"
#include "sim/world/timers.hpp"

namespace convoy::sim {

class SharedProcessor final : public Ending {
 public:
  // `ended`: called from a timer, or from Ends::end_due(), for each compute at its end, which
  // has left then.
  SharedProcessor(Timers& timers, Ends& ends, std::function<void(RunningActivity&)> ended)
      : timers_(timers), ends_(ends), ended_(std::move(ended)) {}

  // `seconds`: alone at nominal speed, > 0. The sum of the shares must not exceed 1, and must be
  // less than 1 if there are computes without a share.
  void add(RunningActivity& a, double seconds, double share, bool at_least = false);
  void remove(const RunningActivity& a);  // ignored if it is not there
  void set_speed(double speed);           // 1: nominal; >= 0
  [[nodiscard]] bool is_empty() const { return places_.empty(); }
  [[nodiscard]] bool has(const RunningActivity& a) const { return places_.contains(&a); }
  [[nodiscard]] double finished_share(const RunningActivity& a) const;  // 0 to 1
  void end_due() override;

 private:
  // Work in seconds at nominal speed, since the start.
  struct Clock {
    double shows = 0;
    double shares = 0;                             // of its computes
    std::multimap<double, RunningActivity*> ends;  // by what the clock shows then
  };
  struct Place {
    Clock* clock = nullptr;
    std::multimap<double, RunningActivity*>::iterator end;
    double work = 0;
    double share = 0;
  };

  // The speed of a clock now.
  [[nodiscard]] double rate(const Clock& clock) const;
  [[nodiscard]] double shows_now(const Clock& clock) const;
  void advance();
  void take_out(const RunningActivity& a);
  // When the clock will show that.
  [[nodiscard]] double end_of(const Clock& clock, double shows) const;
  void plan();

  Timers& timers_;
  Ends& ends_;
  std::function<void(RunningActivity&)> ended_;
  double speed_ = 1;
  double since_ = 0;  // the clocks show what they did then
  Clock shared_;      // of those with an exact share
  Clock guaranteed_;  // of those with a guaranteed share
  Clock rest_;        // of a part of the rest
  std::unordered_map<const RunningActivity*, Place> places_;
};

}  // namespace convoy::sim
