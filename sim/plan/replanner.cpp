#include "sim/plan/replanner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/diagnostics.hpp"
#include "sim/plan/require.hpp"
#include "sim/plan/split_options.hpp"

namespace convoy::sim {
namespace {

bool is_there(const Condition& c) { return c.speed > 0 && c.link_bytes_per_s > 0; }

// Infinite is a link without a limit of its own.
bool differs(double now, double planned, double change) {
  if (std::isinf(planned) || std::isinf(now)) return now != planned;
  return std::abs(now - planned) > change * planned;
}

void require_cuts(const SplitProblem& problem, std::span<const std::size_t> cuts) {
  require("replanning", cuts.size() == problem.devices.size(), "there must be one cut per device");
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    if (cuts[i] < problem.devices[i].cuts.size()) continue;
    throw base::UserError(
        fmt::format("replanning: device {} has no cut {}", problem.devices[i].name, cuts[i]));
  }
}

bool still_fits(const SplitProblem& problem, std::span<const std::size_t> cuts) {
  double at_server = 0;
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    const SplitDevice& device = problem.devices[i];
    if (device.cuts[cuts[i]].device_bytes > device.memory_bytes) return false;
    at_server += device.cuts[cuts[i]].server_bytes;
  }
  return at_server <= problem.server_memory_bytes;
}

}  // namespace

void require_valid(const ReplanOptions& options) {
  require("replanning", options.change > 0, "the change must be above 0");
  require("replanning", options.period_s > 0, "the period must be above 0 s");
  require("replanning", options.horizon_rounds >= 0, "the horizon must be at least 0 rounds");
  require("replanning", options.factor >= 1, "the factor must be at least 1");
}

Replanner::Replanner(const ReplanOptions& options) : options_(options) { require_valid(options); }

void Replanner::planned(double now, std::vector<Condition> conditions) {
  has_plan_ = true;
  planned_at_ = now;
  conditions_ = std::move(conditions);
}

Replanner::Cause Replanner::due(double now, const std::vector<Condition>& conditions) const {
  if (!has_plan_) return Cause::first;
  if (conditions.size() != conditions_.size()) return Cause::devices;
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    if (is_there(conditions[i]) != is_there(conditions_[i])) return Cause::devices;
  }
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    if (!is_there(conditions[i])) continue;
    const Condition& then = conditions_[i];
    if (differs(conditions[i].speed, then.speed, options_.change) ||
        differs(conditions[i].link_bytes_per_s, then.link_bytes_per_s, options_.change)) {
      return Cause::change;
    }
  }
  return now - planned_at_ >= options_.period_s ? Cause::period : Cause::none;
}

double cost_of_move(const SplitProblem& problem, std::span<const std::size_t> from,
                    const SplitPlan& to) {
  double longest = 0;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const SplitDevice& device = problem.devices[i];
    const double bytes =
        std::abs(device.cuts[to.cuts[i]].weight_bytes - device.cuts[from[i]].weight_bytes);
    if (bytes == 0) continue;
    double bandwidth = to.bandwidth_bytes_per_s[i];
    if (bandwidth == 0) bandwidth = demand_of(problem, i, to.cuts[i]).limit;
    longest = std::max(longest, device.latency_s + bytes / bandwidth);
  }
  return longest;
}

Replan replan(const SplitProblem& problem, std::span<const std::size_t> cuts,
              const ReplanOptions& options) {
  require_valid(options);
  Replan decision{.plan = plan_split(problem)};
  require_cuts(problem, cuts);
  decision.cost_s = cost_of_move(problem, cuts, decision.plan);
  decision.best_round_s = decision.plan.round_s;
  if (!still_fits(problem, cuts)) {
    decision.moves = true;
    decision.had_to = true;
    return decision;
  }
  SplitPlan present = evaluate_split(problem, cuts);
  decision.gain_s = options.horizon_rounds * (present.round_s - decision.plan.round_s);
  const bool other = decision.plan.cuts != present.cuts;
  decision.moves = other && decision.gain_s > options.factor * decision.cost_s;
  if (!decision.moves) decision.plan = std::move(present);
  return decision;
}

}  // namespace convoy::sim
