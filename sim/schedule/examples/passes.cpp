// Example of a schedule with repeated tasks: in each round every node repeats its task (download,
// train, upload) `passes` times, then its last update is aggregated. Training continues from pass
// to pass.

#include <set>

#include "sim/schedule/client_pool.hpp"
#include "sim/schedule/kinds.hpp"

namespace convoy::sim {
namespace {

struct PassesOptions {
  ClientPoolOptions clients;
  std::int64_t passes = 3;
};

PassesOptions read_passes(base::TableReader& common, base::TableReader& own) {
  PassesOptions o{read_client_pool(common, {}, {.weight = 0})};
  o.passes = own.integer({"passes", "times that a node repeats its task"},
                         base::at_least(1).up_to(1000), o.passes);
  return o;
}

class Passes : public FederatedSchedule {
 public:
  Passes(const std::shared_ptr<const Setting>& setting, const PassesOptions& options)
      : FederatedSchedule(setting, options.clients), passes_(static_cast<int>(options.passes)) {}

  Orders on(const Event& event) override {
    clients_.note(event);
    Orders orders;
    const bool ours = at_work_.erase(event.task) > 0;  // not an aggregation's
    if (ours && event.kind == EventKind::task_done) {
      clients_.done(event.task);
      updates_.push_back(event.task);
    } else if (ours) {
      clients_.failed(event.task);
    }
    if (event.kind == EventKind::published) begins_ = true;
    if (!event.last || !at_work_.empty()) return orders;
    if (begins_ || (updates_.empty() && event.kind == EventKind::node_joined)) {
      begins_ = false;
      for (const NodeId node : clients_.members())
        orders.emplace_back(repeated(clients_.assign(node)));
    } else if (!updates_.empty()) {
      orders.emplace_back(clients_.aggregate(std::exchange(updates_, {})));
    }
    return orders;
  }

 private:
  Assign repeated(Assign assign) {
    const auto graph = std::make_shared<TaskGraph>(*assign.graph);
    graph->repeat(passes_);
    assign.graph = graph;
    at_work_.insert(assign.task);
    return assign;
  }

  int passes_;
  std::set<TaskId> at_work_;
  std::vector<TaskId> updates_;
  bool begins_ = true;  // the next round
};

}  // namespace

ScheduleKind schedules::passes() {
  return schedule_kind<Passes>("passes", "rounds of tasks that are repeated (an example)",
                               read_passes);
}

}  // namespace convoy::sim
