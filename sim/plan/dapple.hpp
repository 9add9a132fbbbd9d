#pragma once

// DAPPLE's planner (planner of AlibabaPAI/DAPPLE) on a flat network: every device is as far from
// every other. A candidate is a pipeline of i devices, planned for the smallest block (the largest
// of the stages' computing and twice the transfers), that stands there N / i times; straight
// pipelines of 2 and of N stages; and all ways to cut in two (where a transfer counts once). Of
// these the one with the shortest round is taken:
//
//   block (M - 1) + one micro-batch through all + the transfers + max over stages i of
//   (all-reduce of i - i block, at least 0)
//
// since the all-reduce of a later stage hides behind the drain of those before it. A stage on m
// devices computes in 1/m of the time.

#include <vector>

#include "sim/plan/even_fleet.hpp"
#include "sim/plan/pipeline.hpp"

namespace convoy::sim {

struct DappleProblem {
  EvenLayers layers;                 // of one micro-batch
  int devices = 1;                   // N, at least 2
  int microbatches = 1;              // M, of all copies together
  double to_one_bytes_per_s = 1e9;   // a transfer to a stage of one device
  double to_many_bytes_per_s = 3e9;  // a transfer to a stage of several
  double reduce_bytes_per_s = 3e9;   // all-reduce
  // As published: a stage's all-reduce counts the first layer of the next one as well.
  bool reduces_next_layer = false;
};

struct DapplePlan {
  std::vector<ReplicatedStage> stages;  // of one copy
  int copies = 1;
  double round_s = 0;
  double speedup = 0;  // over one device
};

// Throws base::UserError for fewer than two devices or no layer.
DapplePlan plan_dapple(const DappleProblem& problem);

struct DappleOptions {
  WindowPolicy window = WindowPolicy::doubled;  // policy B, as the planner's recurrence has it
  std::vector<int> order;                       // of the devices; empty: as given
};

// The plan for a fleet that the planner takes for even: mean times, the slowest link. Copies of a
// pipeline become larger groups that share each micro-batch. One device: all layers there.
PipelinePlan plan_dapple(const PipelineProblem& problem, const DappleOptions& options);

}  // namespace convoy::sim
