#pragma once

// What a schedule can ask for.

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "sim/task/event.hpp"
#include "sim/task/graph.hpp"

namespace convoy::sim {

// What a task counts as.
enum class TaskKind : std::uint8_t {
  update,       // of a node: counted in the run's `tasks`, in stop.tasks, among those that failed
  aggregation,  // makes something out of other tasks' results; none of these counts
};

// Starts a task. Its base is the version of the global model at that moment.
struct Assign {
  TaskId task = no_task;
  std::shared_ptr<const TaskGraph> graph;
  std::vector<NodeId> members;  // by role
  int worker = 0;               // the role of the node that the task is counted for
  TaskKind kind = TaskKind::update;
  engine::TaskBrief brief;  // what its nodes are told; carried unopened
  // Tasks that are done, and have not published, whose results it takes: each is taken once, and
  // free again where this task comes to nothing. They are the last of the graph's first artifacts,
  // in this order; those before them are the version that it starts from. A result that nobody
  // takes waits until its task is cancelled, or the run ends.
  std::vector<TaskId> consumes;
  // The artifact that is the next version when the task is done (usually graph->result());
  // `published` follows. One that takes other tasks' results is applied to the version that is
  // there at its end. -1: it makes none.
  int publishes = -1;
  bool report_activities = false;

  // For people and for the store:
  std::string label;   // "train", "mask", "aggregate"
  double rate = 1;     // share of the model that it trains, (0, 1]
  double samples = 0;  // samples x epochs that it trains the weights on

  [[nodiscard]] NodeId worker_node() const { return members[static_cast<std::size_t>(worker)]; }
  // It makes a version out of others' results: applied to the one that is there at its end.
  [[nodiscard]] bool aggregates_a_version() const { return publishes >= 0 && !consumes.empty(); }
};

// Gives a task up; no event follows.
struct Cancel {
  TaskId task = no_task;
};

// Asks how good the present version is; `evaluated` follows at this instant, since it takes no
// virtual time, also for a version that was evaluated before. Ignored where the run does not learn.
struct Evaluate {};

struct SetTimer {
  std::int64_t timer = 0;  // comes back in timer_fired
  double time = 0;         // s, virtual
};

struct CancelTimer {
  std::int64_t timer = 0;  // one that has fired already is ignored
};

// Ends the run; with a cause it has failed.
struct Finish {
  std::string cause;
};

using Order = std::variant<Assign, Cancel, Evaluate, SetTimer, CancelTimer, Finish>;
// In place up to a fleet of sixteen: with every event comes a list, most of them short.
using Orders = boost::container::small_vector<Order, 16>;

std::string name_of(const Order& order);

}  // namespace convoy::sim
