#pragma once

// The cause of every interval in which a node is idle.

#include <array>
#include <cstdint>
#include <vector>

#include "analysis/rounds.hpp"
#include "analysis/tables.hpp"

namespace convoy::analysis {

enum class IdleCause {
  link,          // sends or receives (also while the transfer is held)
  queue,         // waits within a task: for a lane, or for other nodes' work
  slowest_node,  // its update is received; all others are needed, too
  quorum,        // its update is received; too few others are
  deadline,      // its update is received; the round ends at its deadline
  aggregation,   // the server is aggregating
  outage,        // absent, or lost its task by an outage and has no other yet
  memory,        // its task, or a compute of it on any node, waits for memory; or did not fit, and
                 // it has no other yet
  failed,        // its task failed otherwise, was cancelled, or dropped after it had come in
  not_selected,  // the schedule gives it no work
  run_end,       // its update was too late for any aggregation
};
inline constexpr base::Words<IdleCause> idle_words = {{IdleCause::link, "link"},
                                                      {IdleCause::queue, "queue"},
                                                      {IdleCause::slowest_node, "slowest_node"},
                                                      {IdleCause::quorum, "quorum"},
                                                      {IdleCause::deadline, "deadline"},
                                                      {IdleCause::aggregation, "aggregation"},
                                                      {IdleCause::outage, "outage"},
                                                      {IdleCause::memory, "memory"},
                                                      {IdleCause::failed, "failed"},
                                                      {IdleCause::not_selected, "not_selected"},
                                                      {IdleCause::run_end, "run_end"}};

struct Idle {
  std::int64_t node = 0;
  double begin_s = 0;
  double end_s = 0;
  IdleCause cause = IdleCause::not_selected;
};

// Idle intervals of all workers, by node, then time. A node that computes and communicates at once
// is not idle. Without recorded activities only intervals between tasks are known.
std::vector<Idle> idle_intervals(const RunTables& run, const std::vector<Round>& rounds);

// Seconds by cause; with the time that each node computes they add up to the run's. What
// lies within tasks is taken from their sums where no activities were recorded.
using IdleSums = std::array<double, idle_words.size()>;  // by IdleCause
sim::ByNode<IdleSums> idle_sums(const RunTables& run, const std::vector<Idle>& intervals);

}  // namespace convoy::analysis
