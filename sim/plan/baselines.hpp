#pragma once

// What a split plan is compared with. All throw base::UserError as plan_split() does, and where no
// common cut fits.

#include "sim/plan/edgesplit.hpp"

namespace convoy::sim {

// How devices share the bandwidth (and the server, if it is shared).
enum class Sharing {
  equal,  // B / n each, or less if a device's own link has less; 1 / n of the server
  best,   // as best for these cuts
};

// SplitFed: one cut for all, the best of those that fit all devices and the server. Cut k must be
// the same layer on all devices, so these must have equally many cuts. `is_optimal` says nothing
// here: it is false, and lower_bound_s is 0.
SplitPlan best_common_cut(const SplitProblem& problem, Sharing sharing);

// A plan with given cuts and equal shares.
SplitPlan with_equal_shares(const SplitProblem& problem, std::span<const std::size_t> cuts);

// Sequential split learning: one device after another, each with the whole bandwidth (up to its
// own link's) and the whole server.
struct Sequence {
  std::vector<std::size_t> cuts;
  std::vector<double> times_s;  // by device
  double round_s = 0;           // their sum
};

// Each device with its own fastest cut that fits (its part at the server, too, which is alone
// there). Where all devices hand one part on, they need one cut: one_after_another_with_one_cut().
Sequence one_after_another(const SplitProblem& problem);

// The best cut that all have in common.
Sequence one_after_another_with_one_cut(const SplitProblem& problem);

}  // namespace convoy::sim
