#include "sim/world/real_activities.hpp"

#include <algorithm>
#include <utility>

#include "sim/world/real_model.hpp"

namespace convoy::sim {

RealActivities::RealActivities(const WorldConfig& config, RealBackend* backend, Timers& timers,
                               std::function<void()> something_due,
                               const std::function<void()>& poll)
    : backend_(backend), timers_(timers), something_due_(std::move(something_due)) {
  if (backend_ == nullptr) return;
  for (const NodeConfig& node : config.nodes) nodes_.push_back(node.real);
  clock_.emplace(config.clock, wall_now);
  couple(
      *clock_, timers_.epoch(),
      [this](const std::vector<ElasticClock::Due>& due) {
        due_.insert(due_.end(), due.begin(), due.end());
        something_due_();
      },
      [this, poll] { timers_.soon(poll); });
  backend_->attach(*clock_);
}

RealActivities::~RealActivities() {
  if (backend_ != nullptr) backend_->detach();
}

NodeId RealActivities::worker(const RunningActivity& a) const {
  if (backend_ == nullptr) return no_node;
  if (a.peer == no_node || a.peer == server_node) return real_node(a.node) ? a.node : no_node;
  return a.node == server_node && real_node(a.peer) ? a.peer : no_node;
}

bool RealActivities::begin(RunningActivity& a, NodeId worker, double predicted_s) {
  const RealNode& node = *real_node(worker);
  const double now = timers_.now();
  a.measured = a.peer == no_node ? node.measured_compute : node.measured_network;
  a.predicted_s = predicted_s;
  a.real = clock_->begin({.time = now, .bounds = a.measured, .node = worker});
  under_way_[a.real] = &a;
  backend_->begin({a.real, a.task->id, a.index, a.task->iteration, &a.what(), a.node, a.peer,
                   a.measured, a.predicted_s, now});
  // Modelled durations need no deadline here: the backend watches them in wall time.
  if (!a.measured) return false;
  const double deadline = std::max(node.deadline_factor * a.predicted_s, node.deadline_min_s);
  deadlines_[a.real] = timers_.after(now + deadline, [this, id = a.real] {
    deadlines_.erase(id);
    if (!under_way_.contains(id)) return;
    due_.push_back({.id = id, .cause = Cause::timed_out});
    something_due_();
  });
  return true;
}

bool RealActivities::hold_end(const RunningActivity& a) {
  if (a.real == 0 || a.measured || a.peer != server_node) return false;
  clock_->hold(a.real, timers_.now());
  return true;
}

void RealActivities::forget(RunningActivity& a) {
  if (a.real == 0) return;
  under_way_.erase(a.real);
  clock_->withdraw(a.real);
  if (const auto deadline = deadlines_.find(a.real); deadline != deadlines_.end()) {
    timers_.cancel(deadline->second);
    deadlines_.erase(deadline);
  }
}

void RealActivities::give_up(const RunningTask& task, bool run_ended) {
  if (backend_ == nullptr || run_ended) return;
  const bool has_real = std::any_of(task.members.begin(), task.members.end(),
                                    [this](NodeId m) { return real_node(m).has_value(); });
  if (has_real) backend_->give_up(task.id);
}

std::vector<ElasticClock::Due> RealActivities::take_due() { return std::exchange(due_, {}); }

RunningActivity* RealActivities::find(ElasticClock::Id id) const {
  const auto found = under_way_.find(id);
  return found == under_way_.end() ? nullptr : found->second;
}

void RealActivities::close() {
  if (clock_) clock_->close();
}

}  // namespace convoy::sim
