#pragma once

// Tasks and activities under way. Internal to sim/world.

#include <memory>
#include <simgrid/s4u/Activity.hpp>
#include <vector>

#include "sim/task/graph.hpp"

namespace convoy::sim {

struct RunningTask;

struct RunningActivity {
  enum class State {
    blocked,  // by activities before it
    waiting,  // for its lanes
    running,
    ended,
  };

  RunningTask* task = nullptr;
  int index = 0;  // in the graph
  State state = State::blocked;
  NodeId node = no_node;  // where it computes, or who sends
  NodeId peer = no_node;  // who receives; no_node: a compute
  int blocked_by = 0;
  std::uint64_t order = 0;  // in which it became ready
  double ready_s = 0;
  double start_s = -1;
  double energy_from_node = 0;  // Lanes::energy_share at its start
  double energy_from_peer = 0;
  std::unique_ptr<Activity> sized;   // sized_late: as it turned out
  simgrid::s4u::ActivityPtr handle;  // while SimGrid has it
  // Where a real node carries it out: how the clock knows it, and whether it is its clock that says
  // how long it takes, or SimGrid's.
  std::int64_t real = 0;
  bool measured = false;
  double predicted_s = 0;

  [[nodiscard]] const Activity& what() const;
};

struct RunningTask {
  TaskId id = no_task;
  std::shared_ptr<const TaskGraph> graph;
  std::vector<NodeId> members;
  int worker = 0;  // role
  std::vector<RunningActivity> activities;
  int iteration = 0;
  int left = 0;         // activities of this iteration that have not ended
  bool report = false;  // activity_done events are wanted

  // The activities of the next iteration, on the nodes that play their roles.
  void lay_out_activities();
  // What fails where a node fails: an activity under way there, or else one that waits; null: none.
  [[nodiscard]] const RunningActivity* first_at(NodeId node) const;
};

inline const Activity& RunningActivity::what() const {
  if (sized) return *sized;
  return task->graph->activities()[static_cast<std::size_t>(index)];
}

}  // namespace convoy::sim
