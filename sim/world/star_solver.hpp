#pragma once

// Flows that share one capacity C and otherwise have only a limit of their own: weighted max-min
// shares, in O(log n) an event. Pure: no SimGrid, no clock of its own. Internal to sim/world.
//
// A flow's rate is min(limit, weight x L). The level L is the greatest with which the rates sum to
// at most C. If all limits together fit, L is infinite. The flows are in two sets: those at their
// limit (limit / weight <= L), whose limits sum to S, and those below, whose weights sum to W; so
// L = (C - S) / W. A flow at its limit ends at a time that is known. For the others a virtual clock
// runs with the speed L: a flow ends when the clock shows what it showed at the flow's start plus
// bytes / weight, whatever L does meanwhile ("virtual time", Parekh and Gallager 1993). An event
// costs O(log n), and the same for each flow that changes sets. Few do where there are few kinds of
// links; at worst all do.
//
// Times are absolute, in s, and must not go back from call to call. Rates are in bytes/s.

#include <cstdint>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "base/non_copyable.hpp"
#include "sim/world/compensated_sum.hpp"

namespace convoy::sim {

class StarSolver : base::NonCopyable {
 public:
  using Flow = std::uint32_t;  // numbers of flows that have left are given again
  static constexpr double unlimited = std::numeric_limits<double>::infinity();

  // `capacity`: >= 0; `unlimited`: the flows share nothing, and each needs a limit.
  explicit StarSolver(double capacity = unlimited) : capacity_(capacity) {}

  // `bytes` >= 0, `weight` > 0, `limit` >= 0 (0: it stands still) or unlimited.
  Flow add(double now, double bytes, double weight, double limit);
  // It ends, or is given up.
  void remove(double now, Flow flow);
  void set_limit(double now, Flow flow, double limit);
  void set_weight(double now, Flow flow, double weight);
  void set_capacity(double now, double capacity);

  // When the next flow ends if nothing changes before; unlimited: none does.
  [[nodiscard]] double next_end() const;
  // The flows that end by `time` (>= the last event's), if nothing changes before; in no order.
  // They stay until they are removed.
  [[nodiscard]] std::vector<Flow> ending_by(double time) const;

  [[nodiscard]] double rate(Flow flow) const;
  [[nodiscard]] double left(double now, Flow flow) const;  // bytes that are still to be delivered
  [[nodiscard]] double level() const { return level_; }
  [[nodiscard]] std::size_t size() const { return below_.size() + at_limit_.size(); }
  // How often a flow changed sets, since the start.
  [[nodiscard]] std::uint64_t moves() const { return moves_; }

 private:
  // What the clock shows. More digits than a double's: it runs fast for light flows, and a heavy
  // one then ends after a small part of what it shows.
  using Shown = long double;
  struct State {
    double weight = 1;
    double limit = 0;
    double left = 0;   // bytes at `since`; of a flow below its limit: see `shows`
    double since = 0;  // s
    double end = 0;    // at its limit: when it ends, s
    Shown shows = 0;   // below: what the clock shows when it ends
    bool at_limit = false;
    [[nodiscard]] double ratio() const { return limit / weight; }
  };
  using Ordered = std::set<std::pair<double, Flow>>;
  using OrderedByClock = std::set<std::pair<Shown, Flow>>;

  void advance(double now);
  void put(Flow flow);
  void put_below(Flow flow);
  void put_at_limit(Flow flow);
  void take_out(Flow flow);  // of its set; brings `left` up to date
  void find_level();
  void settle();
  void start_clock_anew();
  [[nodiscard]] double end_below(Shown clock) const;

  double capacity_;
  double level_ = unlimited;
  double now_ = 0;
  Shown clock_ = 0;  // shows that at now_
  std::vector<State> flows_;
  std::vector<Flow> free_;
  // By limit / weight, and by end.
  Ordered below_;
  OrderedByClock below_ends_;
  Ordered at_limit_;
  Ordered at_limit_ends_;
  CompensatedSum weights_below_;
  CompensatedSum limits_reached_;
  std::size_t changes_ = 0;  // since the clock started
  std::uint64_t moves_ = 0;
};

}  // namespace convoy::sim
