#pragma once

// The activities of real nodes: those under way, their deadlines, and the clock's events not yet
// handled. Internal to sim/world.

#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/non_copyable.hpp"
#include "sim/world/config.hpp"
#include "sim/world/elastic_clock.hpp"
#include "sim/world/real.hpp"
#include "sim/world/running.hpp"
#include "sim/world/timers.hpp"

namespace convoy::sim {

class RealActivities : base::NonCopyable {
 public:
  // `backend` null: no real nodes. Else couples the clock to SimGrid. `something_due`: called when
  // take_due() has events; `poll`: called from time to time.
  RealActivities(const WorldConfig& config, RealBackend* backend, Timers& timers,
                 std::function<void()> something_due, const std::function<void()>& poll);
  ~RealActivities();

  // The real node that carries out an activity, or no_node. Transfers between a real node and the
  // server are real, since this program is the server; all others are simulated.
  [[nodiscard]] NodeId worker(const RunningActivity& a) const;

  // Starts an activity on its real node, worker(). False: the model gives its duration, so SimGrid
  // must simulate the activity, too.
  bool begin(RunningActivity& a, NodeId worker, double predicted_s);
  // SimGrid reports the activity's end. True: the activity brings data to the server and is held
  // until the data is really there; take_due() gives it then.
  bool hold_end(const RunningActivity& a);
  // The activity has ended or is no longer of interest.
  void forget(RunningActivity& a);
  // A task was cancelled. `run_ended`: nodes keep their results, since the run may be resumed.
  void give_up(const RunningTask& task, bool run_ended);

  // Events of the clock and of deadlines since the last call.
  std::vector<ElasticClock::Due> take_due();
  // Null if the activity is not under way (any more).
  [[nodiscard]] RunningActivity* find(ElasticClock::Id id) const;

  // True if real results of this instant are still missing: the clock reports them later.
  [[nodiscard]] bool instant_goes_on() { return clock_ && clock_->holds(); }
  [[nodiscard]] bool any() const { return backend_ != nullptr; }
  void close();  // stops all reports
  [[nodiscard]] double max_lag_s() const { return clock_ ? clock_->max_lag_s() : 0; }

 private:
  [[nodiscard]] const std::optional<RealNode>& real_node(NodeId node) const { return nodes_[node]; }

  RealBackend* backend_;
  Timers& timers_;
  std::function<void()> something_due_;
  ByNode<std::optional<RealNode>> nodes_;
  std::optional<ElasticClock> clock_;  // where there are real nodes
  std::unordered_map<ElasticClock::Id, RunningActivity*> under_way_;
  std::unordered_map<ElasticClock::Id, Timers::Id> deadlines_;
  std::vector<ElasticClock::Due> due_;
};

}  // namespace convoy::sim
