#include "sim/world/task_table.hpp"

#include <algorithm>
#include <utility>

namespace convoy::sim {

RunningTask& TaskTable::add(TaskId id, std::shared_ptr<const TaskGraph> graph,
                            std::vector<NodeId> members, bool report) {
  if (free_.empty()) free_.push_back(&places_.emplace_back());
  RunningTask& task = *free_.back();
  free_.pop_back();
  task.id = id;
  task.graph = std::move(graph);
  task.members = std::move(members);
  task.iteration = 0;
  task.report = report;
  by_id_.emplace(id, &task);
  for (const NodeId member : task.members) {
    if (member != server_node) of_[static_cast<std::size_t>(member)].push_back(&task);
  }
  return task;
}

void TaskTable::remove(RunningTask& task) {
  for (const NodeId member : task.members) {
    if (member != server_node) std::erase(of_[static_cast<std::size_t>(member)], &task);
  }
  by_id_.erase(task.id);
  task.graph.reset();
  task.activities.clear();
  free_.push_back(&task);
}

RunningTask* TaskTable::find(TaskId id) const {
  const auto there = by_id_.find(id);
  return there == by_id_.end() ? nullptr : there->second;
}

std::vector<RunningTask*> TaskTable::all() const {
  std::vector<RunningTask*> tasks;
  tasks.reserve(by_id_.size());
  for (const auto& [id, task] : by_id_) tasks.push_back(task);
  std::ranges::sort(tasks, {}, &RunningTask::id);
  return tasks;
}

}  // namespace convoy::sim
