#pragma once

// HeteroFL (Diao et al. 2021, arXiv 2010.01264; code diaoenmao/HeteroFL-Computation-and-
// Communication-Efficient-Federated-Learning-for-Heterogeneous-Clients cc40f3e): rounds in which a
// node trains the first members of each group, as many as its memory class allows, at full depth.
// heterofl.md says what is theirs and what is ours.

#include "sim/schedule/rounds.hpp"

namespace convoy::sim {

struct HeteroFLOptions : RoundsOptions {
  // Their mode "dynamic": in every round a node draws its rate, uniformly, among those of the
  // memory classes that are not above its own. Else ("fix") it keeps its own.
  bool draws_rates = false;
  static constexpr base::Words<bool> modes = {{false, "fix"}, {true, "dynamic"}};
  static constexpr base::Words<bool> norms = {{true, "static"}, {false, "running"}};
};

HeteroFLOptions read_heterofl(base::TableReader& common, base::TableReader& own);

// Reads masked_loss (default on) and scaler (default off): changes to a narrow node's loss and
// activations in HeteroFL's code and in FedRolex's, which began as a copy of it. In their code the
// scaler is on. But without a norm after it and without a clip, activations grow by 1 / rate from
// layer to layer, and training diverges.
void read_narrow_training(base::TableReader& own, engine::LearningRules& learning);

class HeteroFL : public Rounds {
 public:
  HeteroFL(const std::shared_ptr<const Setting>& setting, const HeteroFLOptions& options);

 protected:
  void add_tasks(std::int64_t round, const std::vector<NodeId>& nodes, Orders& orders) override;

 private:
  [[nodiscard]] double drawn_rate(std::int64_t round, NodeId node) const;

  std::uint64_t seed_;
  bool draws_rates_;
  std::vector<double> rates_;  // of the memory classes, rising
};

}  // namespace convoy::sim
