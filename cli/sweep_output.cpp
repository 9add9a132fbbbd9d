#include "cli/sweep_output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/csv.hpp"
#include "base/text.hpp"
#include "cli/figure_text.hpp"
#include "cli/table.hpp"

namespace convoy::cli {
namespace {

using analysis::PointStatus;
using analysis::SweepResults;
using nlohmann::ordered_json;

std::string cell(const SweepResults& results, std::size_t figure,
                 const std::vector<std::size_t>& group) {
  std::vector<double> values;
  for (const std::size_t i : group) {
    const auto& of_point = results.points[i].values;
    if (figure < of_point.size() && of_point[figure]) values.push_back(*of_point[figure]);
  }
  return mean_and_spread(results.figures[figure].unit, values);
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
  return all.dump(2, ' ', false, ordered_json::error_handler_t::replace);
}

std::string sweep_table(const SweepResults& results) {
  // Other figures are in results.csv.
  const std::vector<std::string> shown = {
      "virtual_time_s", "utilization", "energy_j",           "energy_server_j",     "bytes_down",
      "bytes_up",       "accuracy",    "time_to_accuracy_s", "energy_to_accuracy_j"};
  std::vector<std::size_t> figures;
  for (std::size_t f = 0; f < results.figures.size(); ++f) {
    const bool wanted = std::ranges::find(shown, results.figures[f].key) != shown.end();
    if (wanted) figures.push_back(f);
  }
  const analysis::SeedGroups groups = analysis::without_seeds(results.index);
  std::vector<std::string> headings;
  for (const std::size_t k : groups.keys) headings.push_back("<" + results.index.keys[k]);
  headings.emplace_back("runs");
  for (const std::size_t f : figures) headings.push_back(results.figures[f].title);
  Table table(headings);
  for (const analysis::SeedGroup& group : groups.groups) {
    std::vector<std::string> row = group.settings;
    std::size_t runs = 0;
    std::size_t failures = 0;
    for (const std::size_t i : group.points) {
      runs += results.points[i].status == PointStatus::done ? 1 : 0;
      failures += results.points[i].status == PointStatus::failed ? 1 : 0;
    }
    row.push_back(failures > 0 ? fmt::format("{} ({} failed)", runs, failures)
                               : fmt::format("{}", runs));
    for (const std::size_t f : figures) row.push_back(cell(results, f, group.points));
    table.add(std::move(row));
  }
  std::string text =
      fmt::format("Of the runs of each setting: {}\n{}", mean_and_spread_heading, table.str());
  if (results.level) {
    const analysis::Level& level = *results.level;
    const auto reached = std::ranges::count_if(results.points, [&](const auto& point) {
      return analysis::first_at(point.curve, level.accuracy) != nullptr;
    });
    text += fmt::format("  to {}: {}; {} of {} runs reach it\n", percent(level), level.from,
                        reached, results.count(PointStatus::done));
  }
  return text;
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
