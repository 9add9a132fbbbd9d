#pragma once

// Tasks under way, by id and by node. Freed places are reused. Internal to sim/world.

#include <deque>
#include <unordered_map>
#include <vector>

#include "sim/world/running.hpp"
#include "sim/world/world.hpp"

namespace convoy::sim {

class TaskTable {
 public:
  explicit TaskTable(std::size_t nodes) : of_(nodes) {}

  RunningTask& add(TaskId id, std::shared_ptr<const TaskGraph> graph, std::vector<NodeId> members,
                   bool report);
  void remove(RunningTask& task);

  // Null if there is no such task.
  [[nodiscard]] RunningTask* find(TaskId id) const;
  // The tasks of which a worker is a member. (Not for the server, a member of nearly all tasks.)
  [[nodiscard]] const std::vector<RunningTask*>& of(NodeId node) const {
    return of_[static_cast<std::size_t>(node)];
  }
  // All tasks, by rising id.
  [[nodiscard]] std::vector<RunningTask*> all() const;
  // The running activities of all tasks.
  [[nodiscard]] std::vector<UnderWay> under_way() const;
  [[nodiscard]] std::size_t size() const { return by_id_.size(); }

 private:
  std::unordered_map<TaskId, RunningTask*> by_id_;
  std::vector<std::vector<RunningTask*>> of_;
  std::deque<RunningTask> places_;
  std::vector<RunningTask*> free_;
};

}  // namespace convoy::sim
