#pragma once

// What becomes of a pipeline that lost devices (Asteroid, arXiv 2408.08015).
//
// Light replay: the stages keep their order and what is left of their groups; the boundaries
// between neighbours are shifted so that the slowest step is as fast as it can be (within `slack`,
// so that fewer weights move); only layers that a device does not have yet migrate, all at once. A
// stage without a device is gone, its layers go to the neighbours. Full rescheduling, what it is
// compared with: one device gathers all weights, plans anew and sends every device the weights of
// its new layers.
//
// Who has which weights: every device those of its stage, so that the devices of a group are each
// other's replicas. A stage of one device has its weights backed up on a device of the next stage,
// the last one's on the first: on the one with the fastest link from it. A backup counts only where
// no device of the stage is left.

#include <functional>
#include <vector>

#include "sim/plan/pipeline.hpp"

namespace convoy::sim {

struct WeightBackup {
  int stage = 0;
  int owner = 0;   // device
  int holder = 0;  // device, of the next stage
  double bytes = 0;

  friend bool operator==(const WeightBackup&, const WeightBackup&) = default;
};

// Of the stages of one device; none where the plan has one stage. By stage.
std::vector<WeightBackup> backups_of(const PipelineProblem& problem, const PipelinePlan& plan);

struct WeightMove {
  int from = 0;
  int to = 0;
  LayerRange layers;
  double bytes = 0;

  friend bool operator==(const WeightMove&, const WeightMove&) = default;
};

struct PipelineRecovery {
  PipelinePlan plan;                // devices numbered as in the problem
  std::vector<WeightMove> gathers;  // full rescheduling: before the others
  std::vector<WeightMove> moves;
  // Layers whose weights no device has any more: training cannot go on with them. They move
  // nowhere.
  std::vector<LayerRange> missing;
  double moved_bytes = 0;  // of both
  // Of the transfers: a device sends one after the other, and receives one after the other.
  // Planning is in it; what it takes to notice the loss is not.
  double recovery_s = 0;
};

struct RecoveryOptions {
  WindowPolicy window = WindowPolicy::doubled;
  double slack = 0.05;    // light: the slowest step may take so much longer than it has to; >= 0
  double planning_s = 0;  // full: what planning takes on the device that gathers
};

// `lost` devices are of the problem, perhaps not of the plan. Throws base::UserError where nobody
// is left, or where the devices that are left do not hold the layers in this order: then
// reschedule.
PipelineRecovery light_replay(const PipelineProblem& problem, const PipelinePlan& plan,
                              const std::vector<int>& lost, const RecoveryOptions& options);

// `planner` plans for the devices that are left. The one with the largest memory gathers. Throws
// base::UserError where nobody is left; also what the planner throws.
PipelineRecovery reschedule(const PipelineProblem& problem, const PipelinePlan& plan,
                            const std::vector<int>& lost,
                            const std::function<PipelinePlan(const PipelineProblem&)>& planner,
                            const RecoveryOptions& options);

}  // namespace convoy::sim
