#pragma once

// How long a learning run will take on this machine, from one measured training step of each kind
// of task and one evaluation.

#include <cstdint>
#include <optional>

#include "engine/api/engine.hpp"
#include "sim/scenario/scenario.hpp"
#include "sim/schedule/schedule.hpp"

namespace convoy::sim {

struct WallEstimate {
  double update_s = 0;  // mean over the nodes: one worker's time for a node's update
  int workers = 1;
  std::optional<std::int64_t> updates;  // until the end of the run; nothing: [stop] does not tell
  std::int64_t evaluations = 0;         // of the global model, until the end
  double evaluation_s = 0;              // one worker's time for one of them
  std::optional<double> run_s;          // wall time of the run
};

// Trains two steps of each kind of task (rate and batch) from the engine's initial weights and
// times the second, or one step if it takes seconds; after ten seconds no further kind is measured,
// and the rest is scaled by FLOPs. Evaluates once, unless that would take longer than ten seconds
// by its FLOPs. Other work than training is scaled by its FLOPs, too; aggregations are left out.
// The number of updates is exact for stop.tasks; for stop.rounds each node is counted once a round,
// for stop.virtual_time_s as often as its predicted times allow: both are upper limits. How often
// evaluation.every_s evaluates follows from the same times, without transfers and waits. Results of
// a run do not change by this. All nodes count as simulated. Nothing if no node can train. Throws
// the engine's exceptions.
std::optional<WallEstimate> estimate_wall_time(const Scenario& scenario, const Schedule& schedule,
                                               const engine::Engine& engine, int workers);

}  // namespace convoy::sim
