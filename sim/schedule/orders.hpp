#pragma once

// The orders that a schedule can give.

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "sim/task/event.hpp"
#include "sim/task/graph.hpp"

namespace convoy::sim {

// How a task is counted.
enum class TaskKind : std::uint8_t {
  update,       // a node's: counts in the run's `tasks`, in stop.tasks and among the failures
  aggregation,  // combines other tasks' results; not counted there
};

// A session of the engine that several tasks share: the server's part of a model that the batches
// of many devices step in turn. The tasks of a group begin from the same version, that of its first
// task; the session is of the node that plays `role`, the same in all of them. What it computes, it
// computes in the order in which the world ended these computes (sim/run/flow.hpp).
struct SharedSession {
  std::int64_t group = 0;  // chosen by the schedule, from 0, unique in the run
  int role = 0;
  // The group ends with this task, when no other one of it is under way. A group that no task has
  // ended goes on, also if all its tasks came to nothing.
  bool ends = false;
};

// Starts a task from the present version of the global model.
struct Assign {
  TaskId task = no_task;
  std::shared_ptr<const TaskGraph> graph;
  std::vector<NodeId> members;  // by role
  int worker = 0;               // role of the node that the task counts for
  TaskKind kind = TaskKind::update;
  engine::TaskBrief brief;  // for the task's nodes; carried unopened
  // Finished, unpublished tasks whose results this task takes. A result is taken at most once; if
  // this task fails, its results are free again. The results are the last of the graph's first
  // artifacts, in this order; the artifacts before them are the version to start from. A result
  // that is never taken waits until its task is cancelled or the run ends.
  std::vector<TaskId> consumes;
  // Of a task that takes others, if its rule asks (engine::Needs::at_work): the update tasks of
  // other nodes than those whose results it takes, one each, that are under way or wait to be
  // taken.
  std::optional<std::vector<TaskId>> at_work = {};
  // A session that it shares with others. Such a task takes no results and publishes none, its
  // sizes are known beforehand (no sized_late), and all its other works are of its worker's role.
  std::optional<SharedSession> shared = {};
  // Its computes are carried out in the order in which the world ends them (sim/run/flow.hpp), and
  // not in that of the graph: where that order decides what is learned (weight stashing), or where
  // many roles are to compute at the same time. What is in the results of tasks that it takes is
  // left aside: it only comes behind them, and starts from a version like others. It has no
  // SharedSession, its sizes are known beforehand, and its nodes train the full model. For
  // simulated nodes.
  bool in_time = false;
  // Index of the artifact that becomes the next version when the task is done (usually
  // graph->result()); a `published` event follows. If the task takes other results, it is applied
  // to the version present at its end. -1: no new version.
  int publishes = -1;
  bool report_activities = false;
  WhenFull when_full = WhenFull::wait;

  // For display and the store:
  std::string label;   // "train", "mask", "aggregate"
  double rate = 1;     // share of the model that is trained, (0, 1]
  double samples = 0;  // samples x epochs of the weights' training

  [[nodiscard]] NodeId worker_node() const { return members[static_cast<std::size_t>(worker)]; }
  // True if it makes a version from other tasks' results (applied to the version at its end).
  [[nodiscard]] bool aggregates_a_version() const {
    return publishes >= 0 && !consumes.empty() && !in_time;
  }
};

// Cancels a task; no event follows. One that is done already, and waits, is dropped: it was too old
// (Cause::stale).
struct Cancel {
  TaskId task = no_task;
};

// Evaluates the present version, even if that was done before; `evaluated` follows at this instant
// (evaluation takes no virtual time). Ignored in runs without learning.
struct Evaluate {};

struct SetTimer {
  std::int64_t timer = 0;  // given back in timer_fired
  double time = 0;         // s, virtual
};

struct CancelTimer {
  std::int64_t timer = 0;  // ignored if it has fired already
};

// Ends the run; with a cause the run has failed.
struct Finish {
  std::string cause;
};

// Says that the schedule has made a plan: for the journal, changes nothing.
struct Planned {
  std::string cause;  // why now: "first", "change"
  std::string plan;   // text for the journal, cause included: sim/task/plan_record.hpp
};

using Order = std::variant<Assign, Cancel, Evaluate, SetTimer, CancelTimer, Finish, Planned>;
// Up to 16 orders without heap allocation: most lists are short.
using Orders = boost::container::small_vector<Order, 16>;

std::string name_of(const Order& order);

}  // namespace convoy::sim
