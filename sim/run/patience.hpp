#pragma once

// Decides when a run has failed although its schedule would go on: too many failures without
// success, or nothing under way and nothing to come.

#include <cstdint>
#include <string>

#include "sim/scenario/scenario.hpp"
#include "sim/world/world.hpp"

namespace convoy::sim {

class Patience {
 public:
  Patience(const Scenario& scenario, const World& world) : scenario_(scenario), world_(world) {}

  // A node's update has ended successfully.
  void succeeded();
  // A task failed. Gives the reason if the run fails with it; empty: the run goes on. `figures`:
  // said behind the cause.
  std::string failed(Cause cause, TaskId task, NodeId node, const std::string& figures);

  // Called at the end of an instant. `at_work`: a task is under way, a timer is set, or an order
  // was given. False: the run is over. A run with nothing under way waits only for nodes that have
  // not yet been present during this rest: otherwise nodes that come and go would keep it alive.
  bool has_hope(bool at_work);
  // The reason why a run at rest has failed. `versions`: number of versions made.
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
