#pragma once

// The schedule of Co-S2P (arXiv 2410.08457; code: github lee355/Co-S2P): submodels by memory class,
// semi-asynchronous aggregation. The trigger is ours; the published controller waits for every
// node. Aggregates when ceil(quorum x n) updates are buffered. n counts the tasks assigned and not
// yet aggregated, without those of lost nodes (but with their received updates). Counting only
// tasks assigned since the last aggregation would let n shrink to 1. No task may become older than
// max_staleness versions: the server waits for it, or drops it.

#include <map>

#include "sim/schedule/client_pool.hpp"

namespace convoy::sim {

struct CoS2POptions {
  ClientPoolOptions clients;
  double quorum = 0.5;              // (0, 1]
  std::int64_t max_staleness = 10;  // versions, >= 0
  bool drop_stale = false;          // drop stale tasks instead of waiting
};

CoS2POptions read_cos2p(base::TableReader& common, base::TableReader& own);

class CoS2P : public FederatedSchedule {
 public:
  CoS2P(const std::shared_ptr<const Setting>& setting, CoS2POptions options);

  Orders on(const Event& event) override;

 private:
  enum class State { idle, training, buffered, aggregating };
  struct Worker {
    State state = State::idle;
    bool present = true;
    TaskId task = no_task;
    std::int64_t base = 0;  // version that the node's task started from
  };

  Worker& worker(NodeId node) { return workers_[static_cast<std::size_t>(node)]; }
  void note(const Event& event);
  void task_failed(const Event& event);
  void assign_idle(Orders& orders);
  void stop_training(Worker& w);
  void maybe_aggregate(Orders& orders);
  void drop_stale(Orders& orders);
  [[nodiscard]] bool somebody_at_bound() const;

  CoS2POptions options_;
  std::vector<Worker> workers_;
  std::vector<NodeId> idle_;                    // to be given work
  std::vector<NodeId> buffered_;                // their updates wait to be aggregated
  std::vector<NodeId> aggregating_;             // their updates are being aggregated
  std::map<std::int64_t, int> training_bases_;  // base -> tasks under way
  std::int64_t version_ = 0;
  int training_ = 0;
};

}  // namespace convoy::sim
