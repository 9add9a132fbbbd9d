#pragma once

// Why a node does not compute: a cause for every interval in which it is idle.

#include <array>
#include <cstdint>
#include <vector>

#include "analysis/rounds.hpp"
#include "analysis/tables.hpp"

namespace convoy::analysis {

enum class IdleCause {
  link,          // sends or receives (also while the transfer is held)
  queue,         // has a part in a task and waits in it: for a lane, or for what others do first
  slowest_node,  // its update is in; all others must come, too
  quorum,        // its update is in; not enough others are
  deadline,      // its update is in; the round lasts until its deadline
  aggregation,   // the server aggregates
  outage,        // it is away, or lost its task by it and has no other yet
  memory,        // its task did not fit its memory; it has no other yet
  failed,        // its task failed otherwise, or was given up
  not_selected,  // the schedule has nothing for it
  run_end,       // its update came too late for any aggregation
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

// Of all workers, by node, then time. Where a node computes and communicates at once it is not
// idle. Without recorded activities only what lies between tasks is known as intervals.
std::vector<Idle> idle_intervals(const RunTables& run, const std::vector<Round>& rounds);

// Seconds by cause; with the time that each node computes they add up to the run's. What
// lies within tasks is taken from their sums where no activities were recorded.
using IdleSums = std::array<double, idle_words.size()>;  // by IdleCause
sim::ByNode<IdleSums> idle_sums(const RunTables& run, const std::vector<Idle>& intervals);

}  // namespace convoy::analysis
