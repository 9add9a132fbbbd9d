#pragma once

// Tasks under way, by id and by node. Freed places are reused. Internal to sim/world.

#include <deque>
#include <unordered_map>
#include <vector>

#include "sim/world/on_demand.hpp"
#include "sim/world/running.hpp"
#include "sim/world/world.hpp"

namespace convoy::sim {

class TaskTable {
 public:
  explicit TaskTable(std::size_t nodes) : of_(nodes, [](NodeId) { return Tasks(); }) {}

  RunningTask& add(TaskId id, std::shared_ptr<const TaskGraph> graph, std::vector<NodeId> members,
                   bool report);
  void remove(RunningTask& task);

  // Null if there is no such task.
  [[nodiscard]] RunningTask* find(TaskId id) const;
  // Those that a worker is a member of. (The server is one of nearly all: not kept.)
  [[nodiscard]] std::vector<RunningTask*> of(NodeId node) const {
    const Tasks* const there = of_.find(node);
    return there != nullptr ? *there : Tasks();
  }
  // All of them, by rising id.
  [[nodiscard]] std::vector<RunningTask*> all() const;
  // The running activities of all tasks.
  [[nodiscard]] std::vector<UnderWay> under_way() const;
  [[nodiscard]] std::size_t size() const { return by_id_.size(); }

 private:
  using Tasks = std::vector<RunningTask*>;

  std::unordered_map<TaskId, RunningTask*> by_id_;
  OnDemand<Tasks> of_;
  std::deque<RunningTask> places_;
  std::vector<RunningTask*> free_;
};

}  // namespace convoy::sim
