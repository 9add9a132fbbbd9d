#pragma once

// The alternating algorithm: with shares fixed the best cut of each device, then with cuts fixed
// the best shares, until nothing changes. Neither step makes the round longer. It ends in a plan
// that no single step improves, which need not be the best one: plan_split() uses such plans as its
// first candidates.

#include <vector>

#include "sim/plan/split_options.hpp"

namespace convoy::sim {

struct AlternationStep {
  enum class Kind { cuts, shares };
  Kind kind = Kind::cuts;
  double round_s = 0;  // after it
};

struct Alternation {
  Choice choice;
  Shares shares;
  std::vector<AlternationStep> steps;
};

// Relative change of round_s at which an alternation ends.
inline constexpr double smallest_change = 1e-12;

// Each device's fastest cut with the present shares. Where these exceed the server's memory: cuts
// that fit it with the least longest time, and then, device by device, the fastest that still fits.
// Of cuts that are equally fast the first.
Choice best_cuts(const SplitOptions& options, const Shares& shares);

// From given shares of bandwidth and server.
Alternation alternate(const SplitOptions& options, Shares shares);

// Shares to start from: equal ones; in proportion to each device's least bytes (and least work at
// the server); those that are best for the cuts that are fastest if a device has everything, that
// move the fewest bytes, and that leave the server the least work.
std::vector<Shares> first_shares(const SplitOptions& options);

}  // namespace convoy::sim
