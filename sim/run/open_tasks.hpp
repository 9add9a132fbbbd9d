#pragma once

// The tasks whose results are still free: which task may take which result, and what happens to the
// taken results if the task fails.

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
  bool aggregates_a_version = false;  // Assign::aggregates_a_version
  bool is_done = false;
  bool is_taken = false;     // by a task under way
  std::int64_t updates = 1;  // number of nodes' updates in its result
  std::vector<TaskId> consumes;
  std::shared_ptr<const TaskGraph> graph;
  std::optional<TaskLearned> learned;  // set when it is done, if the run learns

  // The learning result is fetched only for `published`.
  [[nodiscard]] bool is_learned_of_late() const { return aggregates_a_version; }
};

// Invalid orders of a schedule throw std::logic_error.
class OpenTasks {
 public:
  void assign(const Assign& order);
  // Throws unless the task is under way or its result waits.
  void check_cancel(TaskId id) const;

  [[nodiscard]] bool contains(TaskId id) const { return tasks_.contains(id); }
  [[nodiscard]] const OpenTask& at(TaskId id) const { return tasks_.at(id); }

  // Stores what a task has learned that ends at this instant.
  const TaskLearned& learn(TaskId id, TaskLearned learned);
  // The task is done. Gives the tasks whose results it now contains, which no other task can take.
  // Empty for a task that publishes: published() takes its inputs.
  std::vector<TaskId> done(TaskId id);
  // A version was made of the task: removes and gives it, together with all that it took.
  OpenTask published(TaskId id);
  // The task came to nothing: results that it took become free again, unless they are in its own.
  void came_to_nothing(TaskId id);

 private:
  void let_go(const std::vector<TaskId>& tasks);

  std::unordered_map<TaskId, OpenTask> tasks_;
};

}  // namespace convoy::sim
