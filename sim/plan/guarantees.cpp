#include "sim/plan/guarantees.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "sim/plan/split_options.hpp"

namespace convoy::sim {
namespace {

// A device's use of what is shared: up, down, and the server.
struct Use {
  double amount = 0;      // bytes; seconds at the whole server
  double guaranteed = 0;  // bytes/s; a share
  double most = 0;        // bytes/s; 1

  [[nodiscard]] double longest() const { return amount > 0 ? amount / guaranteed : 0; }
};

struct Device {
  double fixed_s = 0;
  std::array<Use, 3> uses;
};

constexpr std::size_t shared_things = 3;
using Capacities = std::array<double, shared_things>;

// The fixed point, from the longest times down.
std::vector<double> estimated(std::span<const Device> devices, const Capacities& capacity) {
  constexpr int most_steps = 200;
  constexpr double smallest = 1e-9;  // relative change
  std::vector<std::array<double, shared_things>> took(devices.size());
  std::vector<double> times(devices.size());
  for (std::size_t i = 0; i < devices.size(); ++i) {
    times[i] = devices[i].fixed_s;
    for (std::size_t k = 0; k < shared_things; ++k) {
      took[i][k] = devices[i].uses[k].longest();
      times[i] += took[i][k];
    }
  }
  for (int step = 0; step < most_steps; ++step) {
    Capacities load{};        // mean use
    Capacities guarantees{};  // of those that use it at a time, on average
    for (std::size_t i = 0; i < devices.size(); ++i) {
      if (times[i] <= 0) continue;
      for (std::size_t k = 0; k < shared_things; ++k) {
        load[k] += devices[i].uses[k].amount / times[i];
        guarantees[k] += took[i][k] / times[i] * devices[i].uses[k].guaranteed;
      }
    }
    double change = 0;
    for (std::size_t i = 0; i < devices.size(); ++i) {
      double sum = devices[i].fixed_s;
      for (std::size_t k = 0; k < shared_things; ++k) {
        const Use& use = devices[i].uses[k];
        if (use.amount <= 0) continue;
        const double left = capacity[k] - (load[k] - use.amount / times[i]);
        const double others = guarantees[k] - took[i][k] / times[i] * use.guaranteed;
        const double part = capacity[k] * use.guaranteed / (use.guaranteed + std::max(0.0, others));
        const double rate = std::max(use.guaranteed, std::min(use.most, std::max(left, part)));
        took[i][k] = (took[i][k] + use.amount / rate) / 2;  // half way, so that it does not swing
        sum += took[i][k];
      }
      if (times[i] > 0) change = std::max(change, std::abs(sum - times[i]) / times[i]);
      times[i] = sum;
    }
    if (change < smallest) break;
  }
  return times;
}

Device device_of(const SplitProblem& problem, std::size_t i, std::size_t cut, double bandwidth,
                 double server_share) {
  const Cut& c = problem.devices[i].cuts[cut];
  const Demand demand = demand_of(problem, i, cut);
  const double up = std::clamp(c.bytes_up, 0.0, c.bytes);
  return {demand.fixed_s,
          {Use{up, bandwidth, demand.limit}, Use{c.bytes - up, bandwidth, demand.limit},
           Use{demand.server_s, server_share, 1}}};
}

// Devices with the same options, by the first of them: their cuts move together.
std::vector<std::vector<std::size_t>> kinds_of(const SplitOptions& options) {
  std::vector<std::vector<std::size_t>> kinds;
  for (std::size_t i = 0; i < options.devices.size(); ++i) {
    const auto same = std::ranges::find_if(kinds, [&](const auto& kind) {
      return options.devices[kind.front()] == options.devices[i];
    });
    if (same == kinds.end()) {
      kinds.push_back({i});
    } else {
      same->push_back(i);
    }
  }
  return kinds;
}

class GuaranteedSearch {
 public:
  GuaranteedSearch(const SplitProblem& problem, const SplitOptions& options)
      : problem_(problem), options_(options), kinds_(kinds_of(options)) {}

  void offer(const Choice& choice) {
    if (!known_.insert(choice).second || !fits_server(options_, choice)) return;
    SplitPlan plan;
    const Shares shares = best_shares(demands_of(options_, choice), options_.bandwidth);
    for (std::size_t i = 0; i < choice.size(); ++i) {
      plan.cuts.push_back(options_.devices[i][choice[i]].cut);
    }
    plan.bandwidth_bytes_per_s = shares.bandwidth;
    plan.server_shares = shares.server;
    if (!options_.server_is_shared) plan.server_shares.assign(choice.size(), 1);
    plan.times_s =
        estimate_guaranteed(problem_, plan.cuts, plan.bandwidth_bytes_per_s, plan.server_shares);
    plan.round_s = *std::ranges::max_element(plan.times_s);
    const double sum = std::accumulate(plan.times_s.begin(), plan.times_s.end(), 0.0);
    // Of rounds that are as long, the one in which the others are done sooner.
    const bool shorter = plan.round_s < best_.round_s * (1 - margin);
    const bool as_long = plan.round_s <= best_.round_s * (1 + margin);
    if (!shorter && !(as_long && sum < sum_ * (1 - margin))) return;
    best_ = std::move(plan);
    choice_ = choice;
    sum_ = sum;
  }

  void improve() {
    bool better = !choice_.empty();
    while (better && known_.size() < most_evaluated) {
      better = false;
      for (const std::vector<std::size_t>& kind : kinds_) {
        const Choice before = choice_;
        for (std::size_t option = 0; option < options_.devices[kind.front()].size(); ++option) {
          Choice other = before;
          for (const std::size_t device : kind) other[device] = option;
          offer(other);
        }
        better = better || choice_ != before;
      }
    }
  }

  [[nodiscard]] const SplitPlan& best() const { return best_; }
  [[nodiscard]] int evaluated() const { return static_cast<int>(known_.size()); }

 private:
  static constexpr double margin = 1e-9;
  static constexpr std::size_t most_evaluated = 2000;

  const SplitProblem& problem_;
  const SplitOptions& options_;
  std::vector<std::vector<std::size_t>> kinds_;
  std::set<Choice> known_;
  Choice choice_;
  SplitPlan best_{.round_s = std::numeric_limits<double>::infinity()};
  double sum_ = 0;
};

// The options that are these cuts; nothing where a device has it not among its options.
std::optional<Choice> choice_of(const SplitOptions& options, std::span<const std::size_t> cuts) {
  Choice choice;
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    const auto& device = options.devices[i];
    const auto found = std::ranges::find(device, cuts[i], &SplitOption::cut);
    if (found == device.end()) return std::nullopt;
    choice.push_back(static_cast<std::size_t>(found - device.begin()));
  }
  return choice;
}

}  // namespace

std::vector<double> estimate_guaranteed(const SplitProblem& problem,
                                        std::span<const std::size_t> cuts,
                                        std::span<const double> bandwidth_bytes_per_s,
                                        std::span<const double> server_shares) {
  std::vector<Device> devices;
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    devices.push_back(device_of(problem, i, cuts[i], bandwidth_bytes_per_s[i], server_shares[i]));
  }
  return estimated(devices, {problem.bandwidth_bytes_per_s, problem.bandwidth_bytes_per_s, 1});
}

SplitPlan plan_guaranteed(const SplitProblem& problem, const HandMadeCuts& by_hand,
                          const SplitPlan& limits) {
  const SplitOptions options = options_of(problem, by_hand);
  GuaranteedSearch search(problem, options);
  const std::size_t devices = options.devices.size();
  if (const auto choice = choice_of(options, limits.cuts)) search.offer(*choice);
  for (const SplitOption& option : options.devices.front()) {
    const std::vector<std::size_t> common(devices, option.cut);
    if (const auto choice = choice_of(options, common)) search.offer(*choice);
  }
  Choice alone;
  double floor = 0;
  for (const auto& device : options.devices) {
    const auto fastest = std::ranges::min_element(
        device, {}, [](const SplitOption& option) { return option.demand.least_s(); });
    alone.push_back(static_cast<std::size_t>(fastest - device.begin()));
    floor = std::max(floor, fastest->demand.least_s());
  }
  search.offer(alone);
  search.improve();
  SplitPlan plan = search.best();
  plan.lower_bound_s = std::min(floor, plan.round_s);
  plan.bottleneck =
      static_cast<std::size_t>(std::ranges::max_element(plan.times_s) - plan.times_s.begin());
  plan.sensitivity.assign(devices, 0);
  plan.sensitivity[plan.bottleneck] = 1;
  plan.iterations = limits.iterations + search.evaluated();
  return plan;
}

}  // namespace convoy::sim
