#include "analysis/winners.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>

#include "analysis/comparison.hpp"
#include "analysis/winners_axes.hpp"
#include "base/diagnostics.hpp"
#include "base/text.hpp"

namespace convoy::analysis {
namespace {

// --- the metrics --------------------------------------------------------------------------------

std::vector<Metric> metrics_of(const std::vector<SweepResults>& sweeps,
                               const WinnersChoice& choice) {
  const std::vector<Level>& levels = sweeps.front().levels;
  std::vector<Metric> all;
  for (const Metric& metric : run_metrics()) {
    const bool has = std::ranges::any_of(sweeps, [&](const SweepResults& sweep) {
      return std::ranges::find(sweep.metrics, metric.key, &Metric::key) != sweep.metrics.end();
    });
    if (has) all.push_back(metric);
  }
  if (all.empty()) all.push_back(run_metrics().front());  // the cells say why nobody has it
  // Also those that nobody reaches.
  for (const Level& level : levels) std::ranges::move(metrics_to(level), std::back_inserter(all));
  std::vector<std::string> wanted = choice.metrics;
  if (wanted.empty()) {
    const bool learns = std::ranges::find(all, "accuracy", &Metric::key) != all.end();
    if (!levels.empty()) {
      wanted = {"time_to_accuracy_s", "energy_to_accuracy_j"};
    } else if (learns) {
      wanted = {"accuracy"};
    }
    for (const char* key : {"energy_j", "virtual_time_s"}) {
      const bool has = std::ranges::find(all, key, &Metric::key) != all.end();
      if (levels.empty() && !learns && has) wanted.emplace_back(key);
    }
    if (wanted.empty()) return {run_metrics().front()};
  }
  std::vector<Metric> metrics;
  for (Metric& metric : chosen(all, wanted)) {
    if (metric.better != Better::none) {
      metrics.push_back(std::move(metric));
    } else if (std::ranges::find(wanted, "all") == wanted.end()) {
      throw base::UserError(fmt::format(
          "--metrics {}: neither less nor more of it is better, so nobody wins by it", metric.key));
    }
  }
  return metrics;
}

// --- a cell -------------------------------------------------------------------------------------

double value_or_0(const SweepPoint& point, const char* key) {
  const auto found = point.values.find(key);
  return found == point.values.end() ? 0 : found->second;
}

bool mostly_lost(const SweepPoint& point) {
  return point.status == PointStatus::done &&
         value_or_0(point, "tasks_failed") > value_or_0(point, "tasks");
}
bool fruitless(const SweepPoint& point) {
  return mostly_lost(point) && value_or_0(point, "tasks") == 0;
}

Entrant entrant_of(const std::vector<const SweepPoint*>& points) {
  Entrant entrant;
  entrant.points = points.size();
  for (const SweepPoint* point : points) {
    if (point->status == PointStatus::done) ++entrant.done;
    if (point->status == PointStatus::failed && entrant.failed++ == 0) entrant.cause = point->cause;
    if (!mostly_lost(*point)) continue;
    ++(fruitless(*point) ? entrant.fruitless : entrant.mostly_lost);
    for (const auto& [cause, count] : point->failures) entrant.failures[cause] += count;
  }
  return entrant;
}

std::string why_nobody(const Metric& metric, const std::vector<Entrant>& entrants) {
  Entrant all;
  for (const Entrant& entrant : entrants) {
    all.points += entrant.points;
    all.done += entrant.done;
    all.fruitless += entrant.fruitless;
    if (all.failed == 0) all.cause = entrant.cause;
    all.failed += entrant.failed;
    for (const auto& [cause, count] : entrant.failures) all.failures[cause] += count;
  }
  std::string why;
  if (all.done > all.fruitless) {
    why = metric.target ? fmt::format("nobody reaches {}", percent(Level{*metric.target, ""}))
                        : "no run has it";
  }
  const std::string trouble = trouble_text(all);
  return why + (why.empty() || trouble.empty() ? "" : "; ") + trouble;
}

// What two contestants are compared by.
struct Field {
  using Points = std::vector<std::vector<const SweepPoint*>>;  // by contestant
  const Metric& metric;
  const Points& points;
  const std::vector<Contestant>& contestants;

  [[nodiscard]] std::optional<double> value(const SweepPoint& point) const {
    if (point.status != PointStatus::done || fruitless(point)) return std::nullopt;
    const auto found = point.values.find(metric.id());
    return found == point.values.end() ? std::nullopt : std::optional(found->second);
  }
};

Standing standing_of(const Field& field, const std::vector<const SweepPoint*>& points) {
  Standing standing;
  double sum = 0;
  for (const SweepPoint* point : points) {
    const std::optional<double> value = field.value(*point);
    if (!value) continue;
    ++standing.values;
    sum += *value;
  }
  if (standing.values > 0) standing.mean = sum / static_cast<double>(standing.values);
  return standing;
}

// At equal seeds, as comparisons pair runs.
void pair_up(const Field& field, Verdict& verdict) {
  Cases cases;
  cases.metrics = {field.metric};
  for (const bool of_winner : {false, true}) {
    for (const SweepPoint* point : field.points[of_winner ? *verdict.winner : *verdict.runner_up]) {
      Case one{of_winner ? "winner" : "runner-up", "", "", point->seed, {}, {}};
      if (const auto value = field.value(*point)) one.values[field.metric.id()] = *value;
      cases.all.push_back(std::move(one));
    }
  }
  const GroupValues winner = compare(cases, "runner-up").metrics.at(0).groups.at(1);
  verdict.pairs = winner.differences.size();
  verdict.paired = winner.paired;
  if (!winner.paired || !winner.paired->low) return;
  const bool less = field.metric.better == Better::less;
  verdict.clear = less ? *winner.paired->high < 0 : *winner.paired->low > 0;
}

bool are_equal(double a, double b) {
  constexpr double same = 1e-9;  // relative; what rounding alone makes
  return std::abs(a - b) <= same * std::max(std::abs(a), std::abs(b));
}

std::string names_of(const Field& field, const std::vector<std::size_t>& who) {
  std::vector<std::string> names;
  names.reserve(who.size());
  for (const std::size_t c : who) names.push_back(field.contestants[c].label);
  return base::list_of(names, "and");
}

// Both have values of all seeds. `order`: the best first, at least two.
void by_means(const Field& field, const std::vector<std::size_t>& order, Verdict& verdict) {
  const auto mean = [&](std::size_t c) { return *verdict.standings[c].mean; };
  std::vector<std::size_t> equal;
  for (const std::size_t c : order) {
    const bool full = verdict.standings[c].values == field.points[c].size();
    if (full && are_equal(mean(c), mean(order[0]))) equal.push_back(c);
  }
  if (equal.size() > 1) {
    std::ranges::sort(equal);
    verdict.decision = Decision::tie;
    verdict.why = names_of(field, equal) + " are equal";
    return;
  }
  verdict.decision = Decision::mean;
  verdict.winner = order[0];
  verdict.runner_up = order[1];
  const double best = mean(order[0]);
  const double second = mean(order[1]);
  verdict.difference = best - second;
  const bool less = field.metric.better == Better::less;
  if (field.metric.unit != Unit::share && best > 0 && second > 0) {
    verdict.ratio = less ? second / best : best / second;
  }
  pair_up(field, verdict);
}

Verdict verdict_of(const Field& field, const std::vector<Entrant>& entrants) {
  Verdict verdict;
  std::vector<std::size_t> order;
  for (std::size_t c = 0; c < field.points.size(); ++c) {
    verdict.standings.push_back(standing_of(field, field.points[c]));
    if (verdict.standings[c].values > 0) order.push_back(c);
  }
  if (order.empty()) {
    verdict.why = why_nobody(field.metric, entrants);
    return verdict;
  }
  // The shares of the seeds as products: no rounding.
  const auto share_above = [&](std::size_t a, std::size_t b) {
    return verdict.standings[a].values * field.points[b].size() >
           verdict.standings[b].values * field.points[a].size();
  };
  const double worth = field.metric.better == Better::more ? -1 : 1;
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    if (share_above(a, b) || share_above(b, a)) return share_above(a, b);
    return worth * *verdict.standings[a].mean < worth * *verdict.standings[b].mean;
  });
  if (order.size() == 1) {
    verdict.decision = Decision::alone;
    verdict.winner = order[0];
  } else if (share_above(order[0], order[1])) {
    verdict.decision = Decision::reach;
    verdict.winner = order[0];
    verdict.runner_up = order[1];
  } else if (verdict.standings[order[0]].values == field.points[order[0]].size()) {
    by_means(field, order, verdict);
  } else {
    std::erase_if(order, [&](std::size_t c) { return share_above(order[0], c); });
    std::ranges::sort(order);
    verdict.why = fmt::format("nobody {} with all seeds: {} of {} each of {}",
                              field.metric.target ? "reaches it" : "has it",
                              verdict.standings[order[0]].values, field.points[order[0]].size(),
                              names_of(field, order));
  }
  return verdict;
}

}  // namespace

WinnersMap winners_of(const std::vector<SweepResults>& sweeps, const WinnersChoice& choice) {
  const Axes axes = axes_of(sweeps, choice.contest);
  const ContestGroups& groups = axes.groups;
  WinnersMap map;
  for (const std::size_t k : axes.contest) map.contest.push_back(groups.keys[k]);
  for (const std::size_t k : axes.along) map.along.push_back(groups.keys[k]);
  for (const std::size_t k : axes.cells) map.keys.push_back(groups.keys[k]);
  map.metrics = metrics_of(sweeps, choice);
  std::vector<std::string> learned;
  for (const SweepResults& sweep : sweeps) {
    for (const SweepPoint& point : sweep.points) {
      if (point.status == PointStatus::done) learned.push_back(point.learned_as);
    }
  }
  map.notes = notes_on_learning(learned);

  std::map<std::vector<std::string>, std::size_t> contestants;
  std::map<std::vector<std::string>, std::size_t> cells;
  for (const ContestGroup& group : groups.all) {
    std::vector<std::string> who = picked(group, axes.contest);
    std::vector<std::string> where = picked(group, axes.cells);
    if (contestants.try_emplace(who, contestants.size()).second) {
      std::string label = who.size() == 1 ? who[0] : label_with(map.contest, who, groups.keys);
      map.contestants.push_back({std::move(label), std::move(who)});
    }
    if (cells.try_emplace(where, cells.size()).second) {
      map.cells.push_back({std::move(where), {}, {}});
    }
  }
  std::vector<Field::Points> points(cells.size(), Field::Points(contestants.size()));
  for (const ContestGroup& group : groups.all) {
    auto& own = points[cells[picked(group, axes.cells)]][contestants[picked(group, axes.contest)]];
    std::ranges::copy(group.points, std::back_inserter(own));
  }
  for (std::size_t i = 0; i < map.cells.size(); ++i) {
    Cell& cell = map.cells[i];
    for (const auto& own : points[i]) cell.entrants.push_back(entrant_of(own));
    for (const Metric& metric : map.metrics) {
      cell.verdicts.push_back(verdict_of({metric, points[i], map.contestants}, cell.entrants));
    }
  }
  return map;
}

}  // namespace convoy::analysis
