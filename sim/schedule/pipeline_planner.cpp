#include "sim/schedule/pipeline_planner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "platforms/roofline.hpp"
#include "sim/plan/pipeline_allocation.hpp"
#include "sim/plan/pipeline_lanes.hpp"
#include "sim/plan/pipeline_recovery.hpp"
#include "sim/schedule/pipeline_works.hpp"

namespace convoy::sim {

bool PlannedPipeline::uses(NodeId node) const {
  return std::ranges::any_of(plan.stages, [&](const PipelineStage& stage) {
    return std::ranges::any_of(stage.members,
                               [&](const StageMember& m) { return this->node(m) == node; });
  });
}

std::string stage_text(const PipelineModel& model, const PipelinePlan& plan, std::size_t stage) {
  const LayerRange layers = plan.stages.at(stage).layers;
  return fmt::format("stage {} of {} ({} to {})", stage + 1, plan.stages.size(),
                     model.name(layers.first), model.name(layers.last - 1));
}

PipelinePlanner::PipelinePlanner(std::shared_ptr<const Setting> setting, PipelineKeys keys,
                                 PipelineManner manner)
    : setting_(std::move(setting)),
      keys_(std::move(keys)),
      manner_(std::move(manner)),
      model_(std::make_shared<const PipelineModel>(setting_, keys_.model)) {
  if (setting_->workers() < 2) {
    throw base::UserError(
        fmt::format("schedule.kind: {} divides a model or its batches among at least two nodes, "
                    "and the fleet has {}; add to fleet.nodes, or choose another schedule",
                    manner_.kind, setting_->workers()));
  }
  if (manner_.stashes_weights &&
      keys_.microbatches * std::int64_t{keys_.rounds} > most_microbatches) {
    throw base::UserError(
        fmt::format("schedule.pipeline.rounds: {} rounds of {} micro-batches are one task without "
                    "a flush, of at most {} micro-batches; lower one of them",
                    keys_.rounds, keys_.microbatches, most_microbatches));
  }
  stages_ = stages_by_hand(keys_, *setting_, *model_, workers());
}

std::vector<NodeId> PipelinePlanner::workers() const {
  std::vector<NodeId> all;
  for (NodeId node = 1; node <= setting_->workers(); ++node) all.push_back(node);
  return all;
}

PipelinePlanner PipelinePlanner::with(PipelineManner manner) const {
  PipelinePlanner other = *this;
  other.manner_ = std::move(manner);
  other.keys_.rounds = 1;  // all plans are judged by one round, also those without a flush
  other.stages_.clear();
  return other;
}

std::shared_ptr<const PipelineCase> PipelinePlanner::asked(const std::vector<NodeId>& nodes,
                                                           const ByNode<double>& speeds) const {
  // Without a flush a task is one long round.
  const int rounds = manner_.stashes_weights ? keys_.rounds : 1;
  return asked(nodes, speeds, microbatch_of(keys_, *setting_), keys_.microbatches * rounds);
}

std::shared_ptr<const PipelineCase> PipelinePlanner::asked(const std::vector<NodeId>& nodes,
                                                           const ByNode<double>& speeds,
                                                           int microbatch, int microbatches) const {
  PipelineAsked asked{.nodes = nodes,
                      .microbatch = microbatch,
                      .microbatches = microbatches,
                      .steps_each = manner_.stashes_weights};
  for (const NodeId node : nodes) asked.speeds.push_back(speeds[node]);
  return std::make_shared<const PipelineCase>(*setting_, model_, std::move(asked));
}

PlannedPipeline PipelinePlanner::plan(const std::vector<NodeId>& nodes,
                                      const ByNode<double>& speeds) const {
  if (auto given = by_hand(asked(nodes, speeds))) return std::move(*given);
  return own_plan(nodes, speeds);
}

PlannedPipeline PipelinePlanner::own_plan(const std::vector<NodeId>& nodes,
                                          const ByNode<double>& speeds) const {
  const auto as_given = asked(nodes, speeds);
  if (!keys_.searches) return own_plan(as_given);
  const int samples = as_given->asked().microbatch * as_given->asked().microbatches;
  // The closed form counts neither the fill nor the drain of few micro-batches.
  const auto round_of = [this](const PlannedPipeline& planned) {
    const bool is_exact = manner_.stashes_weights || manner_.reduce == ReduceBy::server;
    return is_exact ? planned.forecast.round_s
                    : round_on_lanes(planned.asked->problem(), planned.plan);
  };
  std::optional<PlannedPipeline> best;
  double least = 0;
  std::string why;
  for (int microbatches = 1; microbatches <= std::min(samples, most_microbatches); ++microbatches) {
    if (samples % microbatches != 0) continue;
    try {
      PlannedPipeline one = own_plan(asked(nodes, speeds, samples / microbatches, microbatches));
      const double round_s = round_of(one);
      if (best && round_s >= least) continue;
      best = std::move(one);
      least = round_s;
    } catch (const base::UserError& error) {
      why = error.what();  // of the smallest micro-batches, at last
    }
  }
  if (!best) throw base::UserError(why);
  return std::move(*best);
}

PlannedPipeline PipelinePlanner::own_plan(const std::shared_ptr<const PipelineCase>& asked) const {
  PipelinePlan plan = manner_.plan(asked->problem());
  plan.order = manner_.order;
  plan.stashes_weights = manner_.stashes_weights;
  plan.vertical_sync = manner_.vertical_sync;
  plan.microbatch = asked->problem().microbatch;
  plan.microbatches = asked->problem().microbatches;
  if (plan.order != PipelineOrder::one_f_one_b) {
    for (PipelineStage& stage : plan.stages) stage.window = plan.microbatches;
  }
  PlannedPipeline planned = judged(asked, std::move(plan));
  require_fits(planned);
  return planned;
}

PlannedPipeline PipelinePlanner::judged(const std::shared_ptr<const PipelineCase>& asked,
                                        PipelinePlan plan) const {
  check_plan(asked->problem(), plan);
  require_learnable(plan);
  PlannedPipeline planned{.asked = asked, .plan = std::move(plan)};
  planned.forecast = forecast_round(asked->problem(), planned.plan);
  sum_at_server(planned);
  return planned;
}

void PipelinePlanner::require_learnable(const PipelinePlan& plan) const {
  if (!setting_->learned_as) return;
  std::vector<engine::Stage> stages;
  for (const PipelineStage& stage : plan.stages) stages.push_back(model_->stage(stage.layers));
  learned_stages(*setting_, stages);
}

// The closed form is that of a ring.
void PipelinePlanner::sum_at_server(PlannedPipeline& planned) const {
  if (manner_.reduce != ReduceBy::server || planned.stages() != 1) return;
  const double ring = planned.forecast.all_reduce_s.front() + planned.forecast.update_s.front();
  const PipelineStage& stage = planned.plan.stages.front();
  const PipelineProblem& problem = planned.asked->problem();
  std::vector<NodeId> nodes;
  double steps = 0;  // of the devices, which the server makes for them
  for (const StageMember& member : stage.members) {
    nodes.push_back(planned.node(member));
    const int kind = problem.devices[static_cast<std::size_t>(member.device)].kind;
    steps += problem.costs->step_s(kind, stage.layers);
  }
  const double server = parameter_server_s(*setting_, *model_, nodes);
  const double busy = planned.forecast.round_s * (1 - planned.forecast.bubble) -
                      steps / static_cast<double>(nodes.size());
  planned.forecast.round_s += server - ring;
  planned.forecast.all_reduce_s.front() = server;
  planned.forecast.update_s.front() = 0;
  planned.forecast.bubble = 1 - busy / planned.forecast.round_s;
}

std::optional<PipelinePlan> PipelinePlanner::placed(const PipelinePlan& plan,
                                                    const PipelineCase& of,
                                                    const std::vector<NodeId>& nodes) {
  PipelinePlan same = plan;
  for (PipelineStage& stage : same.stages) {
    for (StageMember& member : stage.members) {
      const auto place = std::ranges::find(nodes, of.node(member.device));
      if (place == nodes.end()) return std::nullopt;
      member.device = static_cast<int>(place - nodes.begin());
    }
  }
  return same;
}

std::optional<PlannedPipeline> PipelinePlanner::moved(const PlannedPipeline& planned,
                                                      const std::vector<NodeId>& nodes,
                                                      const ByNode<double>& speeds) const {
  std::optional<PipelinePlan> plan = placed(planned.plan, *planned.asked, nodes);
  if (!plan) return std::nullopt;
  const auto asked = this->asked(nodes, speeds, plan->microbatch, plan->microbatches);
  PlannedPipeline same = judged(asked, std::move(*plan));
  same.by_hand = planned.by_hand;
  return same;
}

std::optional<PlannedPipeline> PipelinePlanner::light_replay_of(
    const PlannedPipeline& planned, const std::vector<NodeId>& nodes,
    const ByNode<double>& speeds) const {
  const PipelinePlan& plan = planned.plan;
  const std::vector<NodeId>& before = planned.asked->asked().nodes;
  const auto then = asked(before, speeds, plan.microbatch, plan.microbatches);
  std::vector<int> lost;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (std::ranges::find(nodes, before[i]) == nodes.end()) lost.push_back(static_cast<int>(i));
  }
  try {
    const PipelineRecovery recovery =
        light_replay(then->problem(), plan, lost, {.window = manner_.window});
    std::optional<PipelinePlan> left = placed(recovery.plan, *then, nodes);
    if (!left) return std::nullopt;
    PlannedPipeline shifted =
        judged(asked(nodes, speeds, plan.microbatch, plan.microbatches), std::move(*left));
    if (!shifted.forecast.fits()) return std::nullopt;
    return shifted;
  } catch (const base::UserError&) {
    return std::nullopt;
  }
}

std::optional<PlannedPipeline> PipelinePlanner::by_hand(
    const std::shared_ptr<const PipelineCase>& asked) const {
  if (stages_.empty()) return std::nullopt;
  const PipelineProblem& problem = asked->problem();
  const std::vector<NodeId> all = workers();
  StageTimes times(problem);
  PipelinePlan plan{.order = manner_.order,
                    .microbatch = problem.microbatch,
                    .microbatches = problem.microbatches,
                    .stashes_weights = manner_.stashes_weights,
                    .vertical_sync = manner_.vertical_sync,
                    .planner = "by hand"};
  const auto count = static_cast<int>(stages_.size());
  for (int s = 0; s < count; ++s) {
    const HandMadeStage& given = stages_[static_cast<std::size_t>(s)];
    PipelineStage stage{.layers = given.layers};
    const int usual = manner_.order == PipelineOrder::one_f_one_b
                          ? window_of(manner_.window, count, s, problem.microbatches)
                          : problem.microbatches;
    stage.window = std::min(problem.microbatches, given.window.value_or(usual));
    for (const StageMember& member : given.members) {
      const NodeId node = all[static_cast<std::size_t>(member.device)];
      const auto place = std::ranges::find(asked->asked().nodes, node);
      if (place == asked->asked().nodes.end()) return std::nullopt;
      const auto device = static_cast<int>(place - asked->asked().nodes.begin());
      stage.members.push_back({device, member.samples});
    }
    if (!given.has_samples) {
      std::vector<int> group;
      for (const StageMember& member : stage.members) group.push_back(member.device);
      const int stashes =
          manner_.order == PipelineOrder::one_f_one_b ? stage.window : problem.microbatches;
      const int first = plan.stages.empty() ? stage.window : plan.stages.front().window;
      const int versions =
          !manner_.stashes_weights ? 1 : (manner_.vertical_sync ? first : stage.window);
      stage.members = allocate(times, stage.layers, group, stashes, versions);
      if (stage.members.empty()) {
        throw base::UserError(fmt::format(
            "schedule.pipeline.stages.{}: the memories of its devices do not hold {} micro-batches "
            "of {} samples of {} to {}; give it fewer layers or more devices, or lower the window "
            "or schedule.pipeline.microbatch",
            s, stashes, problem.microbatch, model_->name(stage.layers.first),
            model_->name(stage.layers.last - 1)));
      }
    }
    plan.stages.push_back(std::move(stage));
  }
  try {
    PlannedPipeline planned = judged(asked, std::move(plan));
    planned.by_hand = true;
    require_fits(planned);
    return planned;
  } catch (const base::UserError& error) {
    throw base::UserError(fmt::format("schedule.pipeline.stages: {}", error.what()));
  }
}

void PipelinePlanner::require_fits(const PlannedPipeline& planned) const {
  for (std::size_t s = 0; s < planned.plan.stages.size(); ++s) {
    for (const MemberMemory& memory : planned.forecast.memory.at(s)) {
      if (memory.needed_bytes <= memory.capacity_bytes) continue;
      const NodeId node = planned.asked->node(memory.device);
      const double runtime = setting_->nodes[node].machine->context;
      throw base::UserError(fmt::format(
          "{} does not fit {}: it needs {} of {}; give it fewer layers or more devices, or lower "
          "schedule.pipeline.microbatch",
          stage_text(*model_, planned.plan, s), setting_->nodes[node].name.of(node),
          base::human_bytes(memory.needed_bytes + runtime),
          base::human_bytes(memory.capacity_bytes + runtime)));
    }
  }
}

StagePass parameter_server_step(const Setting& setting, const PipelineModel& model, int devices) {
  const LayerRange all{0, model.layers()};
  const double bytes = model.gradient_bytes(all);
  engine::StepCost cost = engine::aggregation_step(
      bytes, std::vector<double>(static_cast<std::size_t>(devices), bytes));
  const engine::StepCost step =
      engine::stage_step(model.trace(), model.stage(all), engine::Pass::update, setting.optimizer,
                         0, setting.precision);
  cost.kernels.insert(cost.kernels.end(), step.kernels.begin(), step.kernels.end());
  const platforms::Prediction predicted = platforms::predict(cost, *setting.nodes.front().machine);
  return {predicted.seconds, predicted.watts, cost.flops()};
}

double parameter_server_s(const Setting& setting, const PipelineModel& model,
                          const std::vector<NodeId>& nodes) {
  const double bytes = model.gradient_bytes({0, model.layers()});
  const platforms::Link& server = setting.nodes.front().link;
  const auto n = static_cast<double>(nodes.size());
  const auto seconds = [&](double shared_bps, auto own_bps) {
    double most = shared_bps > 0 ? n * bytes * 8 / shared_bps : 0;
    for (const NodeId node : nodes) {
      const platforms::Link& link = setting.nodes[node].link;
      const double latency = link.latency_s + server.latency_s;
      if (own_bps(link) > 0) most = std::max(most, latency + bytes * 8 / own_bps(link));
    }
    return most;
  };
  return seconds(server.down_bps, [](const platforms::Link& l) { return l.up_bps; }) +
         parameter_server_step(setting, model, static_cast<int>(nodes.size())).seconds +
         seconds(server.up_bps, [](const platforms::Link& l) { return l.down_bps; });
}

}  // namespace convoy::sim
