#pragma once

// The next ends of whatever ends by timers of the world's own instead of SimGrid's: computes of
// shared processors, transfers of the star's solver. Internal to sim/world.
//
// Ends less than a nanosecond apart are one, of whatever nodes: as for SimGrid, of whose activities
// the same holds.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/non_copyable.hpp"
#include "sim/world/timers.hpp"

namespace convoy::sim {

// Something that has a next end.
class Ending : base::NonCopyable {
 public:
  virtual ~Ending() = default;
  // Ends what ends now, and plans the next end.
  virtual void end_due() = 0;
};

// With one timer for the first of all.
class Ends : base::NonCopyable {
 public:
  static constexpr double never = std::numeric_limits<double>::infinity();
  // Ends so close together, in s, are one: sums of the same durations differ in their last bits.
  static double hair(double now) { return std::max(1e-9, 1e-13 * now); }

  explicit Ends(Timers& timers) : timers_(timers) {}

  // `time` of the next end there, or never.
  void plan(Ending& where, double time);
  // Ends what ends now. Call at the end of any other activity: so that all is one instant.
  void end_due();

 private:
  using Id = std::pair<double, std::uint64_t>;

  void arm();

  Timers& timers_;
  std::map<Id, Ending*> ends_;
  std::unordered_map<const Ending*, Id> planned_;
  std::uint64_t next_ = 0;
  std::optional<Timers::Id> timer_;
  double planned_for_ = never;  // the end for which the timer is set
};

}  // namespace convoy::sim
