#pragma once

// The schedule of Co-S2P (arXiv 2410.08457; code: github lee355/Co-S2P): submodels by memory class,
// semi-asynchronous aggregation. The trigger is ours, since the published controller waits for
// every node: aggregate as soon as ceil(quorum x n) updates are buffered, n being the tasks
// assigned and not yet aggregated, but those of lost nodes (an update that came in counts, even if
// its node was lost since); but never let a task grow older than max_staleness versions: then wait
// for it, or drop it. Were n only what was assigned since the last aggregation, it would shrink
// from one to the next until each waited for a single update. With a limit of nodes at work (ours,
// at_work) whoever has answered makes room for the next at once.

#include <map>

#include "sim/schedule/client_pool.hpp"

namespace convoy::sim {

struct CoS2POptions {
  ClientPoolOptions clients;
  HowMany at_work;                  // all: no limit
  double quorum = 0.5;              // (0, 1]
  std::int64_t max_staleness = 10;  // versions, >= 0
  bool drop_stale = false;          // instead of waiting
  static constexpr base::Words<bool> stale_words = {{false, "wait"}, {true, "drop"}};
};

CoS2POptions read_cos2p(base::TableReader& common, base::TableReader& own);

class CoS2P : public FederatedSchedule {
 public:
  CoS2P(const std::shared_ptr<const Setting>& setting, CoS2POptions options);

  Orders on(const Event& event) override;
  [[nodiscard]] std::optional<double> usual_updates() const override;

 protected:
  [[nodiscard]] std::size_t most_behind() const override {
    return static_cast<std::size_t>(options_.max_staleness);
  }

 private:
  enum class State { idle, training, buffered, aggregating };
  struct Worker {
    State state = State::idle;
    TaskId task = no_task;
    std::int64_t base = 0;  // version that the node's task started from
  };

  Worker& worker(NodeId node) { return workers_[node]; }
  void note(const Event& event);
  void task_failed(const Event& event);
  void assign_idle(Orders& orders);
  void stop_training(NodeId node);
  void maybe_aggregate(Orders& orders);
  void drop_stale(Orders& orders);
  [[nodiscard]] bool somebody_at_bound() const;

  CoS2POptions options_;
  ByNode<Worker> workers_;
  Turns turns_;                                 // who is given work next
  std::vector<NodeId> buffered_;                // their updates wait
  std::vector<NodeId> aggregating_;             // their updates are being aggregated
  std::map<std::int64_t, int> training_bases_;  // base -> tasks under way
  std::int64_t version_ = 0;
};

}  // namespace convoy::sim
