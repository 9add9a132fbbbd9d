#pragma once

// EdgeSplit (arXiv 2403.15815): parallel split learning in rounds, with a cut, a part of the
// bandwidth and a part of the server for each device, planned so that the round is as short as
// possible. Only the abstract is public; edgesplit.md says what is ours.
//
// A round's plan holds for the nodes drawn for it. It is made anew when other nodes are drawn, when
// a speed or a link has changed (split_observer.hpp), or after a time.

#include <memory>
#include <optional>

#include "sim/plan/replanner.hpp"
#include "sim/schedule/edgesplit_options.hpp"
#include "sim/schedule/edgesplit_planner.hpp"
#include "sim/schedule/split_observer.hpp"

namespace convoy::sim {

class EdgeSplit : public Rounds {
 public:
  // Throws base::UserError as EdgeSplitPlanner and as a pool whose tasks are split.
  EdgeSplit(const std::shared_ptr<const Setting>& setting, const EdgeSplitOptions& options);

  Orders on(const Event& event) override;
  [[nodiscard]] std::optional<Explanation> explain(bool compare) const override {
    return planner_->explain(compare);
  }

 protected:
  void add_tasks(std::int64_t round, const std::vector<NodeId>& nodes, Orders& orders) override;

 private:
  EdgeSplit(const std::shared_ptr<const Setting>& setting, const EdgeSplitOptions& options,
            const std::shared_ptr<const EdgeSplitPlanner>& planner);
  // Makes the plan for a round of these nodes, or keeps the one that is there.
  void plan_for(const std::vector<NodeId>& nodes, Orders& orders);

  std::shared_ptr<const EdgeSplitPlanner> planner_;
  int observe_;
  SplitObserver observer_;
  Replanner replanner_;
  RoundPlan plan_;
  ByNode<std::optional<std::size_t>> places_;  // of each node's last task
  double now_ = 0;
};

}  // namespace convoy::sim
