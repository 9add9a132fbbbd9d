#pragma once

// What a schedule can ask for.

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "sim/task/event.hpp"
#include "sim/task/graph.hpp"

namespace convoy::sim {

// Starts a task. Its base is the version of the global model at that moment.
struct Assign {
  TaskId task = no_task;
  std::shared_ptr<const TaskGraph> graph;
  std::vector<NodeId> members;  // by role; the last one is the task's node in events and tables
  std::string label;            // "train", "mask": for people and for the store
  double rate = 1;              // of the submodel, (0, 1]
  double samples = 0;           // samples x epochs that it trains the weights on
  bool choose_masks = false;    // the node is to choose anew what it keeps of the model
  bool report_activities = false;
};

// Gives a task up; no event follows.
struct Cancel {
  TaskId task = no_task;
};

// Makes the next version out of finished tasks, by a graph that ends with it (usually one compute
// on the server). `aggregated` follows.
struct Aggregate {
  std::vector<TaskId> tasks;
  std::shared_ptr<const TaskGraph> graph;
  std::vector<NodeId> members;
};

// Asks how good the present version is; `evaluated` follows at this instant, since it takes no
// virtual time. Ignored where the run does not learn.
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

using Order = std::variant<Assign, Cancel, Aggregate, Evaluate, SetTimer, CancelTimer, Finish>;
using Orders = std::vector<Order>;

std::string name_of(const Order& order);

}  // namespace convoy::sim
