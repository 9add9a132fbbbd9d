#pragma once

// Real nodes, as the world sees them: whoever carries out their activities and tells the clock.

#include "sim/task/graph.hpp"
#include "sim/world/elastic_clock.hpp"

namespace convoy::sim {

// An activity of a real node that begins now, in virtual time.
struct RealActivity {
  ElasticClock::Id id = 0;  // by which the clock knows it
  TaskId task = no_task;
  int activity = 0;                // index in the graph
  int iteration = 0;               // of the graph's repetition
  const Activity* what = nullptr;  // valid as long as the task is under way
  NodeId node = no_node;           // where it computes, or who sends
  NodeId peer = no_node;           // who receives; no_node: a compute
  bool measured = true;            // else its duration is the model's, and only its result is real
  double predicted_s = 0;          // by the node's profile
  double start_s = 0;              // virtual
};

class RealBackend {
 public:
  RealBackend() = default;
  virtual ~RealBackend() = default;
  RealBackend(const RealBackend&) = delete;
  RealBackend& operator=(const RealBackend&) = delete;

  // Before the run begins: the clock is there until detach().
  virtual void attach(ElasticClock& clock) = 0;
  virtual void detach() {}
  // No end is told before the backend has been called; all from the simulation's thread. Each
  // activity is told to have ended or failed, or its node to be lost, however long that takes in
  // wall time: where its duration is the model's, virtual time waits for it at its end without
  // limit.
  virtual void begin(const RealActivity& activity) = 0;
  // A task was given up: what is under way of it is of no interest any more.
  virtual void give_up(TaskId task) = 0;
};

}  // namespace convoy::sim
