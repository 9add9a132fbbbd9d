#include "sim/schedule/cos2p.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "sim/schedule/kinds.hpp"

namespace convoy::sim {

ScheduleKind schedules::cos2p() {
  return schedule_kind<CoS2P>("cos2p", "semi-asynchronous: aggregates when a quorum has arrived",
                              read_cos2p);
}

CoS2POptions read_cos2p(base::TableReader& common, base::TableReader& own) {
  CoS2POptions options;
  options.clients =
      read_client_pool(common, {{64, 1.0}, {32, 0.75}, {16, 0.5}, {8, 0.25}}, {}, {}, "in-flight");
  options.at_work = read_at_work(own);
  options.quorum =
      own.number({"quorum", "share of the tasks under way whose updates must have arrived"},
                 base::above(0).up_to(1), options.quorum);
  options.max_staleness = own.integer({"max_staleness", "versions that a task may be behind"},
                                      base::at_least(0).up_to(1e9), options.max_staleness);
  options.drop_stale =
      own.choice({"on_stale", "a task at max_staleness: wait for it, or cancel it"},
                 CoS2POptions::stale_words, options.drop_stale);
  return options;
}

CoS2P::CoS2P(const std::shared_ptr<const Setting>& setting, CoS2POptions options)
    : FederatedSchedule(setting, options.clients),
      options_(std::move(options)),
      workers_(setting->nodes.size()),
      turns_(clients_.turns(options_.at_work)) {}

Orders CoS2P::on(const Event& event) {
  clients_.note(event);
  Orders orders;
  note(event);
  if (!event.last) return orders;
  assign_idle(orders);
  if (options_.drop_stale) drop_stale(orders);
  maybe_aggregate(orders);
  return orders;
}

// b updates of n in flight, b = quorum x n; with a limit n are those at work and the b.
std::optional<double> CoS2P::usual_updates() const {
  const auto members = static_cast<double>(clients_.members().size());
  const auto limit = static_cast<double>(options_.at_work.of(clients_.members().size()));
  const double q = options_.quorum;
  const double all = q * std::min(members, q < 1 ? limit / (1 - q) : members);
  return std::max(1.0, std::ceil(all - 1e-9));
}

void CoS2P::note(const Event& event) {
  switch (event.kind) {
    case EventKind::node_joined:
      if (!clients_.takes_part(event.node)) break;
      turns_.joined(event.node);
      if (worker(event.node).state == State::idle) turns_.rests(event.node);
      break;
    case EventKind::node_lost:
      turns_.lost(event.node);  // what it had under way fails next
      break;
    case EventKind::task_done: {
      Worker& w = worker(event.node);
      if (w.task != event.task) break;
      stop_training(event.node);
      w.state = State::buffered;
      clients_.done(event.task);
      buffered_.push_back(event.node);
      break;
    }
    case EventKind::task_failed:
      task_failed(event);
      break;
    case EventKind::published:
      version_ = event.version;
      for (const NodeId node : std::exchange(aggregating_, {})) {
        worker(node).state = State::idle;
        turns_.rests(node);  // one that is away comes back by node_joined
      }
      break;
    case EventKind::run_started:
    case EventKind::node_changed:
    case EventKind::activity_done:
    case EventKind::evaluated:
    case EventKind::timer_fired:
      break;
  }
}

void CoS2P::stop_training(NodeId node) {
  const auto base = training_bases_.find(worker(node).base);
  if (--base->second == 0) training_bases_.erase(base);
  turns_.ended(node);
}

void CoS2P::task_failed(const Event& event) {
  const NodeId node = clients_.node_of(event.task);
  Worker& w = worker(node);
  if (w.task != event.task || w.state != State::training) return;
  stop_training(node);
  clients_.failed(event.task);
  w.state = State::idle;
  w.task = no_task;
  turns_.rests(node);
}

void CoS2P::assign_idle(Orders& orders) {
  // Tasks started now would begin with a version about to be replaced.
  if (!aggregating_.empty()) return;
  while (const auto node = turns_.next()) {
    Worker& w = worker(*node);
    Assign assign = clients_.assign(*node);
    w.state = State::training;
    w.task = assign.task;
    w.base = version_;
    ++training_bases_[version_];
    orders.emplace_back(std::move(assign));
  }
}

bool CoS2P::somebody_at_bound() const {
  return !training_bases_.empty() &&
         version_ - training_bases_.begin()->first >= options_.max_staleness;
}

void CoS2P::drop_stale(Orders& orders) {
  // With max_staleness = 0 all nodes would be dropped at once: wait for them instead.
  if (options_.max_staleness == 0 || !somebody_at_bound()) return;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    Worker& w = workers_[i];
    if (w.state != State::training || version_ - w.base < options_.max_staleness) continue;
    const auto node = static_cast<NodeId>(i);
    orders.emplace_back(Cancel{w.task});
    clients_.failed(w.task);
    stop_training(node);
    w.state = State::idle;
    turns_.rests(node);
  }
  assign_idle(orders);
}

void CoS2P::maybe_aggregate(Orders& orders) {
  if (!aggregating_.empty() || buffered_.empty() || somebody_at_bound()) return;
  const auto in_flight = static_cast<double>(turns_.at_work() + buffered_.size());
  const double wanted = std::ceil(options_.quorum * in_flight - 1e-9);
  if (static_cast<double>(buffered_.size()) < wanted) return;
  std::vector<TaskId> tasks;
  for (const NodeId node : buffered_) {
    worker(node).state = State::aggregating;
    tasks.push_back(worker(node).task);
  }
  aggregating_ = std::exchange(buffered_, {});
  orders.emplace_back(clients_.aggregate(std::move(tasks)));
}

}  // namespace convoy::sim
