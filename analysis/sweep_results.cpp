#include "analysis/sweep_results.hpp"

#include <algorithm>
#include <map>

namespace convoy::analysis {
namespace {

using nlohmann::ordered_json;

const std::vector<FigureName>& all_figures() {
  static const std::vector<FigureName> all = {
      {"virtual_time_s", "virtual time", Unit::seconds, Better::less},
      {"utilization", "utilization", Unit::share, Better::more},
      {"energy_j", "energy", Unit::joules, Better::less},
      {"bytes_down", "down", Unit::bytes, Better::less},
      {"bytes_up", "up", Unit::bytes, Better::less},
      {"peak_memory_bytes", "peak memory", Unit::bytes, Better::less},
      {"accuracy", "accuracy", Unit::share, Better::more},
      {"accuracy_best", "best accuracy", Unit::share, Better::more},
      {"time_to_accuracy_s", "to target", Unit::seconds, Better::less},
      {"tasks", "updates", Unit::count, Better::none},
      {"tasks_failed", "failed tasks", Unit::count, Better::less},
  };
  return all;
}

std::optional<double> value_in(const ordered_json& summary, const std::string& key) {
  const auto found = summary.find(key);
  if (found == summary.end()) return std::nullopt;
  if (found->is_number()) return found->get<double>();
  if (!found->is_object() || found->empty()) return std::nullopt;
  // By node, the server first: of the worker that needed most.
  double most = 0;
  for (auto node = std::next(found->begin()); node != found->end(); ++node) {
    if (node->is_number()) most = std::max(most, node->get<double>());
  }
  return most;
}

}  // namespace

const char* name_of(PointStatus status) {
  switch (status) {
    case PointStatus::done:
      return "done";
    case PointStatus::failed:
      return "failed";
    case PointStatus::missing:
      return "missing";
  }
  return "";
}

std::size_t SweepResults::count(PointStatus status) const {
  return static_cast<std::size_t>(
      std::count_if(points.begin(), points.end(),
                    [status](const SweepPoint& point) { return point.status == status; }));
}

SweepResults read_sweep(const sim::SweepFolder& folder) {
  SweepResults results{folder.path().string(), folder.index(), {}, {}};
  std::vector<bool> present(all_figures().size(), false);
  for (const sim::PointIndex& point : results.index.points) {
    SweepPoint& row = results.points.emplace_back();
    row.values.resize(all_figures().size());
    if (const auto summary = folder.summary(point.hash)) {
      row.status = PointStatus::done;
      row.seed = summary->at("seed").dump();
      for (std::size_t f = 0; f < row.values.size(); ++f) {
        row.values[f] = value_in(*summary, all_figures()[f].key);
        if (row.values[f]) present[f] = true;
      }
    } else {
      row.cause = folder.failure(point.hash);
      if (!row.cause.empty()) row.status = PointStatus::failed;
    }
  }
  for (std::size_t f = 0; f < present.size(); ++f) {
    if (present[f]) results.figures.push_back(all_figures()[f]);
  }
  for (SweepPoint& row : results.points) {
    std::vector<std::optional<double>> kept;
    for (std::size_t f = 0; f < present.size(); ++f) {
      if (present[f]) kept.push_back(row.values[f]);
    }
    row.values = std::move(kept);
  }
  return results;
}

SeedGroups without_seeds(const sim::SweepIndex& index) {
  SeedGroups all;
  for (std::size_t k = 0; k < index.keys.size(); ++k) {
    if (index.keys[k] != "seed") all.keys.push_back(k);
  }
  std::map<std::vector<std::string>, std::size_t> known;
  for (std::size_t i = 0; i < index.points.size(); ++i) {
    std::vector<std::string> settings;
    settings.reserve(all.keys.size());
    for (const std::size_t k : all.keys) settings.push_back(index.points[i].settings[k]);
    const auto [at, is_new] = known.try_emplace(settings, all.groups.size());
    if (is_new) all.groups.push_back({settings, {}});
    all.groups[at->second].points.push_back(i);
  }
  return all;
}

}  // namespace convoy::analysis
