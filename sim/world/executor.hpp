#pragma once

// Turns activities that have their lanes into SimGrid's Execs and Comms, without actors. Internal
// to sim/world.

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "sim/world/config.hpp"
#include "sim/world/lone_transfer.hpp"
#include "sim/world/on_demand.hpp"
#include "sim/world/platform.hpp"
#include "sim/world/running.hpp"
#include "sim/world/shared_processor.hpp"
#include "sim/world/star_transfers.hpp"
#include "sim/world/timed_computes.hpp"
#include "sim/world/timers.hpp"

namespace convoy::sim {

class Executor {
 public:
  // `ended`: called from within SimGrid for each activity that ran to its end; `ended_shared`: for
  // each compute of a shared processor, and with the star's solver for each transfer and compute,
  // before SimGrid has ended what ends at the same time.
  // `speed_changed`: called when a node's speed changes (1: nominal). `config` must live as long as
  // this.
  Executor(const WorldConfig& config, Timers& timers, std::function<void(RunningActivity&)> ended,
           std::function<void(RunningActivity&)> ended_shared,
           std::function<void(NodeId, double)> speed_changed);

  void start(RunningActivity& a);
  // Stops the activity early; `ended` is not called.
  void cancel(RunningActivity& a);
  // The activity has ended; SimGrid may use its handle until the next timer.
  void release(RunningActivity& a);
  // Ends what ends now by timers of the world's own, before its timer.
  void end_shared();
  // Drops handles that SimGrid no longer uses. Call from a timer.
  void drop_released();

  // Expected duration without contention (with its share of the node) and jitter, by the profile
  // and the link, in s.
  [[nodiscard]] double predicted_s(const RunningActivity& a) const;
  [[nodiscard]] double finished_share(const RunningActivity& a) const;  // 0 to 1
  [[nodiscard]] const std::string& description() const { return description_; }
  // Nodes that SimGrid has a host for.
  [[nodiscard]] std::size_t hosts() const { return platform_.hosts(); }
  void run() { platform_.engine().run(); }

 private:
  struct Node {
    double slowdown = 1;
    double jitter = 0;
    bool varies = false;                         // its speed: the platform follows it
    double constant_speed = 1;                   // else
    bool is_shared = false;                      // runs several computes at once
    std::unique_ptr<SharedProcessor> processor;  // made for the first that needs it
  };

  void start_compute(RunningActivity& a);
  void start_shared(RunningActivity& a, double seconds);
  void start_transfer(RunningActivity& a);
  [[nodiscard]] double seconds_of(const RunningActivity& a) const;
  [[nodiscard]] double speed_of(NodeId node) const;  // at present, relative to nominal
  // Of a compute that has its node to itself, at nominal speed.
  [[nodiscard]] double left_s(const RunningActivity& a) const;
  void end_links_and_host(const RunningActivity& a);

  std::uint64_t seed_;
  Timers& timers_;
  Platform platform_;
  std::string description_;
  LoneTransfers lone_transfers_;
  std::function<void(RunningActivity&)> ended_;
  std::function<void(RunningActivity&)> ended_shared_;
  Ends ends_;
  // Null, nothing: SimGrid carries out transfers and computes.
  std::unique_ptr<StarTransfers> star_;
  std::optional<TimedComputes> computes_;
  std::function<void(NodeId, double)> speed_changed_;
  OnDemand<Node> nodes_;
  std::vector<simgrid::s4u::ActivityPtr> released_;
  // SimGrid completes a cancelled activity once more at the same instant: keep it until later.
  std::vector<std::pair<double, simgrid::s4u::ActivityPtr>> cancelled_;
};

}  // namespace convoy::sim
