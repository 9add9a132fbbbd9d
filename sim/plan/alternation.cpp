#include "sim/plan/alternation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace convoy::sim {
namespace {

double time_of(const Demand& d, double bandwidth, double server) {
  double t = d.fixed_s;
  if (d.bytes > 0) t += d.bytes / bandwidth;
  if (d.server_s > 0) t += d.server_s / server;
  return t;
}

// By device and option; infinite where a share is 0 and needed.
std::vector<std::vector<double>> times_of(const SplitOptions& options, const Shares& shares) {
  std::vector<std::vector<double>> all;
  for (std::size_t i = 0; i < options.devices.size(); ++i) {
    auto& times = all.emplace_back();
    for (const SplitOption& option : options.devices[i]) {
      times.push_back(time_of(option.demand, shares.bandwidth[i], shares.server[i]));
    }
  }
  return all;
}

using Times = std::vector<std::vector<double>>;

// For each device the option within `limit` that leaves the server's memory the most room; nothing
// where a device has none, or where they do not fit together.
std::optional<Choice> smallest_within(const SplitOptions& options, const Times& times,
                                      double limit) {
  Choice choice;
  for (std::size_t i = 0; i < times.size(); ++i) {
    std::optional<std::size_t> best;
    const auto& device = options.devices[i];
    for (std::size_t c = 0; c < device.size(); ++c) {
      if (times[i][c] > limit) continue;
      if (!best || device[c].server_bytes < device[*best].server_bytes) best = c;
    }
    if (!best) return std::nullopt;
    choice.push_back(*best);
  }
  if (!fits_server(options, choice)) return std::nullopt;
  return choice;
}

// The choice within the server's memory whose longest time is the shortest.
Choice shortest_that_fits(const SplitOptions& options, const Times& times) {
  std::vector<double> limits;
  for (const auto& device : times) limits.insert(limits.end(), device.begin(), device.end());
  std::sort(limits.begin(), limits.end());
  const auto limit = std::partition_point(limits.begin(), limits.end(), [&](double t) {
    return !smallest_within(options, times, t).has_value();
  });
  return *smallest_within(options, times, *limit);  // the largest limit always fits: options_of()
}

template <class Less>
Choice first_by(const SplitOptions& options, Less less) {
  Choice choice;
  for (const auto& device : options.devices) {
    choice.push_back(
        static_cast<std::size_t>(std::min_element(device.begin(), device.end(),
                                                  [&](const SplitOption& a, const SplitOption& b) {
                                                    return less(a.demand, b.demand);
                                                  }) -
                                 device.begin()));
  }
  return choice;
}

Shares shares_of(const SplitOptions& options, std::vector<double> bandwidth,
                 std::vector<double> server) {
  const auto to_sum = [](std::vector<double>& shares, double sum) {
    double now = 0;
    for (const double share : shares) now += share;
    for (double& share : shares) {
      share = now > 0 ? share / now * sum : sum / static_cast<double>(shares.size());
    }
  };
  to_sum(bandwidth, options.bandwidth);
  to_sum(server, 1);
  for (std::size_t i = 0; i < bandwidth.size(); ++i) {
    bandwidth[i] = std::min(bandwidth[i], options.devices[i].front().demand.limit);
  }
  Shares shares;
  shares.bandwidth = std::move(bandwidth);
  shares.server = std::move(server);
  return shares;
}

}  // namespace

Choice best_cuts(const SplitOptions& options, const Shares& shares) {
  const Times times = times_of(options, shares);
  Choice fastest;
  for (const auto& device : times) {
    fastest.push_back(
        static_cast<std::size_t>(std::min_element(device.begin(), device.end()) - device.begin()));
  }
  if (fits_server(options, fastest)) return fastest;
  Choice choice = shortest_that_fits(options, times);
  for (std::size_t i = 0; i < choice.size(); ++i) {
    for (std::size_t c = 0; c < times[i].size(); ++c) {
      Choice other = choice;
      other[i] = c;
      if (times[i][c] < times[i][choice[i]] && fits_server(options, other)) choice = other;
    }
  }
  return choice;
}

Alternation alternate(const SplitOptions& options, Shares shares) {
  Alternation run;
  run.shares = std::move(shares);
  double before = std::numeric_limits<double>::infinity();
  for (int turn = 0; turn < 100; ++turn) {
    const Choice choice = best_cuts(options, run.shares);
    if (choice == run.choice) break;
    run.choice = choice;
    const std::vector<Demand> demands = demands_of(options, choice);
    set_times(demands, run.shares);
    run.steps.push_back({AlternationStep::Kind::cuts, run.shares.round_s});
    run.shares = best_shares(demands, options.bandwidth);
    run.steps.push_back({AlternationStep::Kind::shares, run.shares.round_s});
    if (!(run.shares.round_s < before * (1 - smallest_change))) break;
    before = run.shares.round_s;
  }
  return run;
}

std::vector<Shares> first_shares(const SplitOptions& options) {
  const std::size_t n = options.devices.size();
  const Choice fewest =
      first_by(options, [](const Demand& a, const Demand& b) { return a.bytes < b.bytes; });
  const Choice idlest =
      first_by(options, [](const Demand& a, const Demand& b) { return a.server_s < b.server_s; });
  const Choice fastest =
      first_by(options, [](const Demand& a, const Demand& b) { return a.least_s() < b.least_s(); });
  std::vector<double> bytes;
  std::vector<double> work;
  for (std::size_t i = 0; i < n; ++i) {
    bytes.push_back(options.devices[i][fewest[i]].demand.bytes);
    work.push_back(options.devices[i][idlest[i]].demand.server_s);
  }
  std::vector<Shares> all;
  all.push_back(shares_of(options, std::vector<double>(n, 1), std::vector<double>(n, 1)));
  all.push_back(shares_of(options, bytes, work));
  for (const Choice& choice : {fewest, idlest, fastest}) {
    all.push_back(best_shares(demands_of(options, choice), options.bandwidth));
  }
  return all;
}

}  // namespace convoy::sim
