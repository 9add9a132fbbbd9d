#include "sim/schedule/split_observer.hpp"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

namespace convoy::sim {
namespace {

// A transfer slower than its limit by less than this, relative, was at its limit.
constexpr double at_limit = 1e-3;

bool is_on_server(const Activity& activity) { return activity.at == 0; }

}  // namespace

SplitObserver::SplitObserver(ByNode<Condition> nominal, int probe_after)
    : nominal_(std::move(nominal)), conditions_(nominal_), probe_after_(probe_after) {
  held_.assign(nominal_.size(), 0);
}

void SplitObserver::begins(TaskId id, WatchedTask watched, double now) {
  tasks_[id] = {.watched = std::move(watched), .since = now};
}

const WatchedTask::Direction& SplitObserver::direction(const Task& task, const Activity& activity) {
  return is_on_server(activity) ? task.watched.down : task.watched.up;
}

double SplitObserver::expected_s(const Task& task, const Activity& activity) {
  if (activity.kind == ActivityKind::compute) {
    return activity.share > 0 ? activity.seconds / activity.share : activity.seconds;
  }
  const double limit = direction(task, activity).limit_bytes_per_s;
  return task.watched.latency_s + (limit > 0 ? activity.bytes / limit : 0);
}

void SplitObserver::count(Task& task, const Activity& activity, double seconds) {
  if (activity.kind == ActivityKind::compute) {
    Sum& sum = is_on_server(activity) ? task.server : task.node;
    sum.expected += expected_s(task, activity);
    sum.observed += seconds;
    return;
  }
  Sum& sum = is_on_server(activity) ? task.down : task.up;
  sum.expected += activity.bytes;
  sum.observed += std::max(0.0, seconds - task.watched.latency_s);
}

void SplitObserver::note(const Event& event) {
  const auto found = tasks_.find(event.task);
  if (found == tasks_.end()) return;
  Task& task = found->second;
  if (event.kind == EventKind::activity_done) {
    const auto& all = task.watched.graph->activities();
    count(task, all.at(static_cast<std::size_t>(event.activity)), event.time - task.since);
    task.since = event.time;
    task.last = event.activity;
  } else if (event.kind == EventKind::task_done) {
    conclude(event.task, event.time, true);
  } else if (event.kind == EventKind::task_failed) {
    conclude(event.task, event.time, false);
  }
}

void SplitObserver::cancelled(TaskId task, double now) {
  if (tasks_.contains(task)) conclude(task, now, false);
}

void SplitObserver::conclude_all(double now) {
  std::vector<TaskId> open;
  for (const auto& [id, task] : tasks_) open.push_back(id);
  for (const TaskId id : open) conclude(id, now, false);
}

void SplitObserver::conclude(TaskId id, double now, bool is_done) {
  Task task = std::move(tasks_.at(id));
  tasks_.erase(id);
  const auto& all = task.watched.graph->activities();
  const auto next = static_cast<std::size_t>(task.last + 1);
  if (!is_done && next < all.size() && now - task.since > expected_s(task, all[next])) {
    count(task, all[next], now - task.since);
  }
  Condition& node = conditions_[task.watched.node];
  if (task.node.expected > 0 && task.node.observed > 0) {
    node.speed = task.node.expected / task.node.observed;
  }
  const bool is_shared = std::ranges::any_of(all, [](const Activity& a) {
    return a.kind == ActivityKind::compute && is_on_server(a) && a.share > 0;
  });
  if (is_shared && task.server.expected > 0 && task.server.observed > 0) {
    const double speed = task.server.expected / task.server.observed;
    conditions_[server_node].speed = task.watched.at_least ? std::min(speed, 1.0) : speed;
  }
  learn_link(task);
}

void SplitObserver::learn_link(const Task& task) {
  constexpr double none = std::numeric_limits<double>::infinity();
  const NodeId id = task.watched.node;
  const double nominal = nominal_[id].link_bytes_per_s;
  double slowed = none;  // rates as of the link's slower direction
  double at_least = none;
  for (const auto& [sum, way] :
       {std::pair(&task.up, &task.watched.up), std::pair(&task.down, &task.watched.down)}) {
    if (sum->expected <= 0 || sum->observed <= 0) continue;
    const double rate = sum->expected / sum->observed;
    const double limit = way->limit_bytes_per_s;
    const double part = nominal < none ? nominal / way->nominal_bytes_per_s : 1;
    // Without either, others may have been in the way.
    const bool is_known = limit > 0 || !task.watched.at_least;
    if (is_known && (limit <= 0 || rate < limit * (1 - at_limit)))
      slowed = std::min(slowed, rate * part);
    at_least = std::min(at_least, (task.watched.at_least ? std::max(rate, limit) : limit) * part);
  }
  if (at_least == none) return;  // nothing was sent
  double& link = conditions_[id].link_bytes_per_s;
  if (slowed < none) {
    link = std::min(slowed, nominal);
    held_[id] = 0;
    return;
  }
  link = std::max(link, std::min(at_least, nominal));
  if (link >= nominal || ++held_[id] < probe_after_) return;
  link = std::min(2 * link, nominal);
  held_[id] = 0;
}

}  // namespace convoy::sim
