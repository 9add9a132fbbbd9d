#pragma once

// The tasks that a schedule has ordered and whose results nobody has taken for good: which task may
// take which result, and what becomes of them when it comes to nothing.

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "sim/run/checkpoint.hpp"
#include "sim/schedule/orders.hpp"

namespace convoy::sim {

struct OpenTask {
  NodeId worker = no_node;
  TaskKind kind = TaskKind::update;
  bool publishes = false;
  bool is_done = false;
  bool is_taken = false;     // by a task that is under way
  std::int64_t updates = 1;  // of nodes, that are in its result
  std::vector<TaskId> consumes;
  std::shared_ptr<const TaskGraph> graph;
  std::optional<TaskLearned> learned;  // once it is done, where the run learns

  // Learned of when its turn to be the next version comes (Assign::aggregates_a_version).
  [[nodiscard]] bool is_learned_of_late() const { return publishes && !consumes.empty(); }
};

// Orders that a schedule must not give throw std::logic_error.
class OpenTasks {
 public:
  void assign(const Assign& order);
  // The task may be cancelled: it is under way, or its result waits.
  void check_cancel(TaskId id) const;

  [[nodiscard]] bool contains(TaskId id) const { return tasks_.contains(id); }
  [[nodiscard]] const OpenTask& at(TaskId id) const { return tasks_.at(id); }

  // What a task has learned, that ends at this instant.
  const TaskLearned& learn(TaskId id, TaskLearned learned);
  // Gives the tasks whose results it holds from now on, and that are gone for everybody else: none
  // where it publishes, since it holds them when it has done so.
  std::vector<TaskId> done(TaskId id);
  // A version was made of it: it is gone, with all that it took. Gives it.
  OpenTask published(TaskId id);
  // It is gone; the results that it took are free again, unless they are in its own.
  void came_to_nothing(TaskId id);

 private:
  void let_go(const std::vector<TaskId>& tasks);

  std::unordered_map<TaskId, OpenTask> tasks_;
};

}  // namespace convoy::sim
