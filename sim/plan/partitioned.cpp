#include "sim/plan/partitioned.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "sim/plan/require.hpp"

namespace convoy::sim {
namespace {

bool is_positive(double x) { return std::isfinite(x) && x > 0; }

void require_valid(const BlockProblem& problem) {
  require("block plan", !problem.devices.empty(), "there are no devices");
  require("block plan", problem.parameters >= 1, "the model has no parameters");
  require("block plan", is_positive(problem.bandwidth_bytes_per_s),
          "the bandwidth must be above 0 and finite");
  double room = 0;
  for (const BlockDevice& d : problem.devices) {
    require("block plan", std::isfinite(d.fixed_s) && d.fixed_s >= 0,
            fmt::format("device {}: fixed_s must be at least 0 and finite", d.name));
    require("block plan",
            is_positive(d.seconds_per_parameter) && is_positive(d.bytes_per_parameter),
            fmt::format("device {}: seconds and bytes per parameter must be above 0 and finite",
                        d.name));
    require("block plan", d.link_bytes_per_s > 0,
            fmt::format("device {}: its link has {} bytes/s", d.name, d.link_bytes_per_s));
    require("block plan", d.most_parameters >= 0,
            fmt::format("device {}: most_parameters must be at least 0", d.name));
    room += std::floor(d.most_parameters);
  }
  const double missing = static_cast<double>(problem.parameters) - room;
  require("block plan", missing <= 0,
          fmt::format(
              "the devices together hold {} of the model's {} parameters: {} more must fit. "
              "Add devices, or take a smaller model",
              base::human_count(room), base::human_count(static_cast<double>(problem.parameters)),
              base::human_count(missing)));
}

double most_of(const BlockDevice& d) { return std::floor(d.most_parameters); }

double seconds_per_parameter(const BlockDevice& d, double bandwidth) {
  return d.seconds_per_parameter + d.bytes_per_parameter / bandwidth;
}

// Of a device in a round of T: the parameters that a bandwidth lets it update.
double block_of(const BlockDevice& d, double round_s, double bandwidth) {
  if (bandwidth <= 0 || round_s <= d.fixed_s) return 0;
  return (round_s - d.fixed_s) / seconds_per_parameter(d, bandwidth);
}

// The most bandwidth of which a device makes use: its link's, or what its largest block needs.
double useful_bandwidth(const BlockDevice& d, double round_s, double all) {
  const double rest = round_s - d.fixed_s;
  if (rest <= 0 || most_of(d) < 1) return 0;
  const double limit = std::min(d.link_bytes_per_s, all);
  const double left = rest / most_of(d) - d.seconds_per_parameter;  // s per parameter to send it
  return left > 0 ? std::min(limit, d.bytes_per_parameter / left) : limit;
}

// The parameters that the first byte/s gains.
double first_gain(const BlockDevice& d, double round_s) {
  return (round_s - d.fixed_s) / d.bytes_per_parameter;
}

// Bandwidths at which one more byte/s gains every device the same: exp(-fall) of the most that any
// first byte/s gains. The gain at b is first_gain / (1 + b seconds / bytes)^2.
std::vector<double> bandwidths_at(const BlockProblem& problem, double round_s, double fall) {
  double most = 0;
  for (const BlockDevice& d : problem.devices) most = std::max(most, first_gain(d, round_s));
  std::vector<double> all;
  for (const BlockDevice& d : problem.devices) {
    const double useful = useful_bandwidth(d, round_s, problem.bandwidth_bytes_per_s);
    const double own = useful > 0 ? fall + std::log(first_gain(d, round_s) / most) : 0;
    const double wanted = d.bytes_per_parameter / d.seconds_per_parameter * std::expm1(own / 2);
    all.push_back(std::clamp(wanted, 0.0, useful));
  }
  return all;
}

double sum_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

// Halves [low, high] until no number is between its ends; `keeps_low` says which half remains.
template <class KeepsLow>
std::pair<double, double> bisect(double low, double high, KeepsLow keeps_low) {
  for (;;) {
    const double middle = low + (high - low) / 2;
    if (!(middle > low && middle < high)) return {low, high};
    (keeps_low(middle) ? low : high) = middle;
  }
}

// The bandwidths that together update the most parameters in a round of T.
std::vector<double> best_bandwidths(const BlockProblem& problem, double round_s) {
  const double all = problem.bandwidth_bytes_per_s;
  std::vector<double> useful;
  for (const BlockDevice& d : problem.devices) {
    useful.push_back(useful_bandwidth(d, round_s, all));
  }
  if (sum_of(useful) <= all) return useful;
  const auto used_at = [&](double fall) { return sum_of(bandwidths_at(problem, round_s, fall)); };
  double high = 1;
  while (used_at(high) < all) high *= 2;
  const double fall = bisect(0, high, [&](double f) { return used_at(f) < all; }).second;
  std::vector<double> best = bandwidths_at(problem, round_s, fall);
  const double sum = sum_of(best);
  for (double& bandwidth : best) bandwidth *= all / sum;
  return best;
}

std::vector<double> blocks_within(const BlockProblem& problem, double round_s,
                                  const std::vector<double>& bandwidths) {
  std::vector<double> blocks;
  for (std::size_t i = 0; i < bandwidths.size(); ++i) {
    blocks.push_back(block_of(problem.devices[i], round_s, bandwidths[i]));
  }
  return blocks;
}

double shortest_round(const BlockProblem& problem) {
  const auto holds = [&](double t) {
    const double updated = sum_of(blocks_within(problem, t, best_bandwidths(problem, t)));
    return updated >= static_cast<double>(problem.parameters);
  };
  double low = std::numeric_limits<double>::infinity();
  for (const BlockDevice& d : problem.devices) low = std::min(low, d.fixed_s);
  double high = low + 1;
  while (!holds(high)) high += high - low;
  return bisect(low, high, [&](double t) { return !holds(t); }).second;
}

// Whole parameters with the same sum: the largest remainders are rounded up, the first of equal
// ones first.
std::vector<std::int64_t> rounded(const BlockProblem& problem, const std::vector<double>& blocks) {
  const double scale = static_cast<double>(problem.parameters) / sum_of(blocks);
  std::vector<std::int64_t> whole;
  std::vector<std::size_t> order;
  std::int64_t left = problem.parameters;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    whole.push_back(static_cast<std::int64_t>(std::floor(blocks[i] * scale)));
    left -= whole.back();
    if (blocks[i] > 0) order.push_back(i);
  }
  const auto remainder = [&](std::size_t i) {
    return blocks[i] * scale - static_cast<double>(whole[i]);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return remainder(a) > remainder(b); });
  while (left > 0) {
    for (const std::size_t i : order) {
      const bool fits = static_cast<double>(whole[i]) < most_of(problem.devices[i]);
      if (left == 0 || !fits) continue;
      ++whole[i];
      --left;
    }
  }
  return whole;
}

}  // namespace

BlockPlan plan_blocks(const BlockProblem& problem) {
  require_valid(problem);
  BlockPlan plan;
  plan.exact_round_s = shortest_round(problem);
  plan.bandwidth_bytes_per_s = best_bandwidths(problem, plan.exact_round_s);
  plan.parameters =
      rounded(problem, blocks_within(problem, plan.exact_round_s, plan.bandwidth_bytes_per_s));
  for (std::size_t i = 0; i < problem.devices.size(); ++i) {
    const BlockDevice& d = problem.devices[i];
    double& bandwidth = plan.bandwidth_bytes_per_s[i];
    if (plan.parameters[i] == 0) bandwidth = 0;
    plan.times_s.push_back(bandwidth > 0 ? d.fixed_s + static_cast<double>(plan.parameters[i]) *
                                                           seconds_per_parameter(d, bandwidth)
                                         : 0);
    plan.round_s = std::max(plan.round_s, plan.times_s.back());
  }
  return plan;
}

}  // namespace convoy::sim
