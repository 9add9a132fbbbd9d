#include "analysis/metric_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/diagnostics.hpp"
#include "base/text.hpp"

namespace convoy::analysis {
namespace {

void put(MetricValues& values, const std::string& id, std::optional<double> value) {
  if (value && std::isfinite(*value)) values[id] = *value;
}

std::optional<double> value_in(const MetricValues& values, const std::string& id) {
  const auto found = values.find(id);
  return found == values.end() ? std::nullopt : std::optional(found->second);
}

std::optional<double> product(std::optional<double> a, std::optional<double> b) {
  return a && b ? std::optional(*a * *b) : std::nullopt;
}

}  // namespace

std::string Metric::id() const { return target ? fmt::format("{}@{:.6g}", key, *target) : key; }

bool is_learned(const Metric& metric) {
  return metric.target.has_value() || metric.key.starts_with("accuracy");
}

const std::vector<Metric>& run_metrics() {
  static const std::vector<Metric> all = {
      {"virtual_time_s", "virtual time", Unit::seconds, Better::less},
      {"tasks", "updates", Unit::count, Better::none},
      {"tasks_failed", "failed tasks", Unit::count, Better::less, false},
      {"samples", "samples", Unit::count, Better::none},
      {"bytes", "bytes", Unit::bytes, Better::less},
      {"bytes_down", "bytes down", Unit::bytes, Better::less, false},
      {"bytes_up", "bytes up", Unit::bytes, Better::less, false},
      {"energy_j", "energy (workers)", Unit::joules, Better::less},
      {"energy_server_j", "energy (server)", Unit::joules, Better::less},
      {"energy_time_js", "energy (workers) x time", Unit::joule_seconds, Better::less, false},
      {"samples_per_j", "samples per joule", Unit::samples_per_joule, Better::more},
      {"utilization", "utilization", Unit::share, Better::more},
      {"peak_memory_bytes", "peak memory", Unit::bytes, Better::less},
      {"accuracy", "accuracy", Unit::share, Better::more},
      {"accuracy_best", "best accuracy", Unit::share, Better::more, false}};
  return all;
}

MetricValues values_of(const RunFigures& run) {
  MetricValues values;
  put(values, "virtual_time_s", run.virtual_time_s);
  put(values, "tasks", static_cast<double>(run.tasks));
  put(values, "tasks_failed", static_cast<double>(run.tasks_failed));
  put(values, "samples", run.samples);
  put(values, "bytes_down", run.bytes_down);
  put(values, "bytes_up", run.bytes_up);
  put(values, "energy_j", run.energy_j);
  put(values, "energy_server_j", run.energy_server_j);
  put(values, "utilization", run.utilization);
  put(values, "peak_memory_bytes", run.peak_memory_bytes);
  put(values, "accuracy", run.accuracy);
  put(values, "accuracy_best", run.accuracy_best);
  add_derived(values);
  return values;
}

void add_derived(MetricValues& values) {
  const auto of = [&values](const char* key) { return value_in(values, key); };
  if (of("bytes_down") && of("bytes_up")) put(values, "bytes", *of("bytes_down") + *of("bytes_up"));
  put(values, "energy_time_js", product(of("energy_j"), of("virtual_time_s")));
  // Without energy it is infinite, and left out.
  if (of("samples") && of("energy_j")) {
    put(values, "samples_per_j", *of("samples") / *of("energy_j"));
  }
}

std::vector<Metric> metrics_to(const Level& level) {
  const std::string to = " to " + percent(level);
  const std::string note = percent(level) + ": " + level.from;
  const auto metric = [&](const char* key, const char* what, Unit unit, bool usual) {
    return Metric{key, what + to, unit, Better::less, usual, level.accuracy, note};
  };
  return {
      metric("time_to_accuracy_s", "time", Unit::seconds, true),
      metric("bytes_to_accuracy", "bytes", Unit::bytes, true),
      metric("energy_to_accuracy_j", "energy (workers)", Unit::joules, true),
      metric("energy_server_to_accuracy_j", "energy (server)", Unit::joules, false),
      metric("energy_time_to_accuracy_js", "energy (workers) x time", Unit::joule_seconds, false)};
}

void add_values_to(const Level& level, const Curve& curve, MetricValues& values) {
  const CurvePoint* there = first_at(curve, level.accuracy);
  if (there == nullptr) return;
  const std::vector<std::optional<double>> all = {there->time_s, there->bytes, there->energy_j,
                                                  there->energy_server_j,
                                                  product(there->energy_j, there->time_s)};
  const std::vector<Metric> metrics = metrics_to(level);
  for (std::size_t i = 0; i < metrics.size(); ++i) put(values, metrics[i].id(), all.at(i));
}

std::vector<Metric> chosen(const std::vector<Metric>& metrics,
                           const std::vector<std::string>& wanted) {
  std::vector<Metric> all;
  const auto add = [&all](const Metric& metric) {
    if (std::ranges::find(all, metric.id(), &Metric::id) == all.end()) all.push_back(metric);
  };
  if (wanted.empty()) {
    std::ranges::copy_if(metrics, std::back_inserter(all), &Metric::usual);
    return all;
  }
  for (const std::string& name : wanted) {
    const auto add_if = [&](const auto& fits) {
      bool any = false;
      for (const Metric& metric : metrics) {
        if (!fits(metric)) continue;
        any = true;
        add(metric);
      }
      return any;
    };
    if (name.empty()) throw base::UserError("--metrics: a name is empty");
    if (name == "all") {
      for (const Metric& metric : metrics) add(metric);
      continue;
    }
    // From exact matches to hints.
    if (add_if([&](const Metric& m) { return m.key == name || m.title == name; }) ||
        add_if([&](const Metric& m) { return m.title.starts_with(name); }) ||
        add_if([&](const Metric& m) { return m.title.find(name) != std::string::npos; })) {
      continue;
    }
    std::vector<std::string> keys;
    std::vector<std::string> known;  // keys, and the titles' first words
    for (const Metric& metric : metrics) {
      known.push_back(metric.title.substr(0, metric.title.find(' ')));
      if (std::ranges::find(keys, metric.key) == keys.end()) keys.push_back(metric.key);
    }
    known.insert(known.end(), keys.begin(), keys.end());
    throw base::UserError(
        fmt::format("--metrics {}: no metric of these runs is called so{}; they "
                    "have {}, and \"all\" shows all",
                    name, base::did_you_mean(name, known), base::list_of(keys, "and")));
  }
  return all;
}

}  // namespace convoy::analysis
