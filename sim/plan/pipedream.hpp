#pragma once

// PipeDream's planner (optimizer of msr-fiddle/pipedream, one level, for a chain of layers). With N
// machines, B bytes/s, C and W the seconds and parameter bytes of layers i to j:
//
//   stage(i..j, m) = (C + 4 (m - 1) W / (B m)) / m
//   A[j][m] = min(stage(0..j, m), min over k < j, m' < m of max(A[k][m - m'], stage(k+1..j, m')))
//
// The published planner does not count what crosses the cuts unless it is told to: then the
// transfers 2 x output / (B m') before and behind a stage enter the maximum. A sum, divided by m
// once more, and twice a ring's traffic: that is how it is coded. All machines are alike for it.

#include <limits>
#include <vector>

#include "sim/plan/even_fleet.hpp"
#include "sim/plan/pipeline.hpp"

namespace convoy::sim {

struct PipedreamProblem {
  EvenLayers layers;
  std::vector<double> activation_bytes;  // by layer: what it keeps; only read with a memory limit
  int machines = 1;                      // N, at least 1
  double bandwidth_bytes_per_s = 0;      // B, above 0
  bool is_straight = false;              // one machine a stage
  bool counts_activations = false;       // what crosses the cuts
  // Of a machine. A stage that starts when n machines are still to come has ceil(n / m) versions of
  // its activations and weights there (as we remember the code; no vector at hand checks it).
  double memory_bytes = std::numeric_limits<double>::infinity();
};

struct PipedreamPlan {
  std::vector<ReplicatedStage> stages;  // empty where nothing fits
  double minibatch_s = 0;               // the slowest stage's, in steady state
  double single_s = 0;                  // one machine
  double data_parallel_s = 0;           // all machines, by the same rule
};

PipedreamPlan plan_pipedream(const PipedreamProblem& problem);

struct PipedreamOptions {
  bool counts_activations = false;
  bool limits_memory = false;   // leaves out stages that the smallest memory does not hold
  bool stashes_weights = true;  // without: the stages flush after each round (PipeDream-Flush)
  // With stashed weights: PipelinePlan::vertical_sync. A limit on memory then counts as many
  // versions everywhere as the first stage has.
  bool vertical_sync = false;
  std::vector<int> order;  // of the devices; empty: as given
};

// The plan for a fleet that the planner takes for even: mean times, the slowest link. A stage's
// replicas share each micro-batch evenly (there each takes whole ones in turn: the same share of
// the work). `window` P - p. Throws base::UserError where nothing fits.
PipelinePlan plan_pipedream(const PipelineProblem& problem, const PipedreamOptions& options);

}  // namespace convoy::sim
