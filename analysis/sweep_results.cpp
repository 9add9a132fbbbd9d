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
      {"energy_j", "energy (workers)", Unit::joules, Better::less},
      {"energy_server_j", "energy (server)", Unit::joules, Better::less},
      {"bytes_down", "down", Unit::bytes, Better::less},
      {"bytes_up", "up", Unit::bytes, Better::less},
      {"peak_memory_bytes", "peak memory", Unit::bytes, Better::less},
      {"accuracy", "accuracy", Unit::share, Better::more},
      {"accuracy_best", "best accuracy", Unit::share, Better::more},
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

// What a point has written of its evaluations. What is not as it should be is left out.
Curve curve_in(const ordered_json& summary) {
  Curve curve;
  for (const ordered_json& row : summary.at("curve")) {
    const auto number = [&row](const char* key) -> std::optional<double> {
      const auto found = row.is_object() ? row.find(key) : row.end();
      if (found == row.end() || !found->is_number()) return std::nullopt;
      return found->get<double>();
    };
    if (!number("time_s") || !number("accuracy")) continue;
    CurvePoint& point = curve.emplace_back();
    point.time_s = *number("time_s");
    point.version = static_cast<std::int64_t>(number("version").value_or(0));
    point.accuracy = *number("accuracy");
    point.bytes = number("bytes");
    point.energy_j = number("energy_j");
    point.energy_server_j = number("energy_server_j");
    point.samples = number("samples").value_or(0);
  }
  return curve;
}

// Takes up those of the figures that some point has; `values`: by point, then figure.
void add_figures(const std::vector<FigureName>& names,
                 const std::vector<std::vector<std::optional<double>>>& values,
                 SweepResults& sweep) {
  for (std::size_t f = 0; f < names.size(); ++f) {
    const bool any = std::any_of(values.begin(), values.end(),
                                 [f](const auto& of_point) { return of_point[f].has_value(); });
    if (!any) continue;
    sweep.figures.push_back(names[f]);
    for (std::size_t i = 0; i < values.size(); ++i) sweep.points[i].values.push_back(values[i][f]);
  }
}

std::optional<double> best_of(const Curve& curve) {
  std::optional<double> best;
  for (const CurvePoint& point : curve) best = std::max(best.value_or(0), point.accuracy);
  return best;
}

}  // namespace

std::size_t SweepResults::count(PointStatus status) const {
  return static_cast<std::size_t>(std::ranges::count(points, status, &SweepPoint::status));
}

SweepResults read_sweep(const sim::SweepFolder& folder) {
  SweepResults results{folder.path().string(), folder.index(), {}, {}};
  std::vector<std::vector<std::optional<double>>> values;
  for (const sim::PointIndex& point : results.index.points) {
    SweepPoint& row = results.points.emplace_back();
    auto& of_point = values.emplace_back(all_figures().size());
    if (const auto summary = folder.summary(point.hash)) {
      row.status = PointStatus::done;
      row.seed = summary->at("seed").dump();
      row.curve = curve_in(*summary);
      if (const auto target = value_in(*summary, "target_accuracy")) {
        row.target = Level{*target, "the scenario's target"};
      }
      for (std::size_t f = 0; f < of_point.size(); ++f) {
        of_point[f] = value_in(*summary, all_figures()[f].key);
      }
    } else {
      row.cause = folder.failure(point.hash);
      if (!row.cause.empty()) row.status = PointStatus::failed;
    }
  }
  add_figures(all_figures(), values, results);
  std::vector<SweepResults> alone = {std::move(results)};
  set_level(alone, std::nullopt);
  return std::move(alone.front());
}

std::vector<FigureName> figures_to(const Level& level) {
  const std::string to = " to " + percent(level);
  const std::string note = percent(level) + ": " + level.from;
  return {
      {"time_to_accuracy_s", "time" + to, Unit::seconds, Better::less, note},
      {"bytes_to_accuracy", "bytes" + to, Unit::bytes, Better::less, note},
      {"energy_to_accuracy_j", "energy (workers)" + to, Unit::joules, Better::less, note},
  };
}

std::vector<std::optional<double>> values_at(const CurvePoint* there) {
  if (there == nullptr) return std::vector<std::optional<double>>(3);
  return {there->time_s, there->bytes, there->energy_j};
}

std::optional<Level> set_level(std::vector<SweepResults>& sweeps, std::optional<double> wanted) {
  std::vector<Aim> aims;
  for (const SweepResults& sweep : sweeps) {
    for (const SweepPoint& point : sweep.points) {
      if (point.status == PointStatus::done) aims.push_back({point.target, best_of(point.curve)});
    }
  }
  std::optional<Level> level = common_level(wanted, aims);
  for (SweepResults& sweep : sweeps) {
    // What was told of another level goes.
    const std::vector<FigureName> names = figures_to(level.value_or(Level{}));
    for (const FigureName& name : names) {
      const auto found = std::ranges::find(sweep.figures, name.key, &FigureName::key);
      if (found == sweep.figures.end()) continue;
      const auto at = found - sweep.figures.begin();
      sweep.figures.erase(found);
      for (SweepPoint& point : sweep.points) point.values.erase(point.values.begin() + at);
    }
    sweep.level = level;
    if (!level) continue;
    std::vector<std::vector<std::optional<double>>> values;
    for (const SweepPoint& point : sweep.points) {
      values.push_back(values_at(first_at(point.curve, level->accuracy)));
    }
    add_figures(names, values, sweep);
  }
  return level;
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
