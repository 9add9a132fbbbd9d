#include "cli/sweep_output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/csv.hpp"
#include "base/text.hpp"
#include "cli/comparison_table.hpp"
#include "cli/metric_text.hpp"
#include "cli/table.hpp"
#include "cli/terminal_json.hpp"

namespace convoy::cli {
namespace {

using analysis::PointStatus;
using analysis::SweepResults;
using nlohmann::ordered_json;

// The values of a metric, by group.
std::vector<std::vector<double>> values_of(const SweepResults& results,
                                           const analysis::SeedGroups& groups,
                                           const std::string& id) {
  std::vector<std::vector<double>> all;
  for (const analysis::SeedGroup& group : groups.groups) {
    auto& values = all.emplace_back();
    for (const std::size_t i : group.points) {
      const auto found = results.points[i].values.find(id);
      if (found != results.points[i].values.end()) values.push_back(found->second);
    }
  }
  return all;
}

// "point 3 (fleet.nodes.0.count = 4)"
std::string called(const SweepResults& results, std::size_t point) {
  std::string where;
  for (std::size_t k = 0; k < results.index.keys.size(); ++k) {
    where += fmt::format("{}{} = {}", where.empty() ? "" : ", ", results.index.keys[k],
                         results.index.points[point].settings[k]);
  }
  return fmt::format("point {} ({})", point, base::escaped(where));
}

}  // namespace

std::string sweep_csv(const SweepResults& results, const sim::SweepFolder& folder) {
  std::string text = "point,hash";
  for (const std::string& key : results.index.keys) text += "," + base::csv_cell(key);
  for (const char* column : sim::result_columns) text += fmt::format(",result.{}", column);
  text += "\n";
  for (std::size_t i = 0; i < results.points.size(); ++i) {
    const sim::PointIndex& point = results.index.points[i];
    const auto summary = folder.summary(point.hash);
    if (!summary) continue;
    text += fmt::format("{},{}", i, point.hash);
    for (const std::string& value : point.settings) text += "," + base::csv_cell(value);
    for (const char* column : sim::result_columns) {
      const ordered_json& v = (*summary)[column];
      text += ",";
      if (!v.is_null()) text += base::csv_cell(v.is_string() ? v.get<std::string>() : v.dump());
    }
    text += "\n";
  }
  return text;
}

std::string sweep_json(const SweepResults& results, const sim::SweepFolder& folder,
                       const std::string& status) {
  const auto& keys = results.index.keys;
  ordered_json all = {{"scenario", results.index.scenario},
                      {"status", status},
                      {"keys", keys},
                      {"points", results.points.size()},
                      {"finished", results.count(PointStatus::done)},
                      {"failed", results.count(PointStatus::failed)}};
  all["results"] = ordered_json::array();
  for (std::size_t i = 0; i < results.points.size(); ++i) {
    const sim::PointIndex& point = results.index.points[i];
    ordered_json one = {{"point", i}, {"hash", point.hash}};
    for (std::size_t k = 0; k < keys.size(); ++k) one["settings"][keys[k]] = point.settings[k];
    if (auto summary = folder.summary(point.hash)) {
      summary->erase("curve");
      one["summary"] = std::move(*summary);
    } else {
      one["summary"] = nullptr;
      one["cause"] = results.points[i].cause;
    }
    all["results"].push_back(std::move(one));
  }
  return terminal_json(all);
}

std::string sweep_table(const SweepResults& results) {
  // Other metrics are in results.csv.
  const std::vector<std::string> wanted = {
      "virtual_time_s", "utilization", "energy_j",           "energy_server_j",
      "bytes",          "accuracy",    "time_to_accuracy_s", "energy_to_accuracy_j"};
  const analysis::SeedGroups groups = analysis::without_seeds(results.index);
  std::vector<std::string> headings;
  for (const std::size_t k : groups.keys) {
    headings.push_back("<" + analysis::short_key(results.index.keys[k], results.index.keys));
  }
  headings.emplace_back("runs");
  std::vector<std::vector<std::string>> columns;
  for (const analysis::Metric& metric : results.metrics) {
    if (std::ranges::find(wanted, metric.key) == wanted.end()) continue;
    headings.push_back(metric.title);
    columns.push_back(means_and_spreads(metric.unit, values_of(results, groups, metric.id())));
  }
  Table table(headings);
  for (std::size_t g = 0; g < groups.groups.size(); ++g) {
    const analysis::SeedGroup& group = groups.groups[g];
    std::vector<std::string> row = group.settings;
    const auto count = [&](PointStatus status) {
      return std::ranges::count_if(
          group.points, [&](std::size_t i) { return results.points[i].status == status; });
    };
    const auto failed = count(PointStatus::failed);
    row.push_back(failed > 0 ? fmt::format("{} ({} failed)", count(PointStatus::done), failed)
                             : fmt::format("{}", count(PointStatus::done)));
    for (const auto& column : columns) row.push_back(column[g]);
    table.add(std::move(row));
  }
  std::string text =
      fmt::format("Of the runs of each setting: {}\n{}", mean_and_spread_heading, table.str());
  for (const analysis::Level& level : results.levels) {
    const auto reached = std::ranges::count_if(results.points, [&](const auto& point) {
      return analysis::first_at(point.curve, level.accuracy) != nullptr;
    });
    text += level_text(level, static_cast<std::size_t>(reached), results.count(PointStatus::done));
  }
  std::vector<std::string> learned;
  for (const analysis::SweepPoint& point : results.points) {
    if (point.status == PointStatus::done) learned.push_back(point.learned_as);
  }
  return text + notes_text(analysis::notes_on_learning(learned));
}

void print_failures(const SweepResults& results) {
  constexpr std::size_t most = 20;
  std::size_t said = 0;
  for (std::size_t i = 0; i < results.points.size(); ++i) {
    if (results.points[i].status != PointStatus::failed || ++said > most) continue;
    fmt::print(stderr, "convoy: {} failed: {}; points/{}/log.txt\n", called(results, i),
               base::printable(results.points[i].cause, 300),
               base::escaped(results.index.points[i].hash));
  }
  if (said > most) fmt::print(stderr, "convoy: ... and {} more\n", said - most);
}

void print_remarks(const SweepResults& results, const sim::SweepFolder& folder) {
  constexpr std::size_t most = 20;
  std::size_t said = 0;
  for (std::size_t i = 0; i < results.points.size(); ++i) {
    if (results.points[i].status != PointStatus::done) continue;
    const auto summary = folder.summary(results.index.points[i].hash);
    if (!summary || !summary->contains("remarks")) continue;
    for (const ordered_json& remark : (*summary)["remarks"]) {
      if (!remark.is_string() || ++said > most) continue;
      fmt::print(stderr, "convoy: warning: {}: {}\n", called(results, i),
                 base::printable(remark.get<std::string>(), 500));
    }
  }
  if (said > most) fmt::print(stderr, "convoy: ... and {} more\n", said - most);
}

}  // namespace convoy::cli
