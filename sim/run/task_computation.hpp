#pragma once

// Executes a task's graph on real artifacts, pass after pass, in the order in which the graph lists
// its activities. (Where the order in virtual time matters, tasks share a session: flow.hpp.) Each
// compute runs in the session of the node that plays its role. An artifact is dropped after the
// last activity of the pass that takes it, so a long graph does not keep all of its activations.

#include <functional>
#include <memory>
#include <vector>

#include "engine/api/engine.hpp"
#include "sim/task/graph.hpp"

namespace convoy::sim {

struct TaskComputation {
  std::shared_ptr<const TaskGraph> graph;
  std::vector<engine::TaskInput> inputs;  // by role
  int worker = 0;                         // role
  int result = -1;                        // index of the artifact to return
  // The last of the graph's first artifacts; the ones before are in the worker's input (received).
  std::vector<engine::Input> given;
};

// Sum over all passes, from the graph.
double flops_of(const TaskGraph& graph);

// True if the size of some activity depends on an earlier computation of the task. Else it follows
// from the worker's state.
bool chooses_before_sizing(const TaskGraph& graph);

// Gives the outcome of the worker's part, with the requested artifact as its result (and finite
// only if that was made of finite values, on whatever node). `chosen` is called once with the
// worker's submodel, before the first activity whose size depends on it (at the end if there is
// none). Throws the engine's exceptions.
engine::Outcome carry_out(const engine::Engine& engine, const TaskComputation& task,
                          const std::stop_token& stop,
                          const std::function<void(const engine::Submodel&)>& chosen);

}  // namespace convoy::sim
