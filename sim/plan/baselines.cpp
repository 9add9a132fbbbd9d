#include "sim/plan/baselines.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "sim/plan/split_options.hpp"

namespace convoy::sim {
namespace {

std::size_t common_cuts(const SplitProblem& problem) {
  require_valid(problem);
  const SplitDevice& first = problem.devices.front();
  for (const SplitDevice& device : problem.devices) {
    if (device.cuts.size() == first.cuts.size()) continue;
    throw base::UserError(fmt::format(
        "split plan: a common cut needs the same cuts on all devices, but {} has {} and {} has {}",
        first.name, first.cuts.size(), device.name, device.cuts.size()));
  }
  return first.cuts.size();
}

// The first device that this cut does not fit.
const SplitDevice* too_small(const SplitProblem& problem, std::size_t cut) {
  for (const SplitDevice& device : problem.devices) {
    if (device.cuts[cut].device_bytes > device.memory_bytes) return &device;
  }
  return nullptr;
}

// Of the cuts that fit all devices and, by `at_server`, the server: the one with the shortest
// round.
template <class Result, class AtServer, class Evaluate>
Result best_of_common(const SplitProblem& problem, AtServer at_server, Evaluate evaluate) {
  std::optional<Result> best;
  std::string problems;
  const std::size_t cuts = common_cuts(problem);
  for (std::size_t cut = 0; cut < cuts; ++cut) {
    const SplitDevice* small = too_small(problem, cut);
    const double bytes = at_server(cut);
    if (small == nullptr && bytes <= problem.server_memory_bytes) {
      Result result = evaluate(cut);
      if (!best || result.round_s < best->round_s) best = std::move(result);
      continue;
    }
    problems += problems.empty() ? "" : "; ";
    problems +=
        small != nullptr
            ? fmt::format("{} needs {} on device {}, which has {}", cut_name(*small, cut),
                          base::human_bytes(small->cuts[cut].device_bytes, 1), small->name,
                          base::human_bytes(small->memory_bytes, 1))
            : fmt::format("{} needs {} at the server, which has {}",
                          cut_name(problem.devices.front(), cut), base::human_bytes(bytes, 1),
                          base::human_bytes(problem.server_memory_bytes, 1));
  }
  if (best) return *best;
  throw base::UserError("split plan: no cut fits all devices: " + problems);
}

double alone_s(const SplitProblem& problem, std::size_t device, std::size_t cut) {
  return demand_of(problem, device, cut).least_s();
}

}  // namespace

SplitPlan with_equal_shares(const SplitProblem& problem, std::span<const std::size_t> cuts) {
  const SplitOptions options = options_of(problem, HandMadeCuts(cuts.begin(), cuts.end()));
  const Choice choice(cuts.size(), 0);  // each device has one option left
  const std::vector<Demand> demands = demands_of(options, choice);
  const double n = static_cast<double>(cuts.size());
  Shares shares;
  for (const Demand& demand : demands) {
    shares.bandwidth.push_back(std::min(options.bandwidth / n, demand.limit));
    shares.server.push_back(options.server_is_shared ? 1 / n : 1);
  }
  set_times(demands, shares);
  SplitPlan plan;
  plan.cuts.assign(cuts.begin(), cuts.end());
  plan.bandwidth_bytes_per_s = shares.bandwidth;
  plan.server_shares = shares.server;
  plan.times_s = shares.times_s;
  plan.round_s = shares.round_s;
  plan.bottleneck = static_cast<std::size_t>(
      std::max_element(plan.times_s.begin(), plan.times_s.end()) - plan.times_s.begin());
  plan.sensitivity.assign(cuts.size(), 0);
  plan.sensitivity[plan.bottleneck] = 1;
  return plan;
}

SplitPlan best_common_cut(const SplitProblem& problem, Sharing sharing) {
  const auto at_server = [&](std::size_t cut) {
    double bytes = 0;
    for (const SplitDevice& device : problem.devices) bytes += device.cuts[cut].server_bytes;
    return bytes;
  };
  return best_of_common<SplitPlan>(problem, at_server, [&](std::size_t cut) {
    const std::vector<std::size_t> cuts(problem.devices.size(), cut);
    if (sharing == Sharing::equal) return with_equal_shares(problem, cuts);
    SplitPlan plan = evaluate_split(problem, cuts);
    plan.lower_bound_s = 0;
    plan.is_optimal = false;
    return plan;
  });
}

Sequence one_after_another(const SplitProblem& problem) {
  require_valid(problem);
  Sequence sequence;
  for (std::size_t i = 0; i < problem.devices.size(); ++i) {
    SplitProblem alone = problem;
    alone.devices = {problem.devices[i]};
    const SplitOptions options = options_of(alone, {});
    std::optional<std::size_t> best;
    for (const SplitOption& option : options.devices.front()) {
      if (option.server_bytes > problem.server_memory_bytes) continue;
      if (!best || alone_s(problem, i, option.cut) < alone_s(problem, i, *best)) best = option.cut;
    }
    sequence.cuts.push_back(*best);  // options_of() has seen that one fits
    sequence.times_s.push_back(alone_s(problem, i, *best));
    sequence.round_s += sequence.times_s.back();
  }
  return sequence;
}

Sequence one_after_another_with_one_cut(const SplitProblem& problem) {
  const auto at_server = [&](std::size_t cut) {
    double bytes = 0;
    for (const SplitDevice& device : problem.devices) {
      bytes = std::max(bytes, device.cuts[cut].server_bytes);
    }
    return bytes;
  };
  return best_of_common<Sequence>(problem, at_server, [&](std::size_t cut) {
    Sequence sequence;
    for (std::size_t i = 0; i < problem.devices.size(); ++i) {
      sequence.cuts.push_back(cut);
      sequence.times_s.push_back(alone_s(problem, i, cut));
      sequence.round_s += sequence.times_s.back();
    }
    return sequence;
  });
}

}  // namespace convoy::sim
