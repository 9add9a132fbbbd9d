#pragma once

// Internal to sim/plan: the parts of which the time of a pipeline's round is made, for forecasts
// and planners alike.

#include <span>
#include <vector>

#include "sim/plan/pipeline.hpp"

namespace convoy::sim {

std::vector<int> devices_of(const std::vector<StageMember>& members);

// bytes/s of the slowest pair: of a group (infinite for one device), and from a group to another,
// there or back.
double slowest_within(const PipelineProblem& problem, std::span<const int> group);
double slowest_between(const PipelineProblem& problem, std::span<const int> from,
                       std::span<const int> to);

// The slowest member's passes.
PipelineStep compute_step(const PipelineProblem& problem, LayerRange layers,
                          const std::vector<StageMember>& members);
// A micro-batch over the cut behind a layer.
PipelineStep transfer_step(const PipelineProblem& problem, int layer, int microbatch,
                           double bandwidth);
// A ring among so many devices: 2 (n - 1) messages of 1/n of the weights; 0 for one.
double all_reduce_s(const PipelineProblem& problem, LayerRange layers, int devices,
                    double bandwidth);
double update_s(const PipelineProblem& problem, LayerRange layers,
                const std::vector<StageMember>& members);
// Micro-batches whose activations a device of the stage has at once.
int stashes_of(const PipelinePlan& plan, const PipelineStage& stage);

// The first with the largest forward_s + backward_s.
int dominant_of(std::span<const PipelineStep> steps);
// s of a round of M micro-batches; `after` is what follows on each stage's last backward. Of 1F1B
// by Asteroid's closed form: max over the steps s of T_w + T_e + T_a.
double one_f_one_b_round(std::span<const PipelineStep> steps, std::span<const double> after,
                         int microbatches);
// Exact for steps that serve one micro-batch at a time: M passes through a line forward, then M
// backward.
double gpipe_round(std::span<const PipelineStep> steps, std::span<const double> after,
                   int microbatches);

}  // namespace convoy::sim
