// Winners in words, the same for the terminal and for the page.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "analysis/winners.hpp"
#include "base/text.hpp"

namespace convoy::analysis {
namespace {

// The most frequent cause: "out of memory".
std::string main_cause(const FailureCounts& failures) {
  if (failures.empty()) return "";
  const auto most =
      std::ranges::max_element(failures, {}, [](const auto& one) { return one.second; });
  return base::replaced(most->first, {{'_', " "}});
}

// At least two digits of what is above 1.
std::string times(double ratio) {
  constexpr int most = 6;
  int decimals = ratio < 100 ? 2 : 0;
  for (double above = 0.1; decimals >= 2 && decimals < most && ratio - 1 < above; above /= 10) {
    ++decimals;
  }
  return fmt::format("{:.{}f}x", ratio, decimals);
}

}  // namespace

std::vector<std::string> short_names(const WinnersMap& map) {
  std::vector<std::string> all = map.keys;
  all.insert(all.end(), map.contest.begin(), map.contest.end());
  all.insert(all.end(), map.along.begin(), map.along.end());
  std::vector<std::string> names;
  names.reserve(map.keys.size());
  for (const std::string& key : map.keys) names.push_back(short_key(key, all));
  return names;
}

std::string label_of(const WinnersMap& map, const Cell& cell) {
  const std::vector<std::string> names = short_names(map);
  std::string label;
  for (std::size_t k = 0; k < names.size(); ++k) {
    label += fmt::format("{}{}={}", k == 0 ? "" : ", ", names[k], cell.settings[k]);
  }
  return label.empty() ? "all points" : label;
}

std::string lead_text(const Metric& metric, const Verdict& verdict) {
  const char* direction = metric.better == Better::less ? "less" : "more";
  if (verdict.ratio) return fmt::format("{} {}", times(*verdict.ratio), direction);
  if (!verdict.difference || metric.unit != Unit::share) return "";
  const double points = 100 * std::abs(*verdict.difference);
  return fmt::format("{:.{}f} points {}", points, points < 0.1 ? 3 : 1, direction);
}

std::string mark_text(const WinnersMap& map, const Cell& cell, std::size_t metric) {
  const Verdict& verdict = cell.verdicts[metric];
  const char* have = map.metrics[metric].target ? "reach it" : "have it";
  const auto reached = [&](std::size_t c) {
    return fmt::format("{} of {}", verdict.standings[c].values, cell.entrants[c].points);
  };
  switch (verdict.decision) {
    case Decision::none:
    case Decision::tie:
      return verdict.why;
    case Decision::alone: {
      const bool only =
          std::ranges::count_if(cell.entrants, [](const Entrant& e) { return e.points > 0; }) == 1;
      return fmt::format("{}: {} seeds {}", only ? "the only one here" : "no other does",
                         reached(*verdict.winner), have);
    }
    case Decision::reach:
      return fmt::format("{} seeds {}; of {} {}", reached(*verdict.winner), have,
                         map.contestants[*verdict.runner_up].label, reached(*verdict.runner_up));
    case Decision::mean:
      if (verdict.clear) return *verdict.clear ? "clear" : "within the seeds' spread";
      return verdict.pairs == 1 ? "one seed" : "no equal seeds";
  }
  return "";
}

std::string trouble_text(const Entrant& entrant) {
  std::vector<std::string> parts;
  const auto share = [&](std::size_t count) {
    return count == entrant.points && count > 1 ? fmt::format("all {}", count)
                                                : fmt::format("{} of {}", count, entrant.points);
  };
  const std::size_t missing = entrant.points - entrant.done - entrant.failed;
  if (entrant.failed > 0) {
    parts.push_back(fmt::format("{} points failed{}{}", share(entrant.failed),
                                entrant.cause.empty() ? "" : ": ", entrant.cause));
  }
  if (missing > 0) parts.push_back(fmt::format("{} points are not done", share(missing)));
  const std::string cause = main_cause(entrant.failures);
  const std::string because = cause.empty() ? "" : fmt::format(" ({})", cause);
  if (entrant.fruitless > 0) {
    parts.push_back(fmt::format("no node update came to its end in {} points{}",
                                share(entrant.fruitless), because));
  }
  if (entrant.mostly_lost > 0) {
    parts.push_back(fmt::format("most node updates failed in {} points{}",
                                share(entrant.mostly_lost), because));
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace convoy::analysis
