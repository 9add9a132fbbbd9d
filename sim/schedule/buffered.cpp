#include "sim/schedule/buffered.hpp"

#include <utility>

namespace convoy::sim {

BufferedOptions read_buffered(base::TableReader& common, base::TableReader& own,
                              const std::string& default_rule) {
  BufferedOptions options;
  options.clients = read_client_pool(common, {}, {.weight = 0}, {}, default_rule);
  options.at_work = read_at_work(own);
  options.max_staleness = own.maybe_integer(
      {"max_staleness", "versions that an update may be behind; an older one is dropped", "none"},
      base::at_least(0).up_to(1e9));
  return options;
}

Buffered::Buffered(const std::shared_ptr<const Setting>& setting, BufferedOptions options)
    : FederatedSchedule(setting, options.clients),
      options_(std::move(options)),
      turns_(setting->seed, setting->nodes.size(), options_.at_work) {
  keep_to_members(turns_, clients_, setting->nodes.size());
}

Orders Buffered::on(const Event& event) {
  Orders orders;
  note(event);
  if (!event.last) return orders;
  while (const auto node = turns_.next()) {
    Assign assign = clients_.assign(*node);
    training_[assign.task] = {*node, version_};
    orders.emplace_back(std::move(assign));
  }
  take_in(orders);
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
      --being_made_;
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
  turns_.ended(ended.node);
  turns_.rests(ended.node);
  if (event.kind == EventKind::task_failed) {
    clients_.failed(event.task);
    return;
  }
  clients_.done(event.task);
  came_in_.push_back({event.task, ended.base});
}

// An update is applied to the version that exists when all aggregations under way are done. In the
// buffer its staleness does not grow: only a full buffer makes a version, which contains the
// update.
void Buffered::take_in(Orders& orders) {
  for (const Update& update : std::exchange(came_in_, {})) {
    const std::int64_t staleness = version_ + being_made_ - update.base;
    if (options_.max_staleness && staleness > *options_.max_staleness) {
      orders.emplace_back(Cancel{update.task});
      clients_.failed(update.task);
      continue;
    }
    buffer_.push_back(update.task);
    if (std::ssize(buffer_) == options_.buffer) aggregate(orders);
  }
}

void Buffered::aggregate(Orders& orders) {
  orders.emplace_back(clients_.aggregate(std::exchange(buffer_, {})));
  ++being_made_;
}

}  // namespace convoy::sim
