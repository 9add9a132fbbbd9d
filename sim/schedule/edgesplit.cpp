#include "sim/schedule/edgesplit.hpp"

#include <string>
#include <utility>

#include "sim/schedule/kinds.hpp"
#include "sim/task/plan_record.hpp"

namespace convoy::sim {

ScheduleKind schedules::edgesplit() {
  return schedule_kind<EdgeSplit>(
      "edgesplit",
      "split learning: a cut and shares of bandwidth and server for each device, planned together",
      read_edgesplit);
}

namespace {

RoundsOptions with_splits(const EdgeSplitOptions& options,
                          const std::shared_ptr<const EdgeSplitPlanner>& planner) {
  RoundsOptions rounds = static_cast<const RoundsOptions&>(options);
  rounds.clients.split = [planner](NodeId node) { return planner->usual(node); };
  return rounds;
}

std::string name_of(Replanner::Cause cause) {
  static const std::vector<std::string> names = {"none", "first", "devices", "change", "period"};
  return names[static_cast<std::size_t>(cause)];
}

}  // namespace

EdgeSplit::EdgeSplit(const std::shared_ptr<const Setting>& setting, const EdgeSplitOptions& options)
    : EdgeSplit(setting, options, std::make_shared<const EdgeSplitPlanner>(setting, options)) {}

EdgeSplit::EdgeSplit(const std::shared_ptr<const Setting>& setting, const EdgeSplitOptions& options,
                     const std::shared_ptr<const EdgeSplitPlanner>& planner)
    : Rounds(setting, with_splits(options, planner)),
      planner_(planner),
      observe_(options.observe),
      observer_(planner->problems().nominal(), options.probe_after),
      replanner_(options.replan),
      places_(setting->nodes.size()) {}

Orders EdgeSplit::on(const Event& event) {
  now_ = event.time;
  observer_.note(event);
  Orders orders = Rounds::on(event);
  for (const Order& order : orders) {
    if (const auto* cancel = std::get_if<Cancel>(&order)) observer_.cancelled(cancel->task, now_);
  }
  return orders;
}

void EdgeSplit::plan_for(const std::vector<NodeId>& nodes, Orders& orders) {
  observer_.conclude_all(now_);
  const ByNode<Condition>& known = observer_.conditions();
  // Those that are not drawn are away for this round. The server has no link of its own here.
  std::vector<Condition> conditions(known.size());
  conditions.front() = {known.front().speed, 1};
  for (const NodeId node : nodes) conditions[static_cast<std::size_t>(node)] = known[node];
  const Replanner::Cause cause = replanner_.due(now_, conditions);
  if (cause == Replanner::Cause::none) return;
  PlanRecord record{.cause = name_of(cause)};
  if (plan_.nodes == nodes) record.old_round_s = planner_->round_s(plan_, known);
  plan_ = planner_->replan(nodes, known, places_);
  replanner_.planned(now_, std::move(conditions));
  for (std::size_t i = 0; i < nodes.size(); ++i) places_[nodes[i]] = plan_.plan.cuts[i];
  planner_->describe(plan_, record);
  orders.emplace_back(Planned{record.cause, plan_text(record)});
}

void EdgeSplit::add_tasks(std::int64_t round, const std::vector<NodeId>& nodes, Orders& orders) {
  plan_for(nodes, orders);
  const bool observes = observe_ > 0 && (round - 1) % observe_ == 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const SplitWork work = planner_->work(plan_, i);
    add_task(nodes[i], orders, {.split = work});
    if (!observes) continue;
    Assign& task = std::get<Assign>(orders.back());
    task.report_activities = true;
    const platforms::Link& link = planner_->problems().link(nodes[i]);
    observer_.begins(task.task,
                     {.node = nodes[i],
                      .graph = task.graph,
                      .up = {work.up_bytes_per_s, link.up_bps / 8},
                      .down = {work.down_bytes_per_s, link.down_bps / 8},
                      .at_least = planner_->shares_hold() != SharesHold::at_most,
                      .latency_s = planner_->problems().latency_s(nodes[i])},
                     now_);
  }
}

}  // namespace convoy::sim
