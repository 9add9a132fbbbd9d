#include "analysis/sweep_results.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>

namespace convoy::analysis {
namespace {

using nlohmann::ordered_json;

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

MetricValues values_in(const ordered_json& summary) {
  MetricValues values;
  for (const Metric& metric : run_metrics()) {
    const std::optional<double> value = value_in(summary, metric.key);
    if (value && std::isfinite(*value)) values[metric.key] = *value;
  }
  add_derived(values);
  return values;
}

FailureCounts failures_in(const ordered_json& summary) {
  FailureCounts failures;
  const auto found = summary.find("failures");
  if (found == summary.end() || !found->is_object()) return failures;
  for (const auto& [cause, count] : found->items()) {
    if (count.is_number_unsigned()) failures[cause] = count.get<std::size_t>();
  }
  return failures;
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
    point.updates = number("updates");
    point.loss = number("loss");
  }
  return curve;
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
  SweepResults results{folder.path().string(), folder.index(), {}, {}, {}};
  for (const sim::PointIndex& point : results.index.points) {
    SweepPoint& row = results.points.emplace_back();
    if (const auto summary = folder.summary(point.hash)) {
      row.status = PointStatus::done;
      row.seed = summary->at("seed").dump();
      row.curve = curve_in(*summary);
      const auto learned = summary->find("learned_as");
      if (learned != summary->end() && learned->is_string()) row.learned_as = *learned;
      if (const auto target = value_in(*summary, "target_accuracy")) {
        row.target = Level{*target, "the scenario's target"};
      }
      row.values = values_in(*summary);
      row.failures = failures_in(*summary);
    } else {
      row.cause = folder.failure(point.hash);
      if (!row.cause.empty()) row.status = PointStatus::failed;
    }
  }
  std::vector<SweepResults> alone = {std::move(results)};
  set_levels(alone, {});
  return std::move(alone.front());
}

std::vector<Level> set_levels(std::vector<SweepResults>& sweeps,
                              const std::vector<double>& wanted) {
  std::vector<Aim> aims;
  for (const SweepResults& sweep : sweeps) {
    for (const SweepPoint& point : sweep.points) {
      if (point.status == PointStatus::done) aims.push_back({point.target, best_of(point.curve)});
    }
  }
  std::vector<Level> levels = common_levels(wanted, aims);
  std::vector<Metric> metrics = run_metrics();
  for (const Level& level : levels) {
    std::ranges::move(metrics_to(level), std::back_inserter(metrics));
  }
  for (SweepResults& sweep : sweeps) {
    sweep.levels = levels;
    for (SweepPoint& point : sweep.points) {
      // Those of other levels go.
      std::erase_if(point.values, [](const auto& v) { return v.first.find('@') < v.first.size(); });
      for (const Level& level : levels) add_values_to(level, point.curve, point.values);
    }
    sweep.metrics.clear();
    std::ranges::copy_if(metrics, std::back_inserter(sweep.metrics), [&](const Metric& metric) {
      return std::ranges::any_of(sweep.points, [id = metric.id()](const SweepPoint& point) {
        return point.values.contains(id);
      });
    });
  }
  return levels;
}

std::string short_key(const std::string& key, const std::vector<std::string>& keys) {
  for (std::size_t dot = key.rfind('.'); dot != std::string::npos && dot > 0;
       dot = key.rfind('.', dot - 1)) {
    const std::string end = key.substr(dot);
    const auto ends_so = [&](const std::string& other) { return other.ends_with(end); };
    if (std::count_if(keys.begin(), keys.end(), ends_so) == 1) return end.substr(1);
  }
  return key;
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
