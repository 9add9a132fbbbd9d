#include "sim/schedule/buffered.hpp"

#include <cmath>
#include <utility>

namespace convoy::sim {

BufferedOptions read_buffered_without_limit(base::TableReader& common, base::TableReader& own,
                                            const std::string& default_rule) {
  BufferedOptions options;
  options.clients = read_client_pool(common, {}, {.weight = 0}, {}, default_rule);
  options.max_staleness = own.maybe_integer(
      {"max_staleness", "versions that an update may be behind; an older one is dropped", "none"},
      base::at_least(0).up_to(1e9));
  return options;
}

BufferedOptions read_buffered(base::TableReader& common, base::TableReader& own,
                              const std::string& default_rule) {
  BufferedOptions options = read_buffered_without_limit(common, own, default_rule);
  options.at_work = read_at_work(own);
  return options;
}

namespace {

// Shares as numbers of the nodes that take part.
BufferedOptions counted(BufferedOptions options, std::size_t members) {
  const auto of = [&](double share) {
    constexpr double slack = 1e-9;  // 0.1 of 10 is 1
    return static_cast<std::int64_t>(std::ceil(share * static_cast<double>(members) - slack));
  };
  if (options.at_work_share && of(*options.at_work_share) < static_cast<std::int64_t>(members)) {
    options.at_work.number = of(*options.at_work_share);  // else nothing is to be decided
  }
  if (options.buffer_share) options.buffer = of(*options.buffer_share);
  return options;
}

}  // namespace

Buffered::Buffered(const std::shared_ptr<const Setting>& setting, BufferedOptions options)
    : FederatedSchedule(setting, options.clients),
      options_(counted(std::move(options), clients_.members().size())),
      turns_(clients_.turns(options_.at_work)) {}

Orders Buffered::on(const Event& event) {
  clients_.note(event);
  Orders orders;
  note(event);
  if (!event.last) return orders;
  take_in(orders);
  assign(orders);
  // No node is at work and none can get work: no more updates would come.
  if (turns_.at_work() == 0 && !buffer_.empty()) aggregate(orders);
  return orders;
}

void Buffered::note(const Event& event) {
  switch (event.kind) {
    case EventKind::node_joined:
      if (!clients_.takes_part(event.node)) break;
      turns_.joined(event.node);
      turns_.rests(event.node);
      break;
    case EventKind::node_lost:
      turns_.lost(event.node);  // what it had under way fails next
      break;
    case EventKind::task_done:
    case EventKind::task_failed:
      task_ended(event);
      break;
    case EventKind::published:
      version_ = event.version;
      for (const NodeId node : wait_for_.at(event.task)) is_free(node);
      wait_for_.erase(event.task);
      break;
    case EventKind::run_started:
    case EventKind::node_changed:
    case EventKind::activity_done:
    case EventKind::evaluated:
    case EventKind::timer_fired:
      break;
  }
}

void Buffered::task_ended(const Event& event) {
  const auto found = training_.find(event.task);
  if (found == training_.end()) return;  // an aggregation
  const Training ended = found->second;
  training_.erase(found);
  if (event.kind == EventKind::task_failed) {
    clients_.failed(event.task);
    is_free(ended.node);
    return;
  }
  clients_.done(event.task);
  came_in_.push_back({event.task, ended.node, ended.base});
}

void Buffered::is_free(NodeId node) {
  turns_.ended(node);
  turns_.rests(node);
}

// An update is applied to the version that exists when all aggregations under way are done: they
// end in their order, since each is one activity of the server. In the buffer its staleness does
// not grow: only a full buffer makes a version, which contains the update.
void Buffered::take_in(Orders& orders) {
  for (const Update& update : std::exchange(came_in_, {})) {
    const std::int64_t staleness = version_ + std::ssize(wait_for_) - update.base;
    if (options_.max_staleness && staleness > *options_.max_staleness) {
      orders.emplace_back(Cancel{update.task});
      clients_.failed(update.task);
      is_free(update.node);
      continue;
    }
    buffer_.push_back(update.task);
    just_buffered_.push_back(update.node);
    if (std::ssize(buffer_) == options_.buffer) aggregate(orders);
  }
  for (const NodeId node : std::exchange(just_buffered_, {})) is_free(node);
}

void Buffered::aggregate(Orders& orders) {
  const Assign aggregation = clients_.aggregate(std::exchange(buffer_, {}));
  wait_for_[aggregation.task] = std::exchange(just_buffered_, {});
  orders.emplace_back(aggregation);
}

void Buffered::assign(Orders& orders) {
  while (const auto node = turns_.next()) {
    Assign assign = clients_.assign(*node);
    training_[assign.task] = {*node, version_};
    orders.emplace_back(std::move(assign));
  }
}

}  // namespace convoy::sim
