#include "sim/schedule/edgesplit_planner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>

#include "base/text.hpp"
#include "sim/plan/guarantees.hpp"
#include "sim/schedule/split_tables.hpp"

namespace convoy::sim {
namespace {

constexpr const char* cuts_key = "schedule.edgesplit.cuts";
constexpr const char* share_key = "schedule.edgesplit.share";

// The value given for a node, and under which name; null: none is.
template <class T>
const std::pair<const std::string, T>* given_for(const NodeSetting& node, NodeId id,
                                                 const std::map<std::string, T>& values) {
  for (const std::string& key : keys_for(node, id)) {
    if (const auto found = values.find(key); found != values.end()) return &*found;
  }
  return nullptr;
}

template <class T>
std::vector<std::string> names_in(const std::map<std::string, T>& values) {
  std::vector<std::string> names;
  for (const auto& [name, value] : values) names.push_back(name);
  return names;
}

// With other bandwidths than those of the plan, each at most its device's link, and the times that
// follow; the cuts are indices of the problem's.
void set_bandwidths(const SplitProblem& problem, const std::vector<double>& given,
                    SplitPlan& plan) {
  for (std::size_t i = 0; i < given.size(); ++i) {
    const SplitDevice& device = problem.devices[i];
    const Cut& cut = device.cuts[plan.cuts[i]];
    const double bandwidth = std::min(device.link_bytes_per_s, given[i]);
    plan.bandwidth_bytes_per_s[i] = bandwidth;
    const double at_server = cut.server_s > 0 ? cut.server_s / plan.server_shares[i] : 0;
    const double on_the_way = cut.bytes > 0 ? cut.bytes / bandwidth : 0;
    plan.times_s[i] = cut.device_s + cut.messages * device.latency_s + at_server + on_the_way;
  }
  if (problem.shares_are_guaranteed) {
    plan.times_s =
        estimate_guaranteed(problem, plan.cuts, plan.bandwidth_bytes_per_s, plan.server_shares);
  }
  const auto longest = std::ranges::max_element(plan.times_s);
  plan.round_s = *longest;
  plan.bottleneck = static_cast<std::size_t>(longest - plan.times_s.begin());
}

}  // namespace

EdgeSplitPlanner::EdgeSplitPlanner(std::shared_ptr<const Setting> setting,
                                   const EdgeSplitOptions& options)
    : setting_(std::move(setting)), options_(options), problems_(setting_, options.problem) {
  require_known_names(*setting_, names_in(options.cuts), cuts_key);
  require_known_names(*setting_, names_in(options.shares_by_hand), share_key);
  by_hand_.resize(setting_->nodes.size());
  for (NodeId node = 1; node < static_cast<NodeId>(setting_->nodes.size()); ++node) {
    if (setting_->nodes[node].samples == 0) continue;
    if (const auto* cut = given_for(setting_->nodes[node], node, options.cuts)) {
      const std::string key = cut->first.empty() ? cuts_key : cuts_key + ("." + cut->first);
      by_hand_[node] = problems_.read(cut->second, key);
    }
    if (by_hand_[node] || problems_.fits_somewhere(node)) members_.push_back(node);
  }
  if (members_.empty()) return;  // the pool of clients says why
  require_shares();
  if (options.participants.of(members_.size()) >= members_.size()) {
    first_ = plan(members_, problems_.nominal());
    return;
  }
  // Not all of them are at work at once: what each would have if the server held all.
  SplitProblem all = problem(members_, problems_.nominal());
  all.server_memory_bytes = std::numeric_limits<double>::infinity();
  first_ = finish(members_, problems_.nominal(), plan_split(all, by_hand(members_)));
  // The server must hold those of any round.
  [[maybe_unused]] const RoundPlan hardest = plan(most_demanding(), problems_.nominal());
}

void EdgeSplitPlanner::require_shares() const {
  if (options_.shares != BandwidthShares::by_hand) return;
  std::vector<double> shares;
  for (const NodeId node : members_) {
    const auto* share = given_for(setting_->nodes[node], node, options_.shares_by_hand);
    if (share == nullptr) {
      throw base::UserError(
          fmt::format("{}: node {} has none; a table of shares needs one for each "
                      "node, by its name, its group's or its device's",
                      share_key, setting_->nodes[node].name.of(node)));
    }
    shares.push_back(share->second);
  }
  std::ranges::sort(shares, std::greater());
  const std::size_t at_once = std::min(shares.size(), options_.participants.of(shares.size()));
  const double sum =
      std::accumulate(shares.begin(), shares.begin() + static_cast<std::ptrdiff_t>(at_once), 0.0);
  constexpr double rounding = 1e-9;
  if (sum <= 1 + rounding) return;
  throw base::UserError(
      fmt::format("{}: the shares of {} nodes sum to {:.6g}, and may sum to at most 1; lower them "
                  "(the name of a group or a device gives its share to each of its nodes), or let "
                  "them be planned",
                  share_key, at_once, sum));
}

std::vector<NodeId> EdgeSplitPlanner::most_demanding() const {
  const auto least = [&](NodeId node) {
    if (by_hand_[node]) return problems_.cost(node, *by_hand_[node]).server_memory;
    double bytes = std::numeric_limits<double>::infinity();
    for (std::size_t place = 0; place < problems_.places().size(); ++place) {
      const SplitCost& cost = problems_.cost(node, place);
      const double memory = setting_->nodes[node].machine->memory;
      if (memory <= 0 || cost.node_memory <= memory) bytes = std::min(bytes, cost.server_memory);
    }
    return bytes;
  };
  std::vector<NodeId> nodes = members_;
  std::ranges::stable_sort(nodes, std::greater(), least);
  nodes.resize(std::min(nodes.size(), options_.participants.of(nodes.size())));
  std::ranges::sort(nodes);
  return nodes;
}

HandMadeCuts EdgeSplitPlanner::by_hand(std::span<const NodeId> nodes) const {
  HandMadeCuts cuts;
  for (const NodeId node : nodes) cuts.push_back(by_hand_[node]);
  return cuts;
}

SplitProblem EdgeSplitPlanner::problem_of(std::span<const NodeId> nodes,
                                          const ByNode<Condition>& conditions) const {
  SplitProblem problem = problems_.of(nodes, conditions);
  problem.shares_are_guaranteed = options_.shares_hold != SharesHold::at_most;
  return problem;
}

std::vector<double> EdgeSplitPlanner::given_bandwidths(std::span<const NodeId> nodes) const {
  if (options_.shares == BandwidthShares::planned) return {};
  const double all = problems_.bandwidth_bytes_per_s();
  std::vector<double> given;
  for (const NodeId node : nodes) {
    const bool equal = options_.shares == BandwidthShares::equal;
    const double share =
        equal ? 1 / static_cast<double>(nodes.size())
              : given_for(setting_->nodes[node], node, options_.shares_by_hand)->second;
    given.push_back(share * all);
  }
  return given;
}

SplitProblem EdgeSplitPlanner::problem(std::span<const NodeId> nodes,
                                       const ByNode<Condition>& conditions) const {
  SplitProblem problem = problem_of(nodes, conditions);
  const std::vector<double> given = given_bandwidths(nodes);
  for (std::size_t i = 0; i < given.size(); ++i) {
    double& link = problem.devices[i].link_bytes_per_s;
    link = std::min(link, given[i]);
  }
  return problem;
}

RoundPlan EdgeSplitPlanner::finish(std::vector<NodeId> nodes, const ByNode<Condition>& conditions,
                                   SplitPlan plan) const {
  const std::vector<double> given = given_bandwidths(nodes);
  if (!given.empty()) set_bandwidths(problem_of(nodes, conditions), given, plan);
  RoundPlan round{.best_round_s = plan.round_s};
  for (const NodeId node : nodes) {
    round.full.push_back(problems_.full_rates(node, conditions[node].link_bytes_per_s));
  }
  round.nodes = std::move(nodes);
  round.plan = std::move(plan);
  return round;
}

double EdgeSplitPlanner::round_s(const RoundPlan& plan, const ByNode<Condition>& conditions) const {
  const SplitProblem problem = problem_of(plan.nodes, conditions);
  SplitPlan now = plan.plan;
  set_bandwidths(problem, plan.plan.bandwidth_bytes_per_s, now);
  return now.round_s;
}

RoundPlan EdgeSplitPlanner::plan(std::vector<NodeId> nodes,
                                 const ByNode<Condition>& conditions) const {
  SplitPlan made = plan_split(problem(nodes, conditions), by_hand(nodes));
  return finish(std::move(nodes), conditions, std::move(made));
}

RoundPlan EdgeSplitPlanner::replan(std::vector<NodeId> nodes, const ByNode<Condition>& conditions,
                                   const ByNode<std::optional<std::size_t>>& present) const {
  SplitProblem now = problem(nodes, conditions);
  std::vector<std::size_t> cuts;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    std::vector<Cut>& all = now.devices[i].cuts;
    const auto& by_hand = by_hand_[nodes[i]];
    if (!by_hand && !present[nodes[i]]) return plan(std::move(nodes), conditions);
    if (by_hand) all = {all[*by_hand]};
    cuts.push_back(by_hand ? 0 : *present[nodes[i]]);
    if (options_.moves_cost) continue;
    for (Cut& cut : all) cut.weight_bytes = 0;
  }
  Replan decision = sim::replan(now, cuts, options_.replan);
  // Cuts that stay, because they are the best ones, are adopted again.
  const bool kept = !decision.moves && decision.best_round_s < decision.plan.round_s;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (by_hand_[nodes[i]]) decision.plan.cuts[i] = *by_hand_[nodes[i]];
  }
  RoundPlan made = finish(std::move(nodes), conditions, std::move(decision.plan));
  made.adopted = !kept;
  if (kept) made.best_round_s = decision.best_round_s;
  made.cost_s = decision.cost_s;
  return made;
}

SplitWork EdgeSplitPlanner::work(const RoundPlan& plan, std::size_t i) const {
  SplitWork work = problems_.work(plan.plan.cuts.at(i));
  if (options_.shares_hold == SharesHold::nothing) return work;
  const double bandwidth = plan.plan.bandwidth_bytes_per_s.at(i);
  const FullRates& full = plan.full.at(i);
  work.up_bytes_per_s = bandwidth * (full.up / full.limit);
  work.down_bytes_per_s = bandwidth * (full.down / full.limit);
  work.at_least = options_.shares_hold == SharesHold::at_least;
  if (options_.problem.server_is_shared) work.server_share = plan.plan.server_shares.at(i);
  return work;
}

void EdgeSplitPlanner::describe(const RoundPlan& plan, PlanRecord& record) const {
  record.adopted = plan.adopted;
  record.round_s = plan.plan.round_s;
  record.best_round_s = plan.best_round_s;
  record.cost_s = plan.cost_s;
  for (std::size_t i = 0; i < plan.nodes.size(); ++i) {
    const SplitWork split = work(plan, i);
    record.nodes.push_back({.node = plan.nodes[i],
                            .cut = split.cut,
                            .cut_name = problems_.places()[plan.plan.cuts[i]].name,
                            .up_bytes_per_s = split.up_bytes_per_s,
                            .down_bytes_per_s = split.down_bytes_per_s,
                            .server_share = split.server_share,
                            .predicted_s = plan.plan.times_s[i]});
  }
}

SplitWork EdgeSplitPlanner::usual(NodeId node) const {
  const auto found = std::ranges::lower_bound(first_.nodes, node);
  if (found == first_.nodes.end() || *found != node) {
    return problems_.work(by_hand_[node].value_or(problems_.smallest(node)));
  }
  return work(first_, static_cast<std::size_t>(found - first_.nodes.begin()));
}

SplitExplanation EdgeSplitPlanner::explain(bool compare) const {
  const std::vector<NodeId> nodes = most_demanding();
  const ByNode<Condition> nominal = problems_.nominal();
  const auto table = [&](const RoundPlan& round, bool is_bound) {
    SplitTable made = table_of(*setting_, problems_, nodes, round.plan);
    for (std::size_t i = 0; i < made.rows.size(); ++i) {
      const SplitWork split = work(round, i);
      made.rows[i].up_bytes_per_s = split.up_bytes_per_s;
      made.rows[i].down_bytes_per_s = split.down_bytes_per_s;
      if (!options_.problem.server_is_shared) made.rows[i].server_share = 0;
    }
    if (is_bound) made.lower_bound_s = round.plan.lower_bound_s;
    made.is_optimal = is_bound && round.plan.is_optimal;
    return made;
  };
  // A bound of the cuts that were left to the planner, with the bandwidth left to it, too.
  const bool planned_shares = options_.shares == BandwidthShares::planned;
  SplitExplanation explanation{.layers = problems_.layers(),
                               .bandwidth_bytes_per_s = problems_.bandwidth_bytes_per_s()};
  const SplitProblem free = problem_of(nodes, nominal);
  explanation.server_memory = free.server_memory_bytes;
  const bool any_by_hand =
      std::ranges::any_of(nodes, [&](NodeId node) { return by_hand_[node].has_value(); });
  explanation.plan = table(plan(nodes, nominal), planned_shares && !any_by_hand);
  for (SplitRow& row : explanation.plan.rows) row.by_hand = by_hand_[row.node].has_value();
  if (any_by_hand) {
    const SplitPlan planned = plan_split(problem(nodes, nominal));
    explanation.planned = table(finish(nodes, nominal, planned), planned_shares);
  }
  if (nodes.size() < members_.size()) {
    explanation.notes.push_back(fmt::format(
        "a round draws {} of {} devices and is planned for them; this is the plan of those whose "
        "parts need the most of the server's memory",
        nodes.size(), members_.size()));
  }
  if (compare) explanation.alternatives = split_alternatives(free);
  if (free.shares_are_guaranteed) {
    explanation.notes.emplace_back(
        options_.shares_hold == SharesHold::nothing
            ? "cuts alone count: predicted times are estimates, as if the shares were guarantees"
            : "rates and shares are guarantees: predicted times are estimates; nobody takes longer "
              "than with its rate and share as limits");
    if (compare) {
      explanation.notes.emplace_back(
          "the other ways with equal shares, and those one after another, are predicted with "
          "limits");
    }
  }
  return explanation;
}

}  // namespace convoy::sim
