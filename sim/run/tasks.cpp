#include "sim/run/tasks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.hpp"

namespace convoy::sim {

void Tasks::begin_instant(std::vector<Event>& events) {
  std::erase_if(events, [this](const Event& e) { return is_void(e); });
  cancelled_ = false;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events[i].kind != EventKind::task_done) continue;
    if (learner_ != nullptr) learn_of(events[i]);
    if (events[i].kind != EventKind::task_done || !open_.at(events[i].task).publishes) continue;
    Event published = events[i];
    published.kind = EventKind::published;
    published.node = server_node;
    events.push_back(published);
  }
}

void Tasks::learn_of(Event& event) {
  const OpenTask& task = open_.at(event.task);
  if (task.is_learned_of_late()) return;
  if (open_.learn(event.task, learner_->done(event.task, task.worker)).finite) return;
  event.kind = EventKind::task_failed;
  event.cause = Cause::diverged;
}

bool Tasks::is_void(const Event& event) const {
  const bool of_task = event.kind == EventKind::task_done || event.kind == EventKind::task_failed ||
                       event.kind == EventKind::published || event.kind == EventKind::activity_done;
  return cancelled_ && of_task && !open_.contains(event.task);
}

void Tasks::assign(const Assign& order) {
  open_.assign(order);
  recorder_.assigned(order, goals_.version(), world_.now());
  if (learner_ != nullptr) learner_->assigned(order);
  world_.start(order.task, order.graph, order.members, order.report_activities, order.worker,
               order.when_full);
}

void Tasks::activity_ended(const ActivityRecord& record) {
  if (learner_ == nullptr || record.cause != Cause::none) return;
  learner_->activity_ended(record.task, record.activity);
}

std::string Tasks::cancel(const Cancel& order) {
  open_.check_cancel(order.task);
  const OpenTask& task = open_.at(order.task);
  const NodeId worker = task.worker;
  const Cause cause = task.is_done ? Cause::stale : Cause::cancelled;
  cancelled_ = true;
  world_.cancel(order.task);
  return came_to_nothing(order.task, cause, worker);
}

void Tasks::done(const Event& event) {
  const OpenTask& task = open_.at(event.task);
  const bool is_update = task.kind == TaskKind::update;
  recorder_.task_done(event.task, event.time, task.learned ? &*task.learned : nullptr);
  const std::vector<TaskId> taken = open_.done(event.task);
  if (learner_ != nullptr) learner_->let_go(taken);
  if (!is_update) return;
  goals_.update_done();
  patience_.succeeded();
}

std::string Tasks::failed(const Event& event) {
  const OpenTask& task = open_.at(event.task);
  // Only the server can aggregate, and the task would fail again.
  const bool servers = event.node == server_node && task.worker == server_node;
  if (task.kind == TaskKind::aggregation && servers) {
    if (event.cause == Cause::diverged) {
      recorder_.task_failed(event.task, event.cause, event.time);
      return fmt::format(
          "what the server trained since version {} holds NaN or infinity; lower "
          "training.optimizer.learning_rate",
          goals_.version());
    }
    double memory = 0;
    for (const Activity& a : task.graph->activities()) memory = std::max(memory, a.memory);
    recorder_.task_failed(event.task, event.cause, event.time);
    return fmt::format("the aggregation of version {} failed on {}: {}; it needs {} of memory",
                       goals_.version() + 1,
                       scenario_.world.nodes[server_node].name.of(server_node),
                       name_of(event.cause), base::human_bytes(memory));
  }
  if (event.cause == Cause::diverged) ++diverged_[event.node];
  std::string figures;
  if (event.needed > 0) {
    figures =
        fmt::format(" (it needs {} there, and {} of {} is free)", base::human_bytes(event.needed),
                    base::human_bytes(event.free), base::human_bytes(event.capacity));
  }
  return came_to_nothing(event.task, event.cause, event.node, figures);
}

std::string Tasks::came_to_nothing(TaskId id, Cause cause, NodeId node,
                                   const std::string& figures) {
  recorder_.task_failed(id, cause, world_.now());
  if (learner_ != nullptr) learner_->given_up(id);
  open_.came_to_nothing(id);
  return patience_.failed(cause, id, node, figures);
}

std::string Tasks::published(const Event& event) {
  const OpenTask task = open_.published(event.task);
  std::optional<TaskLearned> learned;
  if (learner_ != nullptr) {
    learned = learner_->published(event.task);
    if (!learned->finite) {
      return fmt::format(
          "version {} of the model would hold NaN or infinity, whichever of its {} "
          "updates is left out; lower training.optimizer.learning_rate or that of "
          "schedule.aggregation, or set a norm_bound there",
          event.version, task.updates);
    }
  }
  goals_.published(task.updates);
  recorder_.published(event.task, event.version, event.time, learned ? &*learned : nullptr);
  return "";
}

}  // namespace convoy::sim
