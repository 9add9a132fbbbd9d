#include "sim/schedule/pipeline_schedule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "sim/schedule/pipeline_moves.hpp"
#include "sim/schedule/pipeline_tables.hpp"

namespace convoy::sim {
namespace {

constexpr double slowest = 1e-6;  // speed of a node that stands still, for plans

// The same layers on the same nodes with the same samples.
bool is_same(const PlannedPipeline& a, const PlannedPipeline& b) {
  if (a.plan.stages.size() != b.plan.stages.size()) return false;
  for (std::size_t s = 0; s < a.plan.stages.size(); ++s) {
    const PipelineStage& one = a.plan.stages[s];
    const PipelineStage& other = b.plan.stages[s];
    if (one.layers != other.layers || one.window != other.window ||
        one.members.size() != other.members.size()) {
      return false;
    }
    for (std::size_t i = 0; i < one.members.size(); ++i) {
      if (a.node(one.members[i]) != b.node(other.members[i]) ||
          one.members[i].samples != other.members[i].samples) {
        return false;
      }
    }
  }
  return true;
}

std::string cause_name(Replanner::Cause cause) {
  static const std::vector<std::string> names = {"none", "first", "devices", "change", "period"};
  return names[static_cast<std::size_t>(cause)];
}

std::string shown_plan(const Setting& setting, const PipelineModel& model,
                       const PlannedPipeline& planned) {
  std::string text;
  for (const PipelineStage& stage : planned.plan.stages) {
    text += fmt::format("{}{} to {}:", text.empty() ? "" : "; ", model.name(stage.layers.first),
                        model.name(stage.layers.last - 1));
    for (const StageMember& member : stage.members) {
      text +=
          fmt::format(" {} x {}", setting.nodes[planned.node(member)].name.of(planned.node(member)),
                      member.samples);
    }
  }
  return text;
}

}  // namespace

PipelineSchedule::PipelineSchedule(const std::shared_ptr<const Setting>& setting,
                                   const PipelineScheduleOptions& options)
    : planner_(setting, options.keys, options.manner),
      replanner_(options.keys.replan),
      present_(setting->nodes.size(), true),
      speeds_(setting->nodes.size(), 1.0),
      losses_(setting->nodes.size()) {
  current_ = planner_.plan(planner_.workers(), speeds_);
  const auto refuse = [](const char* key, const char* why) {
    throw base::UserError(fmt::format("{}: {}; leave it out", key, why));
  };
  if (setting->clip > 0 && options.manner.kind != "dataparallel") {
    refuse("training.clip", "a stage of a pipeline does not know the norm of the whole gradient");
  }
  if (options.manner.kind == "dataparallel" && current_->stages() > 1) {
    refuse("schedule.pipeline.stages", "with data parallelism every device has the whole model");
  }
  if (setting->proximal > 0) refuse("training.proximal", "the nodes of a pipeline train one model");
  if (setting->test_locally) {
    refuse("evaluation.local", "the nodes of a pipeline have no model of their own to test");
  }
}

std::vector<NodeId> PipelineSchedule::present() const {
  std::vector<NodeId> nodes = planner_.workers();
  std::erase_if(nodes, [&](NodeId node) { return !present_[node]; });
  return nodes;
}

Orders PipelineSchedule::on(const Event& event) {
  note(event);
  Orders orders;
  if (event.last && doing_ == Doing::nothing) go_on(event.time, orders);
  return orders;
}

bool PipelineSchedule::is_needed(NodeId node) const {
  const bool gives_weights = doing_ == Doing::move && weights_at_ && weights_at_->uses(node);
  return gives_weights || (current_ && current_->uses(node));
}

void PipelineSchedule::note(const Event& event) {
  const bool is_ours = at_work_ != no_task && event.task == at_work_;
  switch (event.kind) {
    case EventKind::node_joined:
      present_[event.node] = true;
      losses_[event.node].reset();  // it says so itself
      break;
    case EventKind::node_lost:
      present_[event.node] = false;
      // Who is absent at the run's start has never been there.
      if (planner_.keys().heartbeat.period_s && at_work_ != no_task && is_needed(event.node)) {
        losses_[event.node] = {event.time, planner_.keys().heartbeat.noticed_s(event.time)};
      }
      break;
    case EventKind::node_changed:
      speeds_[event.node] = std::max(event.speed, slowest);
      break;
    case EventKind::task_done:
      if (!is_ours || doing_ != Doing::move) break;  // a round publishes at this instant
      weights_at_ = current_;
      has_copies_ = false;
      moves_ = false;
      moved_ = at_work_;
      doing_ = Doing::nothing;
      break;
    case EventKind::published:
      if (!is_ours) break;
      doing_ = Doing::nothing;
      moved_ = no_task;  // it was taken
      has_copies_ = planner_.keys().replicates;
      samples_ += at_work_samples_;
      break;
    case EventKind::task_failed:
      if (is_ours) doing_ = Doing::nothing;
      break;
    case EventKind::run_started:
    case EventKind::timer_fired:
    case EventKind::activity_done:
    case EventKind::evaluated:
      break;
  }
}

bool PipelineSchedule::is_unaware(double now, Orders& orders) {
  double last = 0;
  for (const std::optional<Loss>& loss : losses_) {
    if (loss) last = std::max(last, loss->noticed_s);
  }
  if (last <= now) return false;
  if (last != timer_s_) orders.emplace_back(SetTimer{next_timer_++, last});
  timer_s_ = last;
  return true;
}

void PipelineSchedule::go_on(double now, Orders& orders) {
  if (is_unaware(now, orders)) return;
  for (NodeId node = 1; node < std::ssize(losses_); ++node) {
    const std::optional<Loss> loss = std::exchange(losses_[node], std::nullopt);
    if (!loss) continue;
    orders.emplace_back(Planned{"lost", fmt::format("lost: {}, noticed {} later",
                                                    planner_.setting().nodes[node].name.of(node),
                                                    base::human_seconds(now - loss->lost_s))});
  }
  const std::vector<NodeId> nodes = present();
  std::vector<Condition> conditions(present_.size());  // those that are away have no speed
  for (const NodeId node : nodes) conditions[static_cast<std::size_t>(node)] = {speeds_[node], 1};
  Replanner::Cause cause = replanner_.due(now, conditions);
  // A move that came to nothing, though all are there again.
  if (cause == Replanner::Cause::none && moves_) cause = Replanner::Cause::devices;
  if (cause != Replanner::Cause::none) {
    replanner_.planned(now, std::move(conditions));
    replan(cause, orders);
  }
  if (doing_ != Doing::nothing || !current_) return;  // until a node comes
  if (!round_) round_ = pipeline_task(planner_, *current_, planner_.keys().rounds);
  Assign round = assign(TaskKind::update, *round_, "round");
  round.samples = round_->samples;
  round.publishes = round_->result;
  round.brief.samples_before = samples_;
  round.in_time = true;
  at_work_samples_ = round.samples;
  if (moved_ != no_task) round.consumes.push_back(moved_);
  doing_ = Doing::round;
  orders.emplace_back(std::move(round));
}

Assign PipelineSchedule::assign(TaskKind kind, const PipelineTask& task, std::string label) {
  Assign order;
  order.task = kind == TaskKind::update ? next_++ : next_move_++;
  order.graph = task.graph;
  order.members = task.members;
  order.kind = kind;
  order.label = std::move(label);
  at_work_ = order.task;
  return order;
}

std::optional<PlannedPipeline> PipelineSchedule::fresh_plan(const std::vector<NodeId>& nodes) {
  why_none_.clear();
  if (nodes.empty()) return std::nullopt;
  try {
    return planner_.plan(nodes, speeds_);
  } catch (const base::UserError& error) {
    why_none_ = error.what();
    return std::nullopt;
  }
}

std::vector<NodeMove> PipelineSchedule::moves_to(const PlannedPipeline& to) const {
  const WeightPlaces from{*weights_at_, present_, has_copies_};
  if (planner_.manner().recovery != Recovery::full) {
    return direct_moves(*planner_.model(), from, to);
  }
  return gathering_moves(*planner_.model(), from, to);
}

void PipelineSchedule::replan(Replanner::Cause cause, Orders& orders) {
  const std::vector<NodeId> nodes = present();
  moves_ = false;
  if (!weights_at_) {  // nothing has been trained yet
    current_ = fresh_plan(nodes);
    weights_at_ = current_;
    round_.reset();
    if (current_) tell(cause_name(cause), "", orders);
    return;
  }
  std::optional<PlannedPipeline> kept = planner_.moved(*weights_at_, nodes, speeds_);
  if (kept && !kept->forecast.fits()) kept.reset();
  if (!kept && planner_.manner().recovery == Recovery::light) {
    if (auto shifted = planner_.light_replay_of(*weights_at_, nodes, speeds_)) {
      std::vector<NodeMove> moves = moves_to(*shifted);
      move_to(std::move(*shifted), std::move(moves), cause_name(cause), orders);
      return;
    }
  }
  std::optional<PlannedPipeline> fresh = fresh_plan(nodes);
  if (!fresh && !kept) {
    current_.reset();
    round_.reset();
    orders.emplace_back(Planned{cause_name(cause), fmt::format("no plan fits: {}", why_none_)});
    return;
  }
  std::vector<NodeMove> moves;
  if (fresh) moves = moves_to(*fresh);
  if (kept && (!fresh || is_same(*kept, *fresh) || !is_worth(*kept, *fresh, moves))) {
    if (!current_ || !is_same(*current_, *kept)) round_.reset();
    current_ = std::move(kept);
    weights_at_ = current_;
    tell(cause_name(cause), ", as before", orders);
    return;
  }
  move_to(std::move(*fresh), std::move(moves), cause_name(cause), orders);
}

bool PipelineSchedule::is_worth(const PlannedPipeline& kept, const PlannedPipeline& fresh,
                                const std::vector<NodeMove>& moves) const {
  const ReplanOptions& replan = planner_.keys().replan;
  const double gain = (kept.forecast.round_s - fresh.forecast.round_s) * replan.horizon_rounds;
  return gain > replan.factor * seconds_of(moves, planner_.setting());
}

void PipelineSchedule::move_to(PlannedPipeline to, std::vector<NodeMove> moves,
                               const std::string& cause, Orders& orders) {
  current_ = std::move(to);
  round_.reset();
  tell(cause, fmt::format(", {} to move", base::human_bytes(bytes_of(moves))), orders);
  if (moved_ != no_task) orders.emplace_back(Cancel{std::exchange(moved_, no_task)});
  if (moves.empty()) {
    weights_at_ = current_;
    has_copies_ = false;
    return;
  }
  moves_ = true;
  doing_ = Doing::move;
  orders.emplace_back(assign(TaskKind::aggregation, move_task(moves), "move"));
}

void PipelineSchedule::tell(const std::string& cause, const std::string& what,
                            Orders& orders) const {
  orders.emplace_back(Planned{
      cause,
      fmt::format("{}: {} predicted{}: {}", cause, base::human_seconds(current_->forecast.round_s),
                  what, shown_plan(planner_.setting(), *planner_.model(), *current_))});
}

std::vector<std::string> PipelineSchedule::remarks() const {
  if (current_ || why_none_.empty()) return {};
  return {fmt::format("the nodes that are there have no plan: {}", why_none_)};
}

std::vector<PlannedTask> PipelineSchedule::plan() const {
  const PipelineTask task = pipeline_task(planner_, *current_, planner_.keys().rounds);
  std::vector<PlannedTask> tasks;
  for (std::size_t s = 0; s < task.roles.size(); ++s) {
    for (const int role : task.roles[s]) {
      tasks.push_back({.node = task.members[static_cast<std::size_t>(role)],
                       .label = fmt::format("stage {}", s + 1),
                       .graph = task.graph,
                       .members = task.members,
                       .depth = planner_.setting().architecture->depth()});
    }
  }
  return tasks;
}

std::optional<Explanation> PipelineSchedule::explain(bool compare) const {
  const PipelineModel& model = *planner_.model();
  const std::vector<NodeId> nodes = planner_.workers();
  PipelineExplanation all{.layers = static_cast<int>(model.trace().layers.size()),
                          .pieces = model.layers(),
                          .plan = pipeline_table(planner_, *current_)};
  all.idle = static_cast<int>(
      std::ranges::count_if(nodes, [&](NodeId node) { return !current_->uses(node); }));
  if (current_->by_hand) {
    try {
      all.planned = pipeline_table(planner_, planner_.own_plan(nodes, speeds_));
    } catch (const base::UserError& error) {
      all.notes.push_back(fmt::format("the planner's own plan is not possible: {}", error.what()));
    }
  }
  if (compare) all.alternatives = pipeline_alternatives(planner_, nodes, speeds_);
  return all;
}

}  // namespace convoy::sim
