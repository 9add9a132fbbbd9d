#pragma once

// When a split plan is made anew, and when the new cuts are worth their move. Ours.
//
//   Replanner replanner({.change = 0.2});
//   replanner.planned(now, conditions);
//   ...
//   if (replanner.due(now, conditions) != Replanner::Cause::none) {
//     const Replan decision = replan(problem_as_it_is_now, cuts, options);
//     replanner.planned(now, conditions);
//   }
//
// Pure: times and conditions are passed in.

#include <limits>
#include <vector>

#include "sim/plan/edgesplit.hpp"

namespace convoy::sim {

struct ReplanOptions {
  // A speed or a link that differs by more than this from the plan's, relative to it: above 0.
  double change = 0.2;
  // A plan older than this is checked even if nothing has changed; above 0.
  double period_s = std::numeric_limits<double>::infinity();
  // Over so many rounds a gain counts; at least 0.
  double horizon_rounds = 10;
  // New cuts are taken if their gain is more than this times their cost; at least 1. Larger values
  // make changes rarer (hysteresis).
  double factor = 1.5;
};

// Throws base::UserError where an option is out of range.
void require_valid(const ReplanOptions& options);

// What a plan was made for, by device.
struct Condition {
  double speed = 0;             // in any unit: only its change counts; 0: the device is away
  double link_bytes_per_s = 0;  // 0: the device is away
};

class Replanner {
 public:
  enum class Cause {
    none,
    first,    // there is no plan yet
    devices,  // one has come, left, or has other company
    change,   // a speed or a link has changed
    period,
  };

  explicit Replanner(const ReplanOptions& options);

  // A plan was made or confirmed for these conditions. Times in s, virtual.
  void planned(double now, std::vector<Condition> conditions);
  // Whether it is time for a new plan: the first cause that applies, in the order above.
  [[nodiscard]] Cause due(double now, const std::vector<Condition>& conditions) const;

 private:
  ReplanOptions options_;
  bool has_plan_ = false;
  double planned_at_ = 0;
  std::vector<Condition> conditions_;
};

struct Replan {
  bool moves = false;       // the cuts change
  SplitPlan plan;           // to go on with: the new cuts, or the present ones with the best shares
  double gain_s = 0;        // what the new cuts gain over the horizon, before their cost
  double cost_s = 0;        // of the move
  double best_round_s = 0;  // predicted, of the best cuts found
  bool had_to = false;      // the present cuts do not fit any more
};

// The seconds that a change of cuts takes: each device whose cut changes sends or receives the
// weights that its part gains or loses (the difference of Cut::weight_bytes, since cuts of a chain
// are nested), all at the same time, with the plan's bandwidths. 0 where a device's weight_bytes
// are 0. A device that gets no bandwidth has the whole of its link, up to B.
double cost_of_move(const SplitProblem& problem, std::span<const std::size_t> from,
                    const SplitPlan& to);

// Plans anew for the problem as it is now, with the cuts as they are. Shares change at no cost, so
// what is compared are both cuts with their best shares. Throws base::UserError as plan_split(),
// and where `cuts` names none of a device's cuts.
Replan replan(const SplitProblem& problem, std::span<const std::size_t> cuts,
              const ReplanOptions& options);

}  // namespace convoy::sim
