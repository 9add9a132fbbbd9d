#pragma once

// How far a run is on the way to its end, for displays.

#include <chrono>
#include <cstddef>

#include "sim/run/goals.hpp"
#include "sim/run/learner.hpp"

namespace convoy::sim {

class RunShare {
 public:
  // `goals` must outlive the object.
  explicit RunShare(const Goals& goals) : goals_(goals) {}

  // Call now and then. `tasks`: under way; `learner`: null if nothing is learned. What trainings
  // have done counts between the ends of tasks.
  void look(double now_s, std::size_t tasks, const Learner* learner);

  [[nodiscard]] double share() const { return share_; }    // 0 to 1; never falls
  [[nodiscard]] double before() const { return before_; }  // of that, done before a resumption

 private:
  const Goals& goals_;
  LearningWork work_;  // as it was a moment ago
  std::chrono::steady_clock::time_point seen_;
  double share_ = 0;
  double before_ = 0;
};

}  // namespace convoy::sim
