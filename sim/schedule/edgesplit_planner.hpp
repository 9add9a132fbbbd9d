#pragma once

// Plans the rounds of edgesplit: cuts and shares for the nodes of a round, by sim/plan, with what
// is given by hand. Pure: no events, no time.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sim/plan/edgesplit.hpp"
#include "sim/schedule/edgesplit_options.hpp"
#include "sim/schedule/split_explanation.hpp"
#include "sim/schedule/split_problem.hpp"
#include "sim/task/plan_record.hpp"

namespace convoy::sim {

// The plan of a round. `plan.cuts` are indices of SplitProblems::places().
struct RoundPlan {
  std::vector<NodeId> nodes;  // rising
  SplitPlan plan;
  std::vector<FullRates> full;  // by node, with the links as they were known
  bool adopted = true;          // the best cuts found; false: those of before are kept
  double best_round_s = 0;      // predicted, of the best cuts found
  double cost_s = 0;            // of a move to them
};

class EdgeSplitPlanner {
 public:
  // Throws base::UserError for names that are no node's or no layer's, for cuts that do not fit a
  // node's or the server's memory, for shares that sum to more than 1.
  EdgeSplitPlanner(std::shared_ptr<const Setting> setting, const EdgeSplitOptions& options);

  // The nodes with data that some part of the model fits, or that have a cut given by hand.
  [[nodiscard]] const std::vector<NodeId>& members() const { return members_; }
  [[nodiscard]] const SplitProblems& problems() const { return problems_; }
  [[nodiscard]] SharesHold shares_hold() const { return options_.shares_hold; }

  // The first plan of these nodes.
  [[nodiscard]] RoundPlan plan(std::vector<NodeId> nodes,
                               const ByNode<Condition>& conditions) const;
  // A new plan for these nodes, which may keep the cuts as they are (`present`: by node, a place or
  // nothing). Where a node has none, all cuts are planned anew.
  [[nodiscard]] RoundPlan replan(std::vector<NodeId> nodes, const ByNode<Condition>& conditions,
                                 const ByNode<std::optional<std::size_t>>& present) const;

  // The predicted round of a plan under other conditions, its cuts and shares unchanged.
  [[nodiscard]] double round_s(const RoundPlan& plan, const ByNode<Condition>& conditions) const;

  // The work of the i-th node of a plan.
  [[nodiscard]] SplitWork work(const RoundPlan& plan, std::size_t i) const;
  // Sets all of the record but the cause and the plan of before.
  void describe(const RoundPlan& plan, PlanRecord& record) const;
  // What a node's task is beforehand, for memory: by the plan of all, or its smallest part.
  [[nodiscard]] SplitWork usual(NodeId node) const;

  // See Schedule::explain().
  [[nodiscard]] SplitExplanation explain(bool compare) const;

 private:
  [[nodiscard]] HandMadeCuts by_hand(std::span<const NodeId> nodes) const;
  // All that the nodes' links give; problem(): at most what is given by hand.
  [[nodiscard]] SplitProblem problem_of(std::span<const NodeId> nodes,
                                        const ByNode<Condition>& conditions) const;
  [[nodiscard]] SplitProblem problem(std::span<const NodeId> nodes,
                                     const ByNode<Condition>& conditions) const;
  // Most that each of these nodes gets of the bandwidth, where that is given; else empty.
  [[nodiscard]] std::vector<double> given_bandwidths(std::span<const NodeId> nodes) const;
  [[nodiscard]] RoundPlan finish(std::vector<NodeId> nodes, const ByNode<Condition>& conditions,
                                 SplitPlan plan) const;
  void require_shares() const;
  // Nodes of one round, those that need the most of the server's memory.
  [[nodiscard]] std::vector<NodeId> most_demanding() const;

  std::shared_ptr<const Setting> setting_;
  EdgeSplitOptions options_;
  SplitProblems problems_;
  ByNode<std::optional<std::size_t>> by_hand_;  // places
  std::vector<NodeId> members_;
  RoundPlan first_;
};

}  // namespace convoy::sim
