#include "sim/plan/edgesplit.hpp"

#include <algorithm>

#include "sim/plan/alternation.hpp"
#include "sim/plan/cut_search.hpp"
#include "sim/plan/guarantees.hpp"

namespace convoy::sim {
namespace {

// Whether nothing of `a` is more than of `b`.
bool at_most(const SplitOption& a, const SplitOption& b) {
  return a.demand.fixed_s <= b.demand.fixed_s && a.demand.bytes <= b.demand.bytes &&
         a.demand.server_s <= b.demand.server_s && a.server_bytes <= b.server_bytes;
}

// Without the cuts that another cut of the device makes needless (of equal ones the first stays),
// and those that alone exceed the server's memory.
SplitOptions without_needless(const SplitOptions& all) {
  SplitOptions some = all;
  for (std::size_t i = 0; i < all.devices.size(); ++i) {
    const auto& device = all.devices[i];
    auto& kept = some.devices[i];
    kept.clear();
    for (std::size_t c = 0; c < device.size(); ++c) {
      bool needless = device[c].server_bytes > all.server_bytes;
      for (std::size_t other = 0; other < device.size() && !needless; ++other) {
        const bool as_good = at_most(device[other], device[c]);
        needless = other != c && as_good && (other < c || !at_most(device[c], device[other]));
      }
      if (!needless) kept.push_back(device[c]);
    }
  }
  return some;
}

std::size_t first_largest(const std::vector<double>& values) {
  return static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

SplitPlan plan_of(const SplitOptions& options, const Choice& choice, const Shares& shares) {
  SplitPlan plan;
  for (std::size_t i = 0; i < choice.size(); ++i) {
    plan.cuts.push_back(options.devices[i][choice[i]].cut);
  }
  plan.bandwidth_bytes_per_s = shares.bandwidth;
  plan.server_shares = shares.server;
  if (!options.server_is_shared) plan.server_shares.assign(choice.size(), 1);
  plan.times_s = shares.times_s;
  plan.round_s = shares.round_s;
  plan.sensitivity = shares.sensitivity;
  plan.bottleneck = first_largest(shares.sensitivity);
  return plan;
}

}  // namespace

SplitPlan plan_split(const SplitProblem& problem, const HandMadeCuts& by_hand) {
  const SplitOptions options = without_needless(options_of(problem, by_hand));
  CutSearch search(options);
  int steps = 0;
  for (const Shares& start : first_shares(options)) {
    const Alternation run = alternate(options, start);
    steps += static_cast<int>(run.steps.size());
    search.offer(run.choice);
  }
  search.run();
  SplitPlan plan = plan_of(options, search.best(), search.shares());
  plan.lower_bound_s = std::min(search.lower_bound_s(), plan.round_s);
  plan.is_optimal = search.is_optimal();
  plan.iterations = steps + search.evaluated();
  if (problem.shares_are_guaranteed) return plan_guaranteed(problem, by_hand, plan);
  return plan;
}

SplitPlan evaluate_split(const SplitProblem& problem, std::span<const std::size_t> cuts) {
  return plan_split(problem, HandMadeCuts(cuts.begin(), cuts.end()));
}

}  // namespace convoy::sim
