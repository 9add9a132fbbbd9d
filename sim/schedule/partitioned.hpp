#pragma once

// Partitioned edge learning (arXiv 2003.04544): in each round a device updates a block of the
// model's parameters. Blocks and shares of the server's bandwidth are planned together, so that all
// devices end at once (sim/plan/partitioned.hpp). See partitioned.md.

#include "sim/schedule/rounds.hpp"

namespace convoy::sim {

struct PartitionedOptions : RoundsOptions {
  std::optional<double> bandwidth_mbps;  // of each direction, shared; nothing: the server's link
};

PartitionedOptions read_partitioned(base::TableReader& common, base::TableReader& own);

// A round as planned: the parameters in the order of the nodes.
struct PartitionedRound {
  struct Part {
    NodeId node = no_node;
    BlockWork block;
    double seconds = 0;  // from the round's start to the upload's end, with nothing in the way
  };
  std::vector<Part> parts;  // of nodes with a block
  double seconds = 0;       // the longest; the aggregation is not in it
};

// The round of these nodes. `work`: of a node, without a block. Throws base::UserError where there
// is no plan: a link without a rate, computing that takes no time.
PartitionedRound plan_round(const Setting& setting, std::vector<NodeId> nodes,
                            const LocalWork& work, bool keeps_received,
                            std::optional<double> bandwidth_mbps);

class Partitioned : public Rounds {
 public:
  // Throws base::UserError for options that cannot be had with blocks, and where there is no plan.
  Partitioned(const std::shared_ptr<const Setting>& setting, const PartitionedOptions& options);

  // The tasks of a round of all members.
  [[nodiscard]] std::vector<PlannedTask> plan() const override;

 protected:
  void add_tasks(std::int64_t round, const std::vector<NodeId>& nodes, Orders& orders) override;

 private:
  [[nodiscard]] PartitionedRound planned(const std::vector<NodeId>& nodes) const;

  std::shared_ptr<const Setting> setting_;
  std::optional<double> bandwidth_mbps_;
  std::vector<NodeId> planned_for_;  // the nodes of `round_plan_`
  PartitionedRound round_plan_;
};

}  // namespace convoy::sim
