#pragma once

// PruneFL (Jiang et al. 2022, arXiv 1909.12326; code jiangyuang/PruneFL b499d3a): rounds of a model
// whose weights are pruned one by one. The version carries the mask; what it masks is 0 on the
// nodes, and the server keeps its value. In every `every`-th round nodes send their squared
// gradients as well, and the server chooses anew what is kept (engine/model/pruning.hpp). Before
// the first round one node may train and prune alone. prunefl.md says what is theirs and what is
// ours.

#include <string>

#include "engine/api/work.hpp"
#include "sim/schedule/rounds.hpp"

namespace convoy::sim {

struct PruneFLOptions : RoundsOptions {
  int every = 50;                // rounds, from one reconfiguration to the next
  double removal = 0.3;          // share of a layer's kept weights that is up for removal, (0, 1)
  double half_life = 10'000;     // rounds in which that share halves
  double max_density = 1;        // of the prunable weights, (0, 1]
  bool since_the_last = true;    // squared gradients are gathered in all rounds since; else in one
  bool counts_compute = true;    // t_l is transfers and computing; else transfers alone
  double assumed_density = 0.5;  // kept after a reconfiguration, where nothing is learned

  // Before the first round, at one node.
  int adjustments = 0;    // reconfigurations; 0: none, and the first round begins at once
  int steps = 500;        // of each
  std::string node = {};  // its name; empty: that with the most samples
};

PruneFLOptions read_prunefl(base::TableReader& common, base::TableReader& own);

// What a round takes by what is kept: rest_s + sum over the prunable tensors of each x kept.
struct RoundTime {
  double rest_s = 0;
  std::vector<double> each;
};

class PruneFL : public Rounds {
 public:
  // Throws base::UserError where no member has the name of the node that is to begin.
  PruneFL(const std::shared_ptr<const Setting>& setting, PruneFLOptions options);

  // Of the member whose round takes longest by profile and link, since a round waits for it.
  // Transfers: 4 bytes down and 4 up for a weight; computing: its multiplications in all steps.
  [[nodiscard]] const RoundTime& round_time() const { return time_; }

 protected:
  std::vector<NodeId> draw() override;
  void add_tasks(std::int64_t round, const std::vector<NodeId>& nodes, Orders& orders) override;
  Assign aggregation_of(std::int64_t round, std::vector<TaskId> updates) override;
  [[nodiscard]] bool has_deadline() const override { return !is_initial(); }

 private:
  [[nodiscard]] bool is_initial() const { return initial_ < options_.adjustments; }
  // The round under way, or the next one, ends with a reconfiguration.
  [[nodiscard]] bool adjusts() const { return is_initial() || (rounds_ + 1) % options_.every == 0; }
  [[nodiscard]] NodeId node_to_begin() const;
  [[nodiscard]] RoundTime time_of_slowest();

  std::shared_ptr<const Setting> setting_;
  PruneFLOptions options_;
  RoundTime time_;
  NodeId first_ = no_node;   // of those to begin
  int initial_ = 0;          // reconfigurations before the first round
  std::int64_t rounds_ = 0;  // that have made a version, since then
};

}  // namespace convoy::sim
