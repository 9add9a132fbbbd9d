#include "sim/schedule/splitlearning.hpp"

#include <fmt/format.h>

#include <utility>

#include "sim/schedule/kinds.hpp"

namespace convoy::sim {

ScheduleKind schedules::splitlearning() {
  return schedule_kind<SplitLearning>(
      "splitlearning", "one device after another trains the first layers, the server the rest",
      read_splitlearning);
}

SplitLearningOptions read_splitlearning(base::TableReader& common, base::TableReader& own) {
  SplitLearningOptions options{read_client_pool(common, {}, {.weight = 0})};
  options.split = read_split_keys(own);
  options.random_order =
      own.choice({"order", "of the devices in a round: as in the fleet, or drawn"},
                 SplitLearningOptions::orders, options.random_order);
  return options;
}

namespace {

ClientPoolOptions with_split(const Setting& setting, const SplitLearningOptions& options) {
  const engine::Rule* rule = options.clients.learning.aggregation.rule.get();
  if (rule != nullptr && rule->name() != "coverage") {
    throw base::UserError(
        fmt::format("schedule.aggregation: in splitlearning each update is a version by itself and "
                    "none are aggregated, so that \"{}\" would change nothing; leave it out",
                    rule->name()));
  }
  ClientPoolOptions clients = options.clients;
  clients.split = [work = split_of(options.split, setting, "schedule.splitlearning")](
                      NodeId /*node*/) { return work; };
  return clients;
}

}  // namespace

SplitLearning::SplitLearning(const std::shared_ptr<const Setting>& setting,
                             const SplitLearningOptions& options)
    : FederatedSchedule(setting, with_split(*setting, options)),
      setting_(setting),
      cut_{.work = split_of(options.split, *setting, "schedule.splitlearning"),
           .by_hand = !options.split.cut.empty(),
           .in_turn = true},
      random_order_(options.random_order),
      random_({setting->seed, 0x73706c6974ULL}),
      present_(setting->nodes.size(), true) {}

Orders SplitLearning::on(const Event& event) {
  clients_.note(event);
  note(event);
  Orders orders;
  if (!event.last || at_work_ != no_task) return orders;
  const NodeId node = next();
  if (node == no_node) return orders;  // until one joins
  Assign assign = clients_.assign(node);
  assign.publishes = assign.graph->result();
  at_work_ = assign.task;
  orders.emplace_back(std::move(assign));
  return orders;
}

void SplitLearning::note(const Event& event) {
  const bool is_ours = at_work_ != no_task && event.task == at_work_;
  switch (event.kind) {
    case EventKind::node_joined:
      present_[event.node] = true;
      break;
    case EventKind::node_lost:
      present_[event.node] = false;
      break;
    case EventKind::published:
      if (is_ours) at_work_ = no_task;
      break;
    case EventKind::task_failed:
      if (!is_ours) break;
      clients_.failed(event.task);
      at_work_ = no_task;
      break;
    case EventKind::task_done:  // it publishes at this instant
    case EventKind::timer_fired:
    case EventKind::run_started:
    case EventKind::node_changed:
    case EventKind::activity_done:
    case EventKind::evaluated:
      break;
  }
}

void SplitLearning::begin_round() {
  std::vector<NodeId> order;
  for (const NodeId node : clients_.members()) {
    if (present_[node]) order.push_back(node);
  }
  if (random_order_) base::shuffle(order, random_);
  waiting_.assign(order.begin(), order.end());
}

NodeId SplitLearning::next() {
  while (!waiting_.empty() && !present_[waiting_.front()]) waiting_.pop_front();
  if (waiting_.empty()) begin_round();
  if (waiting_.empty()) return no_node;
  const NodeId node = waiting_.front();
  waiting_.pop_front();
  return node;
}

std::optional<Explanation> SplitLearning::explain(bool compare) const {
  const std::vector<NodeId>& members = clients_.members();
  return explain_common_cut(setting_, cut_, members, members.size(), compare);
}

// There is no aggregation.
std::vector<PlannedTask> SplitLearning::plan() const {
  std::vector<PlannedTask> tasks = FederatedSchedule::plan();
  std::erase_if(tasks, [](const PlannedTask& task) { return task.node == server_node; });
  return tasks;
}

}  // namespace convoy::sim
