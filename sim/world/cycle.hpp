#pragma once

// The phase of a periodic background load at a given time.

#include <algorithm>
#include <cmath>
#include <limits>

#include "sim/world/config.hpp"

namespace convoy::sim {

struct CyclePhase {
  bool busy = false;
  double until = std::numeric_limits<double>::infinity();  // s
};

inline CyclePhase phase_at(const BackgroundLoad& load, double time) {
  if (load.period_s <= 0) return {true};
  if (time < load.offset_s) return {false, load.offset_s};
  // A boundary belongs to the interval after it, also if rounding puts `time` slightly before.
  const double hair =
      std::max(1e-9 * load.period_s, 8 * std::numeric_limits<double>::epsilon() * time);
  const double start =
      load.offset_s + std::floor((time - load.offset_s + hair) / load.period_s) * load.period_s;
  const double idle_from = start + load.busy_s;
  if (time + hair < idle_from) return {true, idle_from};
  // `until` must lie after `time`: otherwise a caller that follows the cycle would not advance.
  return {false, std::max(start + load.period_s, time + hair)};
}

}  // namespace convoy::sim
