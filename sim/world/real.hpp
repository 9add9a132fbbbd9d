#pragma once

// The interface to real nodes: a backend that carries out activities and informs the clock.

#include "base/non_copyable.hpp"
#include "sim/task/graph.hpp"
#include "sim/world/elastic_clock.hpp"

namespace convoy::sim {

// An activity of a real node that begins now in virtual time.
struct RealActivity {
  ElasticClock::Id id = 0;  // its id at the clock
  TaskId task = no_task;
  int activity = 0;                // index in the graph
  int iteration = 0;               // of the graph's repetition
  const Activity* what = nullptr;  // valid while the task is under way
  NodeId node = no_node;           // computing or sending node
  NodeId peer = no_node;           // receiving node; no_node: a compute
  bool measured = true;            // false: the model gives its duration; only the result is real
  double predicted_s = 0;          // by the node's profile
  double start_s = 0;              // virtual
};

class RealBackend : base::NonCopyable {
 public:
  virtual ~RealBackend() = default;

  // Called before the run; the clock is valid until detach().
  virtual void attach(ElasticClock& clock) = 0;
  virtual void detach() {}
  // Called in the simulation's thread before the clock may hear of the activity's end. The backend
  // must report an end, a failure or the node's loss for each activity, however long that takes in
  // wall time: if the model gives the duration, virtual time waits at the end without limit.
  virtual void begin(const RealActivity& activity) = 0;
  // The task was cancelled: its activities are no longer of interest.
  virtual void give_up(TaskId task) = 0;
};

}  // namespace convoy::sim
