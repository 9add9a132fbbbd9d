#include "sim/schedule/fedavg.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "sim/schedule/kinds.hpp"

namespace convoy::sim {

ScheduleKind schedules::fedavg() {
  return schedule_kind<FedAvg>("fedavg", "rounds that end when all have answered", read_fedavg);
}

FedAvgOptions read_fedavg(base::TableReader& common, base::TableReader& own) {
  FedAvgOptions options;
  options.clients = read_client_pool(common, {}, {.weight = 0});
  const base::Key participants(
      "participants", "of a round: a number of nodes, or a share of those there (0.1; 1.0: all)",
      "all that are there");
  for (const bool share : own.either<double>("participants")) {
    // An integer 2.0 is a number of nodes, but 1.0 (as in 0.1, 0.5, 1.0) is the share of all nodes.
    const base::Value* raw = share ? own.raw(participants.name) : nullptr;
    const double* number = raw != nullptr ? raw->as<double>() : nullptr;
    if (share && (number == nullptr || *number <= 1 || *number != std::floor(*number))) {
      options.participant_share = own.maybe_number(participants, base::above(0).up_to(1));
    } else {
      options.participants = own.maybe_integer(participants, base::at_least(1));
    }
  }
  options.deadline_s = own.maybe_number(
      {"deadline_s", "s after a round's start at which it ends without the rest", "none"},
      base::above(0));
  return options;
}

FedAvg::FedAvg(const std::shared_ptr<const Setting>& setting, FedAvgOptions options)
    : FederatedSchedule(setting, options.clients),
      options_(std::move(options)),
      random_({setting->seed, 0x666564617667ULL}),
      present_(setting->nodes.size(), true) {}

Orders FedAvg::on(const Event& event) {
  Orders orders;
  note(event, orders);
  if (!event.last) return orders;
  if (open_ && in_flight_.empty()) close_round(orders);
  if (waiting_) start_round(event.time, orders);
  return orders;
}

void FedAvg::note(const Event& event, Orders& orders) {
  switch (event.kind) {
    case EventKind::node_joined:
      present_[static_cast<std::size_t>(event.node)] = true;
      break;
    case EventKind::node_lost:
      present_[static_cast<std::size_t>(event.node)] = false;
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
      std::sort(orders.begin(), orders.end(), [](const Order& a, const Order& b) {
        return std::get<Cancel>(a).task < std::get<Cancel>(b).task;
      });
      in_flight_.clear();
      break;
    case EventKind::published:
      waiting_ = true;
      break;
    default:
      break;
  }
}

std::vector<NodeId> FedAvg::draw() {
  std::vector<NodeId> nodes;
  for (const NodeId node : clients_.members()) {
    if (present_[static_cast<std::size_t>(node)]) nodes.push_back(node);
  }
  std::size_t wanted = nodes.size();
  if (options_.participants) wanted = static_cast<std::size_t>(*options_.participants);
  if (options_.participant_share) {
    const double share = *options_.participant_share * static_cast<double>(nodes.size());
    wanted = std::max<std::size_t>(1, static_cast<std::size_t>(std::llround(share)));
  }
  if (wanted >= nodes.size()) return nodes;
  for (std::size_t i = 0; i < wanted; ++i) {
    std::swap(nodes[i], nodes[i + random_.below(nodes.size() - i)]);
  }
  nodes.resize(wanted);
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

void FedAvg::start_round(double now, Orders& orders) {
  const std::vector<NodeId> nodes = draw();
  if (nodes.empty()) return;  // until a node joins
  waiting_ = false;
  open_ = true;
  ++round_;
  for (const NodeId node : nodes) {
    Assign assign = clients_.assign(node);
    in_flight_.insert(assign.task);
    orders.emplace_back(std::move(assign));
  }
  if (options_.deadline_s) orders.emplace_back(SetTimer{round_, now + *options_.deadline_s});
}

void FedAvg::close_round(Orders& orders) {
  open_ = false;
  if (options_.deadline_s) orders.emplace_back(CancelTimer{round_});
  if (updates_.empty()) {
    waiting_ = true;  // no replies: begin another round
    return;
  }
  orders.emplace_back(clients_.aggregate(std::exchange(updates_, {})));
}

}  // namespace convoy::sim
