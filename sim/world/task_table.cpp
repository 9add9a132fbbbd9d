#include "sim/world/task_table.hpp"

#include <algorithm>
#include <utility>

namespace convoy::sim {

void RunningTask::lay_out_activities() {
  const std::vector<Activity>& of_graph = graph->activities();
  left = static_cast<int>(of_graph.size());
  activities.clear();
  activities.resize(of_graph.size());
  for (std::size_t i = 0; i < of_graph.size(); ++i) {
    RunningActivity& a = activities[i];
    a.task = this;
    a.index = static_cast<int>(i);
    a.node = members[static_cast<std::size_t>(of_graph[i].at)];
    if (of_graph[i].kind == ActivityKind::transfer) {
      a.peer = members[static_cast<std::size_t>(of_graph[i].to)];
    }
    a.blocked_by = graph->waits_for()[i];
  }
}

const RunningActivity* RunningTask::first_at(NodeId node) const {
  for (const auto state : {RunningActivity::State::running, RunningActivity::State::waiting}) {
    for (const RunningActivity& a : activities) {
      if (a.state == state && (a.node == node || a.peer == node)) return &a;
    }
  }
  return nullptr;
}

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
  task.memory = {};
  by_id_.emplace(id, &task);
  for (const NodeId member : task.members) {
    if (member == server_node) continue;
    Tasks& theirs = of_[member];
    const bool is_there = !theirs.empty() && theirs.back() == &task;  // it plays two roles
    if (!is_there) theirs.push_back(&task);
  }
  return task;
}

void TaskTable::remove(RunningTask& task) {
  for (const NodeId member : task.members) {
    if (member != server_node) std::erase(of_[member], &task);
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

std::vector<UnderWay> TaskTable::under_way() const {
  std::vector<UnderWay> running;
  for (const RunningTask* task : all()) {
    for (const RunningActivity& a : task->activities) {
      if (a.state != RunningActivity::State::running) continue;
      running.push_back({task->id, a.node, a.peer, a.what().label, a.start_s});
    }
  }
  return running;
}

}  // namespace convoy::sim
