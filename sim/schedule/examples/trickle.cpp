// A complete example of a schedule: each update makes a version at once; at most `at_work` nodes
// train at the same time, and the node that has waited longest is next.
#include <deque>
#include <set>

#include "sim/schedule/client_pool.hpp"
#include "sim/schedule/kinds.hpp"

namespace convoy::sim {
namespace {
struct TrickleOptions {
  ClientPoolOptions clients;  // who takes part, with which submodel; how updates are aggregated
  std::int64_t at_work = 4;
};

TrickleOptions read_trickle(base::TableReader& common, base::TableReader& own) {
  TrickleOptions o{read_client_pool(common, {}, {.weight = 0})};
  o.at_work = own.integer({"at_work", "nodes that train at once"}, base::at_least(1), o.at_work);
  return o;
}

class Trickle : public FederatedSchedule {
 public:
  Trickle(const std::shared_ptr<const Setting>& setting, const TrickleOptions& options)
      : FederatedSchedule(setting, options.clients),
        most_(options.at_work),
        waiting_(clients_.members().begin(), clients_.members().end()) {}

  Orders on(const Event& event) override {
    clients_.note(event);
    Orders orders;
    const bool ours = at_work_.erase(event.task) > 0;  // not an aggregation's
    bool waits = ours && event.cause != Cause::node_lost;
    if (ours && event.kind == EventKind::task_done) {
      clients_.done(event.task);
      orders.emplace_back(clients_.aggregate({event.task}));  // any number may be under way
    } else if (ours) {
      clients_.failed(event.task);
    }
    if (event.kind == EventKind::node_joined) waits = clients_.takes_part(event.node);
    if (event.kind == EventKind::node_lost) std::erase(waiting_, event.node);
    if (waits) waiting_.push_back(event.node);
    while (event.last && !waiting_.empty() && std::ssize(at_work_) < most_) {
      orders.emplace_back(clients_.assign(waiting_.front()));
      at_work_.insert(std::get<Assign>(orders.back()).task);
      waiting_.pop_front();
    }
    return orders;
  }

 private:
  std::int64_t most_;
  std::deque<NodeId> waiting_;
  std::set<TaskId> at_work_;
};
}  // namespace

ScheduleKind schedules::trickle() {
  return schedule_kind<Trickle>("trickle", "every update makes a version at once", read_trickle);
}
}  // namespace convoy::sim
