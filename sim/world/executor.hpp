#pragma once

// Turns activities that have their lanes into SimGrid's Execs and Comms, without actors. Internal
// to sim/world.

#include <functional>
#include <utility>
#include <vector>

#include "sim/world/config.hpp"
#include "sim/world/lone_transfer.hpp"
#include "sim/world/platform.hpp"
#include "sim/world/running.hpp"
#include "sim/world/timers.hpp"

namespace convoy::sim {

class Executor {
 public:
  // `ended` is told of each activity that ran to its end, at that instant, from within SimGrid.
  // `speed_changed`: a node computes faster or slower from now on (1: nominal).
  Executor(const WorldConfig& config, Timers& timers, std::function<void(RunningActivity&)> ended,
           std::function<void(NodeId, double)> speed_changed);

  void start(RunningActivity& a);
  // Ends it before its time; `ended` is not told.
  void cancel(RunningActivity& a);
  // The activity ended; SimGrid may still look at its handle until the next timer.
  void release(RunningActivity& a);
  // To be called from a timer: drops the handles that SimGrid no longer looks at.
  void drop_released();

  // How long it would take alone, by the profile and the link, without a draw.
  [[nodiscard]] double predicted_s(const RunningActivity& a) const;
  [[nodiscard]] double finished_share(const RunningActivity& a) const;  // 0 to 1
  [[nodiscard]] std::string description() const { return platform_.description(); }
  void run() { platform_.engine().run(); }

 private:
  void start_compute(RunningActivity& a);
  void start_transfer(RunningActivity& a);
  [[nodiscard]] double seconds_of(const RunningActivity& a) const;
  void end_links_and_host(const RunningActivity& a);

  std::uint64_t seed_;
  Timers& timers_;
  Platform platform_;
  LoneTransfers lone_transfers_;
  std::function<void(RunningActivity&)> ended_;
  std::function<void(NodeId, double)> speed_changed_;
  ByNode<double> slowdown_;
  ByNode<double> jitter_;
  std::vector<simgrid::s4u::ActivityPtr> released_;
  // A cancelled activity completes once more at the same instant: kept until a later one.
  std::vector<std::pair<double, simgrid::s4u::ActivityPtr>> cancelled_;
};

}  // namespace convoy::sim
