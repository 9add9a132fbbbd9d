#include "sim/run/recorded_nodes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace convoy::sim {
namespace {

// New events come after the instant at which the recording ends.
constexpr double moment_s = 1e-7;

// Causes that arise at the node itself; all other failures will happen again by themselves.
Cause cause_at_node(const std::string& name) {
  for (const Cause cause : {Cause::none, Cause::out_of_memory, Cause::failed, Cause::refused,
                            Cause::diverged, Cause::timed_out}) {
    if (name_of(cause) == name) return cause;
  }
  return Cause::cancelled;
}

}  // namespace

Participants participants_of(const Recording& recording, const Scenario& scenario) {
  if (recording.nodes.size() != scenario.world.nodes.size()) {
    throw StoreError(fmt::format("the recorded run has {} nodes, its scenario {}: it is damaged",
                                 recording.nodes.size(), scenario.world.nodes.size()));
  }
  Participants all;
  for (const NodeRow& row : recording.nodes) {
    all.push_back({row.is_real(), false, row.samples, row.own_data});
  }
  for (const PresenceRow& row : recording.presence) {
    if (row.time_s < 0) all[row.node].is_present = row.present;
  }
  return all;
}

RecordedNodes::RecordedNodes(Recording recording, std::optional<UpdateFolder> updates,
                             RealNodes* live)
    : presence_(std::move(recording.presence)),
      live_from_s_(recording.end_s + moment_s),
      updates_(std::move(updates)),
      live_(live) {
  for (Recording::Activity& a : recording.activities) {
    // Activities under way when the run was stopped continue.
    if (a.cause == name_of(Cause::run_ended)) continue;
    activities_[{a.task, a.activity, a.iteration}] = std::move(a);
  }
}

void RecordedNodes::attach(ElasticClock& clock) {
  clock_ = &clock;
  for (const PresenceRow& p : presence_) {
    if (p.time_s < 0) continue;
    clock.schedule(p.time_s, {static_cast<NodeId>(p.node), p.present, p.for_good});
  }
  if (live_ == nullptr) return;
  clock.live_from(live_from_s_);
  live_->attach(clock);
}

void RecordedNodes::detach() {
  if (live_ != nullptr) live_->detach();
}

void RecordedNodes::begin(const RealActivity& activity) {
  const auto found = activities_.find({activity.task, activity.activity, activity.iteration});
  if (found == activities_.end()) {
    if (live_ != nullptr && updates_ && updates_->has(activity.task)) {
      // The task's update is safe already, and the agent may have forgotten the task: end the
      // activity.
      clock_->ended_at(activity.id, activity.measured ? std::max(activity.start_s, live_from_s_)
                                                      : activity.start_s);
    } else if (live_ != nullptr) {
      pass_on(activity.task);
      live_->begin(activity);
    } else {
      clock_->ended_at(activity.id, ElasticClock::never);
    }
    return;
  }
  const Recording::Activity& then = found->second;
  const Cause cause = cause_at_node(then.cause);
  if (cause == Cause::cancelled) {
    clock_->ended_at(activity.id, ElasticClock::never);
  } else if (cause != Cause::none) {
    clock_->failed_at(activity.id, then.end_s, cause);
  } else {
    clock_->ended_at(activity.id, activity.measured ? then.end_s : activity.start_s);
  }
}

// Passes a task to the live node when one of its activities continues.
void RecordedNodes::pass_on(TaskId task) {
  const auto found = inputs_.find(task);
  if (found == inputs_.end() || std::exchange(found->second.passed_on, true)) return;
  live_->assigned(found->second.input, found->second.graph);
}

void RecordedNodes::give_up(TaskId task) {
  inputs_.erase(task);
  if (live_ != nullptr) live_->give_up(task);
}

void RecordedNodes::use(std::shared_ptr<const engine::Engine> engine) {
  engine_ = engine;
  if (live_ != nullptr) live_->use(std::move(engine));
}

bool RecordedNodes::bring_results() const { return live_ != nullptr || updates_.has_value(); }

void RecordedNodes::assigned(const engine::TaskInput& input,
                             std::shared_ptr<const TaskGraph> graph) {
  inputs_[input.task] = {input, std::move(graph), false};
}

engine::Outcome RecordedNodes::outcome(TaskId task) {
  const auto input = inputs_.extract(task);
  if (live_ != nullptr && live_->has_outcome(task)) return live_->outcome(task);
  const engine::TaskInput& of = input.mapped().input;
  engine::Outcome outcome = updates_->read(*engine_, of);
  taken_before(of.node, task);
  return outcome;
}

void RecordedNodes::taken_before(NodeId node, TaskId task) {
  if (live_ != nullptr) live_->taken_before(node, task);
}

bool RecordedNodes::has_outcome(TaskId task) {
  return (live_ != nullptr && live_->has_outcome(task)) || (updates_ && updates_->has(task));
}

bool RecordedNodes::has_orders() const { return live_ != nullptr && live_->has_orders(); }

void RecordedNodes::flush_orders() {
  if (live_ != nullptr) live_->flush_orders();
}

std::string RecordedNodes::trouble() { return live_ != nullptr ? live_->trouble() : ""; }

std::vector<ReadingRow> RecordedNodes::readings() {
  return live_ != nullptr ? live_->readings() : std::vector<ReadingRow>();
}

}  // namespace convoy::sim
