#pragma once

// When a run has failed although its schedule would go on: nothing succeeds any more, or nothing is
// under way and nothing is to come.

#include <cstdint>
#include <string>
#include <vector>

#include "sim/scenario/scenario.hpp"
#include "sim/world/world.hpp"

namespace convoy::sim {

class Patience {
 public:
  Patience(const Scenario& scenario, const World& world) : scenario_(scenario), world_(world) {}

  // A node's update has come to its end.
  void succeeded();
  // A task came to nothing. Gives why the run has failed with it; empty: it goes on.
  std::string failed(Cause cause, TaskId task, NodeId node);

  // At the end of an instant. `at_work`: a task is under way, a timer is set, or something was
  // ordered. False: the run is over. With nothing under way it is, unless some node may still come
  // of which the schedule has not been given a look in this rest: nodes that come and go would keep
  // the clock running.
  bool has_hope(bool at_work);
  // Why a run that came to rest has failed. `versions`: that it has made.
  [[nodiscard]] std::string at_rest(std::int64_t versions) const;

 private:
  const Scenario& scenario_;
  const World& world_;
  std::int64_t diverged_in_a_row_ = 0;
  std::int64_t failures_in_a_row_ = 0;
  std::string last_failure_;
  ByNode<bool> seen_at_rest_;  // there at some instant of this rest
};

}  // namespace convoy::sim
