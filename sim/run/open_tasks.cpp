#include "sim/run/open_tasks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace convoy::sim {

void OpenTasks::assign(const Assign& order) {
  const auto [there, is_new] = tasks_.try_emplace(order.task);
  if (!is_new) {
    throw std::logic_error(fmt::format("a schedule ordered task {} twice", order.task));
  }
  OpenTask& task = there->second;
  task.worker = order.worker_node();
  task.kind = order.kind;
  task.publishes = order.publishes >= 0;
  task.aggregates_a_version = order.aggregates_a_version();
  task.updates = order.kind == TaskKind::update ? 1 : 0;
  task.graph = order.graph;
  if (order.shared && (!order.consumes.empty() || order.publishes >= 0 || order.in_time)) {
    throw std::logic_error(fmt::format(
        "task {} shares a session, and takes results, makes a version or is in time", order.task));
  }
  if (order.consumes.empty()) return;
  task.consumes = order.consumes;
  const auto room = std::ranges::count(order.graph->artifacts(), -1, &Artifact::producer);
  if (static_cast<std::size_t>(room) < order.consumes.size()) {
    throw std::logic_error(fmt::format("task {} takes {} results, its graph has room for {}",
                                       order.task, order.consumes.size(), room));
  }
  for (const TaskId id : order.consumes) {
    const auto taken = tasks_.find(id);
    const bool is_there = taken != tasks_.end() && taken->second.is_done &&
                          !taken->second.is_taken && !taken->second.publishes;
    if (!is_there) {
      throw std::logic_error(
          fmt::format("a schedule gave the result of task {} to task {}, and it is not there "
                      "(the task is not done, publishes it, or another took it)",
                      id, order.task));
    }
    taken->second.is_taken = true;
    task.updates += taken->second.updates;
  }
}

void OpenTasks::check_cancel(TaskId id) const {
  const auto task = tasks_.find(id);
  if (task != tasks_.end() && !task->second.is_taken) return;
  throw std::logic_error(
      fmt::format("a schedule cancelled task {}, which is neither under way nor waiting", id));
}

const TaskLearned& OpenTasks::learn(TaskId id, TaskLearned learned) {
  return tasks_.at(id).learned.emplace(std::move(learned));
}

std::vector<TaskId> OpenTasks::done(TaskId id) {
  OpenTask& task = tasks_.at(id);
  task.is_done = true;
  if (task.publishes) return {};
  std::vector<TaskId> taken = task.consumes;
  let_go(taken);
  return taken;
}

OpenTask OpenTasks::published(TaskId id) {
  OpenTask task = std::move(tasks_.extract(id).mapped());
  let_go(task.consumes);
  return task;
}

void OpenTasks::came_to_nothing(TaskId id) {
  const auto task = tasks_.extract(id);
  // A finished task no longer holds the results that it took, unless it was about to publish.
  const bool had_taken = task.mapped().publishes || !task.mapped().is_done;
  for (const TaskId taken : task.mapped().consumes) {
    if (had_taken) tasks_.at(taken).is_taken = false;
  }
}

void OpenTasks::let_go(const std::vector<TaskId>& tasks) {
  for (const TaskId task : tasks) tasks_.erase(task);
}

}  // namespace convoy::sim
