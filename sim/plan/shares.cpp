#include "sim/plan/shares.hpp"

#include <numeric>

#include "sim/plan/roots.hpp"

namespace convoy::sim {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double rounding = 1e-12;  // relative: how far a limit may be exceeded

double floor_of(std::span<const Demand> demands) {
  double floor = 0;
  for (const Demand& d : demands) floor = std::max(floor, d.least_s());
  return floor;
}

// The needs of all devices at some prices, at the least T at which they cost 1.
struct Solution {
  double round_s = 0;
  std::vector<Need> needs;
  double bandwidth = 0;  // used
  double server = 0;
};

Solution solution_at(std::span<const Demand> demands, const Prices& prices, double floor) {
  Solution found;
  found.round_s = least_round(
      [&](double t) {
        Total total;
        for (const Demand& d : demands) {
          const Need need = cheapest(d, prices, t);
          total.value += need.cost;
          total.slope += need.slope;
        }
        return total;
      },
      floor);
  for (const Demand& d : demands) {
    found.needs.push_back(cheapest(d, prices, found.round_s));
    found.bandwidth += found.needs.back().bandwidth;
    found.server += found.needs.back().server;
  }
  return found;
}

Solution best_solution(std::span<const Demand> demands, double bandwidth) {
  const double floor = floor_of(demands);
  const auto any = [&](auto what) { return std::any_of(demands.begin(), demands.end(), what); };
  if (!any([](const Demand& d) { return d.server_s > 0; })) {
    return solution_at(demands, Prices::of_bandwidth_alone(bandwidth), floor);
  }
  if (!any([](const Demand& d) { return d.bytes > 0; })) {
    return solution_at(demands, Prices::of_server_alone(), floor);
  }
  Solution found;
  balance([&](double x) {
    found = solution_at(demands, Prices::at(x, bandwidth), floor);
    return std::log(found.bandwidth / bandwidth / found.server);
  });
  return found;
}

// Rounding may leave a sum a little above its limit.
void scale_down(std::vector<double>& shares, double limit) {
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  if (sum <= limit) return;
  for (double& share : shares) share *= limit / sum;
}

// A device that cannot be faster with any share is the only one that counts.
std::vector<double> sensitivity_of(std::span<const Demand> demands, const Solution& solution) {
  std::vector<double> all(demands.size(), 0);
  for (std::size_t i = 0; i < demands.size(); ++i) {
    if (demands[i].least_s() < solution.round_s * (1 - rounding)) continue;
    all[i] = 1;
    return all;
  }
  double sum = 0;
  for (const Need& need : solution.needs) sum += need.slope;
  for (std::size_t i = 0; i < demands.size(); ++i) all[i] = solution.needs[i].slope / sum;
  return all;
}

}  // namespace

Prices Prices::at(double x, double bandwidth) {
  const double u = 1 / (1 + std::exp(-x));
  const double v = 1 / (1 + std::exp(x));
  const double norm = std::sqrt(u * u + v * v);
  return {u / norm / std::sqrt(bandwidth), v / norm};
}

Prices Prices::of_bandwidth_alone(double bandwidth) { return {1 / std::sqrt(bandwidth), 0}; }

Need cheapest(const Demand& d, const Prices& prices, double round_s) {
  constexpr Need impossible{0, 0, infinity, -infinity};
  const double p = prices.root_bandwidth * prices.root_bandwidth;
  const double q = prices.root_server * prices.root_server;
  const double rest = round_s - d.fixed_s;
  if (d.bytes == 0 && d.server_s == 0) return rest >= 0 ? Need{} : impossible;
  if (rest <= 0 || d.least_s() > round_s * (1 + rounding)) return impossible;
  if (d.server_s == 0) {
    const double b = std::min(d.bytes / rest, d.limit);
    return {b, 0, p * b, -p * b / rest};
  }
  if (d.bytes == 0) {
    const double s = std::min(d.server_s / rest, 1.0);
    return {0, s, q * s, -q * s / rest};
  }
  const double roots =
      prices.root_bandwidth * std::sqrt(d.bytes) + prices.root_server * std::sqrt(d.server_s);
  const double wanted = std::sqrt(d.bytes) / prices.root_bandwidth * roots / rest;
  // With the whole server it needs at least this.
  const double least = rest > d.server_s ? d.bytes / (rest - d.server_s) : d.limit;
  const double b = std::min(std::max(wanted, least), d.limit);
  const double left = rest - d.bytes / b;
  const double s = left > d.server_s ? d.server_s / left : 1;
  // The price of a second, of the resource that is not at its limit.
  const double slope =
      b < d.limit && wanted <= least ? -p * b * b / d.bytes : -q * s * s / d.server_s;
  return {b, s, p * b + q * s, slope};
}

void set_times(std::span<const Demand> demands, Shares& shares) {
  shares.times_s.clear();
  shares.round_s = 0;
  for (std::size_t i = 0; i < demands.size(); ++i) {
    double t = demands[i].fixed_s;
    if (demands[i].bytes > 0) t += demands[i].bytes / shares.bandwidth[i];
    if (demands[i].server_s > 0) t += demands[i].server_s / shares.server[i];
    shares.times_s.push_back(t);
    shares.round_s = std::max(shares.round_s, t);
  }
}

Shares best_shares(std::span<const Demand> demands, double bandwidth) {
  const Solution solution = best_solution(demands, bandwidth);
  Shares shares;
  for (const Need& need : solution.needs) {
    shares.bandwidth.push_back(need.bandwidth);
    shares.server.push_back(need.server);
  }
  scale_down(shares.bandwidth, bandwidth);
  scale_down(shares.server, 1);
  set_times(demands, shares);
  shares.sensitivity = sensitivity_of(demands, solution);
  return shares;
}

}  // namespace convoy::sim
