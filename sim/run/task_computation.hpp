#pragma once

// What a task computes: its graph, carried out on its artifacts as the world does in virtual time,
// pass after pass, each compute by the session of the node that plays its role.

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
  int result = -1;                        // the artifact that is wanted
  // The last of the graph's first artifacts; those before them are what the worker's input has
  // received.
  std::vector<engine::Input> given;
};

// FLOPs of all passes, as the graph says.
double flops_of(const TaskGraph& graph);

// Does the size of an activity wait for what the task computes before it? Where it does not, it
// follows from what its worker remembers.
bool chooses_before_sizing(const TaskGraph& graph);

// The outcome of the worker's part, with the artifact that is wanted as its result. `chosen` is
// called once, with what the worker keeps of the model, before the first activity whose size
// depends on it (at the end where there is none). Throws what the engine throws.
engine::Outcome carry_out(const engine::Engine& engine, const TaskComputation& task,
                          const std::stop_token& stop,
                          const std::function<void(const engine::Submodel&)>& chosen);

}  // namespace convoy::sim
