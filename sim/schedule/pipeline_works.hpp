#pragma once

// What the computes of a pipeline's graph learn (engine/api/pipeline_work.hpp). A task with such a
// graph is
//
//   Assign{.graph = made.graph, .members = nodes of made.devices, .worker = collect_at,
//          .brief = {.samples_before = samples of all rounds of the tasks published before},
//          .in_time = true, .publishes = made.result, ...}

#include <vector>

#include "engine/model/stage.hpp"
#include "sim/schedule/pipeline_graph.hpp"
#include "sim/schedule/setting.hpp"

namespace convoy::sim {

// The layers of the model that is learned which are trained where a stage has those of the
// setting's architecture: the same, or where another model is learned (training.learn_as) the
// layers between the cuts nearest to the same shares of all. Throws base::UserError where that has
// fewer cuts.
std::vector<engine::Stage> learned_stages(const Setting& setting,
                                          const std::vector<engine::Stage>& stages);

struct PipelineLearning {
  // By stage of the plan: its layers in the trace of the model that is learned.
  std::vector<engine::Stage> stages;
  bool vertical_sync = false;  // see ForwardPart; with PipelinePlan::stashes_weights
};

// For PipelineOptions::works. Throws std::invalid_argument for another number of stages.
PipelineWorks pipeline_works(const PipelinePlan& plan, const PipelineLearning& learning);

}  // namespace convoy::sim
