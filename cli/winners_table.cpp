#include "cli/winners_table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/csv.hpp"
#include "base/text.hpp"
#include "cli/table.hpp"

namespace convoy::cli {
namespace {

using analysis::Cell;
using analysis::Verdict;
using analysis::WinnersMap;

std::string plain(const std::optional<double>& value) {
  return value ? fmt::format("{}", *value) : "";
}

std::string name_in(const WinnersMap& map, const std::optional<std::size_t>& contestant) {
  return contestant ? map.contestants[*contestant].label : "";
}

// "fedavg: 2 of 5 points failed: ..." of each contestant to whom something happened.
std::vector<std::string> troubles(const WinnersMap& map, const Cell& cell) {
  std::vector<std::string> all;
  for (std::size_t c = 0; c < cell.entrants.size(); ++c) {
    const std::string trouble = trouble_text(cell.entrants[c]);
    if (!trouble.empty()) all.push_back(map.contestants[c].label + ": " + trouble);
  }
  return all;
}

std::string indented(const std::string& text) {
  constexpr std::size_t width = 96;
  std::string lines;
  for (const std::string& line : base::wrapped(text, width)) {
    lines += (lines.empty() ? "  " : "    ") + line + "\n";
  }
  return lines;
}

std::string contest_line(const WinnersMap& map) {
  std::vector<std::string> names;
  names.reserve(map.contestants.size());
  for (const analysis::Contestant& one : map.contestants) names.push_back(one.label);
  std::string line = fmt::format("Winners by {}: {}", base::list_of(map.contest, "and"),
                                 base::list_of(names, "and"));
  if (!map.along.empty()) {
    line += fmt::format("; {} follow{} from it", base::list_of(map.along, "and"),
                        map.along.size() == 1 ? "s" : "");
  }
  return line + "\n";
}

std::vector<std::string> headings_of(const WinnersMap& map) {
  std::vector<std::string> headings;
  for (const std::string& name : short_names(map)) headings.push_back("<" + name);
  if (map.keys.empty()) headings.emplace_back("<cell");
  for (const analysis::Metric& metric : map.metrics) {
    headings.insert(headings.end(), {"<" + metric.title, "lead", "<how sure"});
  }
  return headings;
}

}  // namespace

std::string winners_text(const WinnersMap& map) {
  Table table(headings_of(map));
  std::string notes;
  bool intervals = false;
  for (const Cell& cell : map.cells) {
    std::vector<std::string> row = cell.settings;
    if (row.empty()) row.push_back(label_of(map, cell));
    for (std::size_t m = 0; m < map.metrics.size(); ++m) {
      const Verdict& verdict = cell.verdicts[m];
      row.insert(row.end(), {verdict.winner ? name_in(map, verdict.winner) : "nobody",
                             lead_text(map.metrics[m], verdict), mark_text(map, cell, m)});
      intervals = intervals || verdict.clear;
    }
    table.add(std::move(row));
    for (const std::string& trouble : troubles(map, cell)) {
      notes += indented(fmt::format("{}: {}", label_of(map, cell), trouble));
    }
  }
  std::string text = contest_line(map) + table.str() + notes;
  if (intervals) {
    text +=
        "  clear: the 95 % interval of the difference to the runner-up, at equal seeds, excludes "
        "0\n";
  }
  std::vector<std::string> said;
  for (const analysis::Metric& metric : map.metrics) {
    if (metric.note.empty() || std::ranges::find(said, metric.note) != said.end()) continue;
    said.push_back(metric.note);
    text += indented("to " + metric.note);
  }
  for (const std::string& note : map.notes) text += indented("note: " + note);
  return text;
}

std::string winners_csv(const WinnersMap& map) {
  std::string text;
  for (const std::string& key : map.keys) text += base::csv_cell(key) + ",";
  text +=
      "metric,unit,target,decision,winner,runner_up,winner_mean,runner_up_mean,ratio,difference,"
      "pairs,difference_low,difference_high,method,clear,why,standings,troubles,notes\n";
  for (const Cell& cell : map.cells) {
    for (std::size_t m = 0; m < map.metrics.size(); ++m) {
      const analysis::Metric& metric = map.metrics[m];
      const Verdict& verdict = cell.verdicts[m];
      const auto mean = [&](const std::optional<std::size_t>& c) {
        return c ? plain(verdict.standings[*c].mean) : "";
      };
      std::vector<std::string> standings;
      for (std::size_t c = 0; c < cell.entrants.size(); ++c) {
        standings.push_back(fmt::format("{}:{}:{}/{}", map.contestants[c].label, mean(c),
                                        verdict.standings[c].values, cell.entrants[c].points));
      }
      const analysis::Interval interval = verdict.paired.value_or(analysis::Interval{});
      for (const std::string& setting : cell.settings) text += base::csv_cell(setting) + ",";
      text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", metric.key,
                          name_of(analysis::unit_words, metric.unit), plain(metric.target),
                          name_of(analysis::decision_words, verdict.decision),
                          base::csv_cell(name_in(map, verdict.winner)),
                          base::csv_cell(name_in(map, verdict.runner_up)), mean(verdict.winner),
                          mean(verdict.runner_up), plain(verdict.ratio), plain(verdict.difference),
                          verdict.pairs, plain(interval.low), plain(interval.high), interval.method,
                          verdict.clear ? fmt::format("{}", *verdict.clear ? 1 : 0) : "",
                          base::csv_cell(verdict.why),
                          base::csv_cell(fmt::format("{}", fmt::join(standings, "; "))),
                          base::csv_cell(fmt::format("{}", fmt::join(troubles(map, cell), "; "))),
                          base::csv_cell(fmt::format("{}", fmt::join(map.notes, "; "))));
    }
  }
  return text;
}

}  // namespace convoy::cli
