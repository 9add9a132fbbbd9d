#pragma once

// The groups of tasks that share a session (SharedSession in sim/schedule/orders.hpp), from a
// group's first task to its end.
//
// What a task of a group has learned depends on all computes of the group before. So a checkpoint
// contains of an open group only that it has begun, and from which version: a resumed run computes
// it again from there, while it simulates the same. States that its nodes keep become known to
// others only when the group ends, and until then its nodes have no tasks outside of it: whatever
// the moment of the checkpoint, they begin from the same states again.
//
// A group whose tasks have all come to nothing begins anew with its next one: what they have done
// to the shared session does not count.

#include <map>
#include <memory>
#include <set>
#include <unordered_map>

#include "sim/run/checkpoint.hpp"
#include "sim/run/flow.hpp"

namespace convoy::sim {

using States = std::map<StateOf, Checkpoint::State>;

class Groups {
 public:
  // The pool may be made after this; it must be there when a task starts.
  Groups(std::shared_ptr<const engine::Engine> engine, WorkerPool& pool)
      : engine_(std::move(engine)), pool_(pool) {}

  // Groups that were open at a checkpoint: they go on when their first task is assigned again.
  void resume(std::map<std::int64_t, OpenGroup> groups) { resumed_ = std::move(groups); }
  // The group is open, or was at the checkpoint.
  [[nodiscard]] bool goes_on(std::int64_t group) const {
    return open_.contains(group) || resumed_.contains(group);
  }

  // Throws std::logic_error if the order takes a result of an open group, or if its worker has had
  // a task in an open group of others.
  void check(const Assign& order) const;
  // A task joins its group, which begins with it if it is the first. Gives the version to start
  // from; `present`: the present one, without weights in a replay. Throws std::logic_error if the
  // group began from another version or has ended.
  std::shared_ptr<const engine::Weights> begin(const Assign& order, OpenGroup present);
  // Its computation; that of the group's first task says how the shared session is opened.
  void start(TaskId task, TaskComputation computation);

  // These ignore tasks that are in no open group.
  void ended(TaskId task, int activity);
  [[nodiscard]] std::shared_ptr<const engine::NodeState> state(TaskId task,
                                                               const StateOf& of) const;

  [[nodiscard]] bool wait_for(TaskId task, std::chrono::milliseconds time) const;
  engine::Outcome outcome(TaskId task);
  [[nodiscard]] double share_done(TaskId task) const;
  // Made by the tasks of the task's group.
  States& states(TaskId task) { return group_of(task).states; }

  // The task is done, and its outcome taken. If the group ends with it, its states are added to
  // `all`. Throws std::logic_error if it ends and other tasks of it are under way.
  void leave(TaskId task, States& all);
  // The task came to nothing, whether it was under way or done.
  void give_up(TaskId task, States& all);

  // Adds the open groups, and removes what there is of their tasks.
  void add_to(Checkpoint& checkpoint) const;

 private:
  struct Group : OpenGroup {
    NodeId node = no_node;  // that has the shared session
    std::unique_ptr<Flow> flow;
    std::map<TaskId, SharedSession> under_way;
    std::set<TaskId> tasks;    // all so far
    std::set<NodeId> nodes;    // workers of these, but for the session's node
    bool has_answers = false;  // one of these has ended well
    States states;
  };

  Group& group_of(TaskId task) { return open_.at(group_of_.at(task)); }
  [[nodiscard]] const Group& group_of(TaskId task) const { return open_.at(group_of_.at(task)); }

  std::shared_ptr<const engine::Engine> engine_;
  WorkerPool& pool_;
  std::map<std::int64_t, Group> open_;
  std::map<std::int64_t, OpenGroup> resumed_;
  std::set<std::int64_t> ended_;
  std::unordered_map<TaskId, std::int64_t> group_of_;  // of all tasks of open groups
};

}  // namespace convoy::sim
