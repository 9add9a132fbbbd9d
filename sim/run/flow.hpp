#pragma once

// Executes tasks compute by compute, as the world ends these: tasks that share a session
// (SharedSession in sim/schedule/orders.hpp), and tasks of many roles that are to be computed so
// (Assign::in_time):
//
//   Flow flow(engine, pool, {.node = 0, .task = group, ..., .shared = true});
//   flow.begin(17, computation, 0);   // role 0 of task 17 is the shared session
//   flow.ended(17, activity);         // for each activity that has ended in virtual time, in order
//   while (!flow.wait_for(17, moment)) {}
//   engine::Outcome outcome = flow.take(17);
//
// Every role of a task has a session of its own, but for the shared one. Sessions that wait for
// nothing compute at the same time.
//
// The order. Every session, shared or not, runs its computes in the order in which the world ended
// them: by time, at the same time by node, task and place in the graph. So the result depends on
// virtual time alone, and not on the host's threads. It is the end that counts, and not the start:
// a compute that was under way when its task was lost has not happened. (On a lane that computes
// one at a time starts and ends have the same order. Where several computes run at once, the one
// that ends first comes first: each then steps the weights that the others have left, as if it had
// run alone at its end.) In this order a compute comes after everything that its inputs are made
// of, so none waits in vain.
//
// A task that comes to nothing: what of its computes has ended in virtual time and was needed by
// the shared session, has happened and stays; the rest is left out, and all of it where none is
// shared.
//
// Sessions and artifacts belong to the threads of the pool, one compute of a session at a time; all
// functions are called from the simulation's thread.

#include <chrono>
#include <memory>
#include <optional>

#include "base/non_copyable.hpp"
#include "sim/run/task_computation.hpp"
#include "sim/run/worker_pool.hpp"
#include "sim/schedule/orders.hpp"

namespace convoy::sim {

class Flow : base::NonCopyable {
 public:
  static constexpr int no_role = -1;

  // `shared`: with which the shared session is opened when it first computes; nothing: there is
  // none. The pool must outlive the flow's last call; jobs that it still has may end after the
  // flow.
  Flow(std::shared_ptr<const engine::Engine> engine, WorkerPool& pool,
       std::optional<engine::TaskInput> shared = {});
  ~Flow();

  // `shared_role`: that has the shared session; no_role: none. Throws std::logic_error for a task
  // that cannot be computed so (Assign::shared, Assign::in_time).
  void begin(TaskId id, TaskComputation task, int shared_role);
  // An activity of the task has ended in the world. Unknown tasks are ignored.
  void ended(TaskId id, int activity);
  // Waits for at most `time`; true if all that has ended of the task is computed. The task must be
  // known.
  [[nodiscard]] bool wait_for(TaskId id, std::chrono::milliseconds time) const;
  // The outcome of a task that has ended, without a state where its worker is the shared session;
  // forgets the task. Throws what its computes threw, or those that they needed.
  engine::Outcome take(TaskId id);
  void give_up(TaskId id);

  // The share of the task's computes that are done, 0 to 1.
  [[nodiscard]] double share_done(TaskId id) const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace convoy::sim
