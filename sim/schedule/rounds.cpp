#include "sim/schedule/rounds.hpp"

#include <algorithm>
#include <utility>

namespace convoy::sim {

RoundsOptions read_rounds(ClientPoolOptions clients, base::TableReader& own) {
  RoundsOptions options;
  options.clients = std::move(clients);
  options.participants = read_how_many(
      own, {"participants",
            "nodes of a round: a number, or a share of the nodes present (0.1; 1.0: all)",
            "all present nodes"});
  options.deadline_s = own.maybe_number(
      {"deadline_s", "time after a round's start at which it ends without the missing replies, s",
       "none"},
      base::above(0));
  return options;
}

RoundsOptions read_rounds(base::TableReader& common, base::TableReader& own) {
  return read_rounds(read_client_pool(common, {}, {.weight = 0}), own);
}

RoundsOptions read_rounds_by_width(base::TableReader& common, base::TableReader& own,
                                   engine::Selection selection, const std::string& rule) {
  return read_rounds(
      read_client_pool(common, {{64, 1.0}, {32, 0.5}, {16, 0.25}, {8, 0.125}}, {.weight = 0},
                       {.selection = selection, .all_blocks = true}, rule),
      own);
}

RoundsOptions read_rounds_by_elements(base::TableReader& common, base::TableReader& own,
                                      engine::ElementKind elements) {
  return read_rounds(read_client_pool_by_elements(common, elements), own);
}

Rounds::Rounds(const std::shared_ptr<const Setting>& setting, RoundsOptions options)
    : FederatedSchedule(setting, options.clients),
      options_(std::move(options)),
      random_({setting->seed, 0x666564617667ULL}),
      present_(setting->nodes.size(), true) {}

Orders Rounds::on(const Event& event) {
  clients_.note(event);
  Orders orders;
  note(event, orders);
  if (!event.last) return orders;
  if (open_ && in_flight_.empty()) close_round(orders);
  if (waiting_) start_round(event.time, orders);
  return orders;
}

void Rounds::note(const Event& event, Orders& orders) {
  switch (event.kind) {
    case EventKind::node_joined:
      present_[event.node] = true;
      break;
    case EventKind::node_lost:
      present_[event.node] = false;
      break;
    case EventKind::task_done:
      if (in_flight_.erase(event.task) == 0) break;
      clients_.done(event.task);
      updates_.push_back(event.task);
      break;
    case EventKind::task_failed:
      if (in_flight_.erase(event.task) == 0) break;
      clients_.failed(event.task);
      break;
    case EventKind::timer_fired:
      if (!open_ || event.timer != round_) break;
      for (const TaskId task : std::vector<TaskId>(in_flight_.begin(), in_flight_.end())) {
        orders.emplace_back(Cancel{task});
        clients_.failed(task);
      }
      std::ranges::sort(orders, {}, [](const Order& o) { return std::get<Cancel>(o).task; });
      in_flight_.clear();
      break;
    case EventKind::published:
      waiting_ = true;
      break;
    case EventKind::run_started:
    case EventKind::node_changed:
    case EventKind::activity_done:
    case EventKind::evaluated:
      break;
  }
}

std::vector<NodeId> Rounds::draw() {
  std::vector<NodeId> nodes;
  for (const NodeId node : clients_.members()) {
    if (present_[node]) nodes.push_back(node);
  }
  const std::size_t wanted = options_.participants.of(nodes.size());
  if (wanted >= nodes.size()) return nodes;
  for (std::size_t i = 0; i < wanted; ++i) {
    std::swap(nodes[i], nodes[i + random_.below(nodes.size() - i)]);
  }
  nodes.resize(wanted);
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

void Rounds::add_tasks(std::int64_t /*round*/, const std::vector<NodeId>& nodes, Orders& orders) {
  for (const NodeId node : nodes) add_task(node, orders);
}

void Rounds::add_task(NodeId node, Orders& orders, const TaskChanges& changes) {
  orders.emplace_back(clients_.assign(node, changes));
  in_flight_.insert(std::get<Assign>(orders.back()).task);
}

Assign Rounds::aggregation_of(std::int64_t /*round*/, std::vector<TaskId> updates) {
  return clients_.aggregate(std::move(updates));
}

void Rounds::start_round(double now, Orders& orders) {
  const bool ends_early = options_.deadline_s && has_deadline();
  const std::vector<NodeId> nodes = draw();
  if (nodes.empty()) return;  // until a node joins
  waiting_ = false;
  open_ = true;
  ++round_;
  add_tasks(round_, nodes, orders);
  if (ends_early) orders.emplace_back(SetTimer{round_, now + *options_.deadline_s});
}

void Rounds::close_round(Orders& orders) {
  open_ = false;
  if (options_.deadline_s) orders.emplace_back(CancelTimer{round_});
  if (updates_.empty()) {
    waiting_ = true;  // nobody replied: another round
    return;
  }
  orders.emplace_back(aggregation_of(round_, std::exchange(updates_, {})));
}

}  // namespace convoy::sim
