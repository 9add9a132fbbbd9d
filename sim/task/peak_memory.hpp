#pragma once

// How much memory a task needs on a node: at least in any order of its activities, at most in any.

#include "sim/task/graph.hpp"

namespace convoy::sim {

// Most bytes that the computes and the held artifacts of a role (0 to roles - 1) can take at one
// moment, in any order that the graph allows: a node with so much never lacks memory for the task
// alone. An order that the graph leaves open, such as one by priorities, may need less.
//
// It is exact for a node that runs one compute at a time, unless many artifacts that the role holds
// have several consumers of which none comes after all others: then these count to the next point
// of the graph before which all that is ahead of it must end. (What is given at the start to a
// graph that repeats stays anyway.) `concurrent_computes` other than 1: as if all could run at
// once. Transfers are not limited.
//
// By a maximum closure (Picard 1976), a minimum cut for each compute of the role. What is held to
// the last of several consumers is a maximum over which of them is the last.
double peak_memory(const TaskGraph& graph, int role, int concurrent_computes = 1);

// The activity of a role that needs most, with what it takes and makes: no order needs less.
double least_memory(const TaskGraph& graph, int role);

// As peak_memory, for the held artifacts alone.
double peak_held(const TaskGraph& graph, int role, int concurrent_computes = 1);

}  // namespace convoy::sim
