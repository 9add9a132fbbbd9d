#pragma once

// Tasks under way, or waiting for memory, and their activities. Internal to sim/world.

#include <memory>
#include <simgrid/s4u/Activity.hpp>
#include <string_view>
#include <vector>

#include "sim/task/graph.hpp"
#include "sim/world/admission.hpp"

namespace convoy::sim {

struct RunningTask;

struct RunningActivity {
  enum class State {
    blocked,  // by earlier activities
    waiting,  // for its lanes
    running,
    ended,
  };

  RunningTask* task = nullptr;
  int index = 0;  // in the graph
  State state = State::blocked;
  NodeId node = no_node;     // computing or sending node
  NodeId peer = no_node;     // receiving node; no_node: a compute
  NodeId no_room = no_node;  // had to wait for memory, or cannot have it: where
  double needed = 0;         // bytes that it needed there with all that its task holds
  double taken = 0;          // bytes of memory that it has without a request, and not of its task's
  std::unique_ptr<MemoryRequest> request;  // since it had to wait for memory
  int blocked_by = 0;
  std::uint64_t order = 0;  // order of readiness
  double ready_s = 0;
  double start_s = -1;
  double energy_from_node = 0;  // Lanes::energy_share at its start
  double energy_from_peer = 0;
  std::unique_ptr<Activity> sized;   // sized_late: its real size
  simgrid::s4u::ActivityPtr handle;  // while SimGrid runs it
  // If a real node carries the activity out: its id at the clock, and whether the clock (rather
  // than SimGrid) gives its duration.
  std::int64_t real = 0;
  bool measured = false;
  double predicted_s = 0;
  // Of a compute that has its node to itself: s at nominal speed in all, those that were left at a
  // time, the speed since, and its end (TimedComputes).
  double work_s = 0;
  double left_s = 0;
  double left_at = 0;
  double speed = 1;
  double ends_s = 0;

  [[nodiscard]] const Activity& what() const;
  // Of a transfer: the name of the artifact that it moves; else "".
  [[nodiscard]] std::string_view moves() const;
};

struct RunningTask {
  // An artifact that may hold memory.
  struct Holding {
    enum class State { to_come, held, gone };
    State state = State::to_come;
    int inputs_left = 0;      // of activities that have not ended in this pass
    std::size_t in_held = 0;  // where, while it is held
  };

  TaskId id = no_task;
  std::shared_ptr<const TaskGraph> graph;
  std::vector<NodeId> members;
  int worker = 0;  // role
  std::vector<RunningActivity> activities;
  int iteration = 0;
  int left = 0;                   // activities of this iteration that have not ended
  bool report = false;            // send activity_done events
  MemoryRequest memory;           // of the whole task, if its graph holds memory
  std::vector<Holding> holdings;  // by artifact, if the graph holds memory
  std::vector<int> held;          // artifacts that are held, in no order

  // Creates the next iteration's activities on the nodes that play their roles.
  void lay_out_activities();
  // The activity that fails with the node: one under way there, else a waiting one; null: none.
  [[nodiscard]] const RunningActivity* first_at(NodeId node) const;
  // Not begun: it has no activities yet.
  [[nodiscard]] bool waits_for_memory() const {
    return memory.state == MemoryRequest::State::waiting;
  }
};

inline const Activity& RunningActivity::what() const {
  if (sized) return *sized;
  return task->graph->activities()[static_cast<std::size_t>(index)];
}

inline std::string_view RunningActivity::moves() const {
  if (peer == no_node) return "";
  const Activity& transfer = task->graph->activities()[static_cast<std::size_t>(index)];
  return task->graph->artifacts()[static_cast<std::size_t>(transfer.outputs.front())].name;
}

}  // namespace convoy::sim
