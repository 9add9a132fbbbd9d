#include "sim/schedule/pipeline_tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/diagnostics.hpp"
#include "sim/schedule/pipeline_manners.hpp"
#include "sim/schedule/pipeline_task.hpp"

namespace convoy::sim {
namespace {

std::string step_text(int step) {
  if (step % 2 == 0) return fmt::format("stage {} computes", step / 2 + 1);
  return fmt::format("stage {} sends to stage {}, and back", step / 2 + 1, step / 2 + 2);
}

// What most of a round goes to: the micro-batches of the dominant step, or the all-reduce of a
// stage if it takes longer than these. Without a flush all-reduce is a part of the steps.
std::string bottleneck_text(const PipelinePlan& plan, const PipelineForecast& forecast) {
  const PipelineStep& step = forecast.steps.at(static_cast<std::size_t>(forecast.dominant));
  const auto longest = std::ranges::max_element(forecast.all_reduce_s);
  if (!plan.stashes_weights && longest != forecast.all_reduce_s.end() &&
      *longest > plan.microbatches * (step.forward_s + step.backward_s)) {
    return fmt::format("the all-reduce of stage {}", longest - forecast.all_reduce_s.begin() + 1);
  }
  return step_text(forecast.dominant);
}

PipelineMemberRow member_row(const PipelinePlanner& planner, const PlannedPipeline& planned,
                             std::size_t s, std::size_t m) {
  const PipelineModel& model = *planner.model();
  const PipelineStage& stage = planned.plan.stages[s];
  const StageMember& member = stage.members[m];
  const PipelineProblem& problem = planned.asked->problem();
  const int kind = problem.devices[static_cast<std::size_t>(member.device)].kind;
  const platforms::Machine& machine = *planner.setting().nodes[planned.node(member)].machine;
  PipelineMemberRow row{.node = planned.node(member), .samples = member.samples};
  row.forward_s = problem.costs->forward_s(kind, stage.layers, member.samples);
  row.backward_s = problem.costs->backward_s(kind, stage.layers, member.samples);
  row.needed = planned.forecast.memory[s][m].needed_bytes + machine.context;
  row.runtime = machine.context;
  row.weights = model.copy_bytes(stage.layers);
  row.optimizer = model.kept_bytes(stage.layers) - row.weights;
  const int stashes =
      planned.plan.order == PipelineOrder::one_f_one_b ? stage.window : planned.plan.microbatches;
  const int versions = versions_of(planned.plan, stage);
  row.stashes = stashes * model.stash_bytes(stage.layers, member.samples) +
                (versions - 1) * model.copy_bytes(stage.layers);
  row.available = machine.memory > 0 ? machine.memory : std::numeric_limits<double>::infinity();
  return row;
}

}  // namespace

PipelineTable pipeline_table(const PipelinePlanner& planner, const PlannedPipeline& planned) {
  const PipelineModel& model = *planner.model();
  const PipelineProblem& problem = planned.asked->problem();
  PipelineTable table{.planner = planned.plan.planner,
                      .by_hand = planned.by_hand,
                      .order = planned.plan.order,
                      .stashes_weights = planned.plan.stashes_weights,
                      .microbatch = planned.plan.microbatch,
                      .microbatches = planned.plan.microbatches,
                      .round_s = planned.forecast.round_s,
                      .bubble = planned.forecast.bubble,
                      .bottleneck = bottleneck_text(planned.plan, planned.forecast)};
  for (std::size_t s = 0; s < planned.plan.stages.size(); ++s) {
    const PipelineStage& stage = planned.plan.stages[s];
    const engine::Stage layers = model.stage(stage.layers);
    PipelineStageRow row{.first = layers.first,
                         .last = layers.last,
                         .first_name = model.name(stage.layers.first),
                         .last_name = model.name(stage.layers.last - 1),
                         .window = stage.window,
                         .all_reduce_s = planned.forecast.all_reduce_s.at(s),
                         .update_s = planned.forecast.update_s.at(s)};
    for (std::size_t m = 0; m < stage.members.size(); ++m) {
      row.members.push_back(member_row(planner, planned, s, m));
    }
    if (s + 1 < planned.plan.stages.size()) {
      const PipelineStep& link = planned.forecast.steps.at(2 * s + 1);
      row.sent_bytes = problem.costs->forward_bytes(stage.layers.last - 1, planned.plan.microbatch);
      row.transfer_s = link.forward_s + link.backward_s;
    }
    table.stages.push_back(std::move(row));
  }
  table.task = pipeline_task(planner, planned, 1);
  return table;
}

std::vector<PipelineAlternative> pipeline_alternatives(const PipelinePlanner& planner,
                                                       const std::vector<NodeId>& nodes,
                                                       const ByNode<double>& speeds) {
  std::vector<PipelineAlternative> all;
  for (auto& [name, manner] : compared_manners()) {
    PipelineAlternative one{.name = name};
    try {
      const PipelinePlanner other = planner.with(std::move(manner));
      one.table = pipeline_table(other, other.own_plan(nodes, speeds));
    } catch (const base::UserError& error) {
      one.why_not = error.what();
    }
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace convoy::sim
