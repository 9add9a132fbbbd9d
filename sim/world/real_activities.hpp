#pragma once

// The activities of real nodes: which are under way, their deadlines, and what the elastic clock
// has reported of them and nobody has dealt with. Internal to sim/world.

#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "sim/world/config.hpp"
#include "sim/world/elastic_clock.hpp"
#include "sim/world/real.hpp"
#include "sim/world/running.hpp"
#include "sim/world/timers.hpp"

namespace convoy::sim {

class RealActivities {
 public:
  // `backend`: null, there are no real nodes. Its clock is coupled to SimGrid from now on.
  // `something_due`: called when take_due() would give something; `poll`: now and then.
  RealActivities(const WorldConfig& config, RealBackend* backend, Timers& timers,
                 std::function<void()> something_due, const std::function<void()>& poll);
  ~RealActivities();
  RealActivities(const RealActivities&) = delete;
  RealActivities& operator=(const RealActivities&) = delete;

  // The real node that carries an activity out, or no_node: what passes between it and the server
  // is real, since the server is this program; between others it is simulated.
  [[nodiscard]] NodeId worker(const RunningActivity& a) const;

  // Has an activity carried out by its real node, whose worker() it is. False: how long it takes is
  // the model's business, and SimGrid's.
  bool begin(RunningActivity& a, NodeId worker, double predicted_s);
  // SimGrid says that it ended. True: it is one that brings something to the server, which is there
  // when it has really come; take_due() gives it then.
  bool hold_end(const RunningActivity& a);
  // It has ended, or is of no interest any more.
  void forget(RunningActivity& a);
  // A task was given up. `run_ended`: nodes keep what they have, since the run may be gone on with.
  void give_up(const RunningTask& task, bool run_ended);

  // What the clock, or a deadline, has reported since the last call.
  std::vector<ElasticClock::Due> take_due();
  // Null: it is not under way (any more).
  [[nodiscard]] RunningActivity* find(ElasticClock::Id id) const;

  // Part of this instant is still on its way: the clock says when it has come.
  [[nodiscard]] bool instant_goes_on() { return clock_ && clock_->holds(); }
  [[nodiscard]] bool any() const { return backend_ != nullptr; }
  void close();  // nothing is due any more
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
