#include "sim/plan/cut_search.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sim/plan/roots.hpp"

namespace convoy::sim {

CutSearch::CutSearch(const SplitOptions& options, SearchLimits limits)
    : options_(options), limits_(limits) {
  for (const auto& device : options.devices) {
    double least = std::numeric_limits<double>::infinity();
    for (const SplitOption& option : device) least = std::min(least, option.demand.least_s());
    floor_ = std::max(floor_, least);
  }
  shares_.round_s = std::numeric_limits<double>::infinity();
}

void CutSearch::offer(const Choice& choice) {
  if (!known_.insert(choice).second || !fits_server(options_, choice)) return;
  ++evaluated_;
  Shares shares = best_shares(demands_of(options_, choice), options_.bandwidth);
  if (shares.round_s >= shares_.round_s) return;
  best_ = choice;
  shares_ = std::move(shares);
}

bool CutSearch::is_optimal() const {
  return shares_.round_s <= lower_bound_s_ * (1 + 2 * search_margin);
}

bool CutSearch::has_two_prices() const {
  for (const auto& device : options_.devices) {
    for (const SplitOption& option : device) {
      if (option.demand.server_s > 0) return true;
    }
  }
  return false;
}

Prices CutSearch::prices_at(double x) const {
  if (x == most_x) return Prices::of_bandwidth_alone(options_.bandwidth);
  return Prices::at(x, options_.bandwidth);
}

double CutSearch::cost_of(const SplitOption& option, const Need& need, double memory) const {
  if (memory == 0) return need.cost;
  return (1 - memory) * need.cost + memory * option.server_bytes / options_.server_bytes;
}

CutSearch::Relaxed CutSearch::relaxed_at(const Weights& weights, double guess) const {
  const Prices prices = prices_at(weights.x);
  Relaxed found;
  const auto sum_at = [&](double t) {
    found = {.round_s = t};
    Total total;
    for (const auto& device : options_.devices) {
      double least = std::numeric_limits<double>::infinity();
      std::size_t best = 0;
      Need at_best;
      for (std::size_t c = 0; c < device.size(); ++c) {
        const Need need = cheapest(device[c].demand, prices, t);
        const double cost = cost_of(device[c], need, weights.memory);
        if (cost >= least) continue;
        least = cost;
        best = c;
        at_best = need;
      }
      found.choice.push_back(best);
      found.bandwidth += at_best.bandwidth;
      found.server += at_best.server;
      found.server_bytes += device[best].server_bytes;
      total.value += least;
      total.slope += (1 - weights.memory) * at_best.slope;
    }
    return total;
  };
  const double t = least_round(sum_at, floor_, guess);
  if (found.round_s != t) sum_at(t);
  return found;
}

// The bound with the best prices for this weight of the memory; returns the server's bytes there.
double CutSearch::bound_with_memory(double memory) {
  double server_bytes = 0;
  double guess = lower_bound_s_;
  const auto note = [&](const Weights& weights) {
    const Relaxed found = relaxed_at(weights, guess);
    guess = found.round_s;
    server_bytes = found.server_bytes;
    offer(found.choice);
    if (found.round_s > lower_bound_s_) {
      lower_bound_s_ = found.round_s;
      at_bound_ = weights;
    }
    return found;
  };
  if (!has_two_prices()) {
    note({most_x, memory});
    return server_bytes;
  }
  balance(
      [&](double x) {
        const Relaxed found = note({x, memory});
        return std::log(found.bandwidth / options_.bandwidth) - std::log(found.server);
      },
      memory == 0 ? 1e-9 : 1e-3);
  return server_bytes;
}

void CutSearch::find_bound() {
  if (bound_with_memory(0) <= options_.server_bytes) return;
  double low = 0;
  double high = 1;
  for (int step = 0; step < 12 && !is_optimal(); ++step) {
    const double middle = (low + high) / 2;
    (bound_with_memory(middle) > options_.server_bytes ? low : high) = middle;
  }
}

void CutSearch::run() {
  find_bound();
  while (!is_optimal()) {
    const double faster = shares_.round_s * (1 - search_margin);
    prepare(faster);
    const Descent descent = descend(0, 0, std::vector<double>(tables_.size(), 0), 0);
    if (descent == Descent::ended) return;
    if (descent == Descent::complete) lower_bound_s_ = faster;
  }
}

std::vector<CutSearch::Weights> CutSearch::weights_near_bound() const {
  std::vector<Weights> all;
  std::vector<double> memories{at_bound_.memory};
  if (at_bound_.memory > 0) memories.insert(memories.end(), {0, at_bound_.memory / 2});
  for (const double memory : memories) {
    all.push_back({at_bound_.x, memory});
    if (!has_two_prices()) continue;
    for (const double away : {-1.0, -0.3, 0.3, 1.0}) {
      all.push_back({std::clamp(at_bound_.x + away, -most_x, most_x), memory});
    }
  }
  return all;
}

CutSearch::Table CutSearch::table_at(const Weights& weights, double round_s) const {
  const Prices prices = prices_at(weights.x);
  Table table;
  for (const auto& device : options_.devices) {
    auto& costs = table.costs.emplace_back();
    for (const SplitOption& option : device) {
      costs.push_back(cost_of(option, cheapest(option.demand, prices, round_s), weights.memory));
    }
  }
  return table;
}

// The devices with the fewest open options first, like ones one after the other.
void CutSearch::order_devices() {
  const std::size_t n = options_.devices.size();
  std::vector<std::size_t> first_like(n);  // the first device with the same options
  for (std::size_t i = 0; i < n; ++i) {
    while (options_.devices[first_like[i]] != options_.devices[i]) ++first_like[i];
  }
  devices_.resize(n);
  std::iota(devices_.begin(), devices_.end(), 0);
  std::stable_sort(devices_.begin(), devices_.end(), [&](std::size_t a, std::size_t b) {
    return std::pair(open_[a].size(), first_like[a]) < std::pair(open_[b].size(), first_like[b]);
  });
  like_before_.assign(n, false);
  for (std::size_t depth = 1; depth < n; ++depth) {
    like_before_[depth] = first_like[devices_[depth]] == first_like[devices_[depth - 1]];
  }
}

// The tables for a round of this length, and the options that the bounds leave.
void CutSearch::prepare(double round_s) {
  const std::size_t n = options_.devices.size();
  tables_.clear();
  for (const Weights& weights : weights_near_bound()) tables_.push_back(table_at(weights, round_s));
  const auto least = [](const std::vector<double>& costs) {
    return *std::min_element(costs.begin(), costs.end());
  };
  open_.assign(n, {});
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t c = 0; c < options_.devices[i].size(); ++c) open_[i].push_back(c);
  }
  for (const Table& table : tables_) {
    double sum = 0;
    for (const auto& costs : table.costs) sum += least(costs);
    for (std::size_t i = 0; i < n; ++i) {
      const double others = sum - least(table.costs[i]);
      std::erase_if(open_[i], [&](std::size_t c) { return others + table.costs[i][c] > 1; });
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    const std::vector<double>& costs = tables_.front().costs[i];
    std::stable_sort(open_[i].begin(), open_[i].end(),
                     [&](std::size_t a, std::size_t b) { return costs[a] < costs[b]; });
  }
  order_devices();
  for (Table& table : tables_) {
    table.rest.assign(n + 1, 0);
    for (std::size_t depth = n; depth-- > 0;) {
      table.rest[depth] = table.rest[depth + 1] + least(table.costs[devices_[depth]]);
    }
  }
  least_server_bytes_.assign(n + 1, 0);
  for (std::size_t depth = n; depth-- > 0;) {
    double bytes = std::numeric_limits<double>::infinity();
    for (const SplitOption& option : options_.devices[devices_[depth]]) {
      bytes = std::min(bytes, option.server_bytes);
    }
    least_server_bytes_[depth] = least_server_bytes_[depth + 1] + bytes;
  }
  partial_.assign(n, 0);
}

CutSearch::Descent CutSearch::descend(std::size_t depth, std::size_t position,
                                      const std::vector<double>& costs, double server_bytes) {
  if (depth == devices_.size()) {
    if (evaluated_ >= limits_.most_evaluated) return Descent::ended;
    const double before = shares_.round_s;
    offer(partial_);
    return shares_.round_s < before ? Descent::improved : Descent::complete;
  }
  const std::size_t device = devices_[depth];
  for (std::size_t at = like_before_[depth] ? position : 0; at < open_[device].size(); ++at) {
    const std::size_t c = open_[device][at];
    if (++nodes_ > limits_.most_nodes) return Descent::ended;
    std::vector<double> with = costs;
    bool possible = true;
    for (std::size_t k = 0; k < tables_.size(); ++k) {
      with[k] += tables_[k].costs[device][c];
      possible = possible && with[k] + tables_[k].rest[depth + 1] <= 1;
    }
    const double bytes = server_bytes + options_.devices[device][c].server_bytes;
    if (!possible || bytes + least_server_bytes_[depth + 1] > options_.server_bytes) continue;
    partial_[device] = c;
    const Descent descent = descend(depth + 1, at, with, bytes);
    if (descent != Descent::complete) return descent;
  }
  return Descent::complete;
}

}  // namespace convoy::sim
