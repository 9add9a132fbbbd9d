#pragma once

// Sequential split learning (Gupta & Raskar 2018, arXiv 1810.06060): the devices train one after
// another, each its first layers with the server, which has the rest (split_update.hpp). What one
// has trained is the next version of the model, from which the next one starts.
//
// Faithful: one device at a time, each once in a round. Ours: a device gets its part from the
// server and sends it back there (the authors also let clients hand it on from one to the next);
// optimizers are new for each device; a device that is lost is left out, and nothing of its task
// counts, on neither side.

#include <deque>

#include "sim/schedule/client_pool.hpp"
#include "sim/schedule/common_cut.hpp"
#include "sim/schedule/split_keys.hpp"

namespace convoy::sim {

struct SplitLearningOptions {
  static constexpr base::Words<bool> orders = {{false, "fleet"}, {true, "random"}};
  ClientPoolOptions clients;
  SplitKeys split;
  bool random_order = false;  // drawn for each round; else that of the fleet
};

SplitLearningOptions read_splitlearning(base::TableReader& common, base::TableReader& own);

class SplitLearning : public FederatedSchedule {
 public:
  // Errors as SplitFed; also where an aggregation is asked for, since there is none.
  SplitLearning(const std::shared_ptr<const Setting>& setting, const SplitLearningOptions& options);

  Orders on(const Event& event) override;
  [[nodiscard]] std::optional<Explanation> explain(bool compare) const override;
  [[nodiscard]] std::vector<PlannedTask> plan() const override;
  [[nodiscard]] std::optional<double> usual_updates() const override { return 1; }

 protected:
  [[nodiscard]] std::size_t most_updates() const override { return 1; }
  [[nodiscard]] std::size_t most_behind() const override { return 0; }

 private:
  void note(const Event& event);
  // The present nodes in the order of a new round.
  void begin_round();
  // The next node; no_node: none is present.
  NodeId next();

  std::shared_ptr<const Setting> setting_;
  CommonCut cut_;
  bool random_order_;
  base::Random random_;
  ByNode<bool> present_;
  std::deque<NodeId> waiting_;  // of this round
  TaskId at_work_ = no_task;
};

}  // namespace convoy::sim
