#pragma once

// What a planner of pipelines is measured against: the exact optimum of a chain's largest load,
// plans by simple rules, and the best plan of all where that can be tried.

#include <functional>
#include <vector>

#include "sim/plan/pipeline.hpp"

namespace convoy::sim {

struct ChainOptimum {
  std::vector<LayerRange> stages;  // empty where nothing is possible
  double load = 0;                 // the largest
};

// Cuts a chain into exactly so many stages, each of at least one layer, so that the largest load is
// smallest: of `stage_load(stage, layers)` and, behind every stage but the last, of
// `cut_load(stage, its last layer)`. Infinite: not possible. O(layers^2 x stages).
ChainOptimum best_chain(int layers, int stages,
                        const std::function<double(int, LayerRange)>& stage_load,
                        const std::function<double(int, int)>& cut_load);

// The exact optimum of the largest step (forward + backward of a stage of one device, or of a
// transfer) of the devices in `order` (empty: as given), any of which may stay idle, under their
// memories. Throws base::UserError where nothing fits.
PipelinePlan plan_largest_step(const PipelineProblem& problem, const std::vector<int>& order,
                               WindowPolicy window);

// As many stages as devices (or layers), of one device each, as given:
PipelinePlan plan_even(const PipelineProblem& problem);   // equal numbers of layers
PipelinePlan plan_gpipe(const PipelineProblem& problem);  // equal time on the mean device: exact

// All layers on the device on which a round is shortest, of those that hold them, or of all if none
// does.
PipelinePlan plan_one_device(const PipelineProblem& problem);

enum class DataShares : std::uint8_t {
  equal,         // as usual
  proportional,  // as allocate() shares a stage's micro-batch: memories count
};
// All layers on every device. A device beyond the samples of a micro-batch stays idle. Throws
// base::UserError where `proportional` finds no room.
PipelinePlan plan_data_parallel(const PipelineProblem& problem, DataShares shares);

// The plan with the shortest forecast of all that fit: every cut, every way to put the devices of
// `order` (empty: every order) into groups that follow each other, all of them used, and
// micro-batches shared by allocate(). Only for few devices and layers: throws base::UserError for
// more than `most_plans` of them, and where nothing fits.
PipelinePlan plan_exhaustive(const PipelineProblem& problem, const std::vector<int>& order,
                             WindowPolicy window, long most_plans = 2000000);

// Tries micro-batches of every size that divides the global batch, up to `largest` samples; returns
// the plan with the shortest round by `judge` (empty: forecast_round()) that fits. Sizes for which
// the planner throws base::UserError count as not possible; throws if none is left.
PipelinePlan search_microbatches(
    PipelineProblem problem, int global_batch, int largest,
    const std::function<PipelinePlan(const PipelineProblem&)>& planner,
    const std::function<double(const PipelineProblem&, const PipelinePlan&)>& judge = {});

}  // namespace convoy::sim
