#include "analysis/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/sweep_results.hpp"
#include "base/diagnostics.hpp"
#include "base/value.hpp"
#include "sim/sweep/folder.hpp"

namespace convoy::analysis {
namespace {

// Sums over tasks, by their end times.
struct Inflow {
  double time_s = 0;
  double samples = 0;
  double updates = 0;
};

std::vector<Inflow> read_inflow(const RunTables& run) {
  std::vector<Inflow> all;
  all.reserve(run.tasks.size());
  for (const sim::TaskRow& task : run.tasks) {
    if (came_in(task)) all.push_back({task.ended_s, task.samples, 1});
  }
  std::ranges::sort(all, {}, &Inflow::time_s);
  return all;
}

// The value of a scenario's key.
std::optional<base::Value> setting_of(const RunTables& run, const char* table, const char* key) {
  base::Diagnostics ignored;  // no new errors: it was read before
  const base::Value scenario = base::parse_toml(run.run.run.scenario, run.folder, ignored);
  const base::Value* section = scenario.find(table);
  const base::Value* value = section == nullptr ? nullptr : section->find(key);
  return value == nullptr ? std::nullopt : std::optional(*value);
}

template <class T>
void keep_largest(std::optional<T>& largest, T value) {
  largest = std::max(largest.value_or(value), value);
}

// Its work is in no version, and not because the run ended.
bool is_wasted(Outcome outcome) { return outcome == Outcome::lost || outcome == Outcome::dropped; }

}  // namespace

Curve read_curve(const RunTables& run) {
  const std::vector<Inflow> inflow = read_inflow(run);
  Curve curve;
  CurvePoint sum;
  sum.updates = 0;
  std::size_t next = 0;
  for (const sim::EvaluationRow& e : run.evaluations) {
    if (!e.judged) continue;
    for (; next < inflow.size() && inflow[next].time_s <= e.time_s; ++next) {
      sum.samples += inflow[next].samples;
      *sum.updates += inflow[next].updates;
    }
    CurvePoint point = sum;
    point.time_s = e.time_s;
    point.version = e.version;
    point.accuracy = e.top1;
    if (!std::isnan(e.loss)) point.loss = e.loss;
    point.bytes = e.bytes;
    point.energy_j = e.energy_j;
    point.energy_server_j = e.energy_server_j;
    curve.push_back(point);
  }
  return curve;
}

const CurvePoint* first_at(const Curve& curve, double accuracy) {
  const auto found = std::find_if(curve.begin(), curve.end(),
                                  [&](const CurvePoint& p) { return p.accuracy >= accuracy; });
  return found == curve.end() ? nullptr : &*found;
}

std::optional<double> accuracy_at(const Curve& curve, double time_s) {
  std::optional<double> accuracy;
  for (const CurvePoint& p : curve) {
    if (p.time_s <= time_s) accuracy = p.accuracy;
  }
  return accuracy;
}

std::optional<double> accuracy_area(const Curve& curve, double until_s) {
  if (curve.empty() || until_s <= 0) return std::nullopt;
  double area = 0;
  for (std::size_t i = 0; i < curve.size(); ++i) {
    const double begin = std::min(curve[i].time_s, until_s);
    const double end = i + 1 < curve.size() ? std::min(curve[i + 1].time_s, until_s) : until_s;
    area += curve[i].accuracy * std::max(0.0, end - begin);
  }
  return area / until_s;
}

RunFigures read_figures(const RunTables& run, const Curve& curve) {
  RunFigures f;
  f.virtual_time_s = run.until_s();
  f.rounds = static_cast<std::int64_t>(run.aggregations.size());
  double staleness = 0;
  for (const sim::TaskRow& task : run.tasks) {
    const Outcome outcome = outcome_of(task);
    if (came_in(task)) {
      ++f.tasks;
      f.samples += task.samples;
    }
    if (outcome == Outcome::aggregated) {
      ++f.tasks_aggregated;
      staleness += static_cast<double>(task.staleness.value_or(0));
      keep_largest(f.staleness_max, task.staleness.value_or(0));
    }
    if (outcome == Outcome::lost) ++f.tasks_failed;
    if (outcome == Outcome::dropped) ++f.tasks_dropped;
    if (is_wasted(outcome)) f.lost_s += task.busy_s + task.communicating_s;
    f.bytes_down += task.bytes_down;
    f.bytes_up += task.bytes_up;
  }
  if (f.tasks_aggregated > 0) {
    f.staleness_mean = staleness / static_cast<double>(f.tasks_aggregated);
  }
  for (const sim::AggregationRow& a : run.aggregations) {
    if (a.coverage_min) {
      f.coverage_min = std::min(f.coverage_min.value_or(*a.coverage_min), *a.coverage_min);
    }
    if (a.untrained) f.untrained = a.untrained;
  }
  if (!run.node_ends.empty()) {
    double busy = 0;
    f.energy_j = 0;
    for (const sim::NodeEnd& node : run.node_ends) {
      if (node.id == 0) {
        f.energy_server_j = node.energy_j;
        continue;
      }
      *f.energy_j += node.energy_j;
      busy += node.busy_s;
      keep_largest(f.peak_memory_bytes, node.peak_memory_bytes);
    }
    const double node_time = static_cast<double>(run.nodes.size() - 1) * f.virtual_time_s;
    if (node_time > 0) f.utilization = busy / node_time;
  }
  for (const CurvePoint& p : curve) {
    f.accuracy = p.accuracy;
    keep_largest(f.accuracy_best, p.accuracy);
  }
  f.accuracy_area = accuracy_area(curve, f.virtual_time_s);
  return f;
}

std::map<std::int64_t, std::int64_t> staleness_distribution(const RunTables& run) {
  std::map<std::int64_t, std::int64_t> updates;
  for (const sim::TaskRow& task : run.tasks) {
    if (task.staleness) ++updates[*task.staleness];
  }
  return updates;
}

sim::ByNode<double> lost_time(const RunTables& run) {
  sim::ByNode<double> lost(run.nodes.size());
  for (const sim::TaskRow& task : run.tasks) {
    if (!lost.has(task.node) || !is_wasted(outcome_of(task))) continue;
    lost[task.node] += task.busy_s + task.communicating_s;
  }
  return lost;
}

std::string setting_text(const RunTables& run, const char* table, const char* key) {
  const std::optional<base::Value> value = setting_of(run, table, key);
  const std::string* text = value ? value->as<std::string>() : nullptr;
  return text == nullptr ? "" : *text;
}

std::optional<std::string> learned_as(const RunTables& run) {
  const std::string name = setting_text(run, "training", "learn_as");
  const bool another = !name.empty() && name != setting_text(run, "model", "architecture");
  return another && learns(run) ? std::optional(name) : std::nullopt;
}

std::vector<std::string> notes_on_learning(const std::vector<std::string>& learned_as) {
  std::map<std::string, std::size_t> runs;
  for (const std::string& name : learned_as) {
    if (!name.empty()) ++runs[name];
  }
  std::vector<std::string> notes;
  for (const auto& [name, count] : runs) {
    const std::string some =
        count == learned_as.size() ? "" : fmt::format("; {} of {} runs", count, learned_as.size());
    notes.push_back(fmt::format(
        "what was learned is {}, not the model whose times, memory, bytes and energy these are "
        "(training.learn_as{})",
        name, some));
  }
  return notes;
}

bool learns(const RunTables& run) {
  const std::optional<base::Value> learn = setting_of(run, "training", "learn");
  const bool* value = learn ? learn->as<bool>() : nullptr;
  return value != nullptr && *value;
}

std::string percent(const Level& level) { return fmt::format("{:.6g} %", 100 * level.accuracy); }

std::optional<Level> target_of(const RunTables& run) {
  for (const auto& [table, key] : {std::pair{"evaluation", "target"}, {"stop", "accuracy"}}) {
    const std::optional<base::Value> target = setting_of(run, table, key);
    if (!target) continue;
    const std::string from = fmt::format("{}.{} of the scenario", table, key);
    if (const double* value = target->as<double>()) return Level{*value, from};
    if (const std::int64_t* whole = target->as<std::int64_t>()) {
      return Level{static_cast<double>(*whole), from};
    }
  }
  return std::nullopt;
}

std::vector<Level> common_levels(std::vector<double> wanted, const std::vector<Aim>& runs) {
  if (!wanted.empty()) {
    std::ranges::sort(wanted);
    // By the text by which they are told apart.
    const auto are_same = [](double a, double b) {
      return fmt::format("{:.6g}", a) == fmt::format("{:.6g}", b);
    };
    wanted.erase(std::unique(wanted.begin(), wanted.end(), are_same), wanted.end());
    std::vector<Level> levels;
    levels.reserve(wanted.size());
    for (const double accuracy : wanted) levels.push_back({accuracy, "--target"});
    return levels;
  }
  std::optional<Level> target;
  bool agree = true;
  for (const Aim& run : runs) {
    if (!run.target) continue;
    agree = agree && (!target || target->accuracy == run.target->accuracy);
    if (!target) target = run.target;
  }
  if (target && agree) return {*target};
  if (runs.empty()) return {};
  double common = 1;
  for (const Aim& run : runs) {
    if (!run.best) return {};
    common = std::min(common, *run.best);
  }
  constexpr double steps = 100;
  return {{std::floor(common * steps + 1e-9) / steps,
           fmt::format("{}the highest whole percent that all of them reached; it depends on "
                       "which they are: --target fixes it",
                       target ? "their targets differ: " : "")}};
}

std::string label_of_run(const std::string& folder) {
  const std::filesystem::path path = std::filesystem::absolute(folder).lexically_normal();
  const std::filesystem::path at = path.has_filename() ? path : path.parent_path();
  const sim::SweepFolder sweep(at.parent_path().parent_path());
  if (at.parent_path().filename() != "points" || !sweep.exists()) return folder;
  try {
    const sim::SweepIndex index = sweep.index();
    const auto point =
        std::ranges::find(index.points, at.filename().string(), &sim::PointIndex::hash);
    if (point == index.points.end()) return folder;
    std::string label;
    for (std::size_t k = 0; k < index.keys.size(); ++k) {
      label += fmt::format("{}{}={}", k == 0 ? "" : ", ", short_key(index.keys[k], index.keys),
                           point->settings[k]);
    }
    return fmt::format("{}: {}", sweep.path().filename().string(), label);
  } catch (const base::UserError&) {
    return folder;  // a damaged sweep is no fault of its run
  }
}

RunSummary summary_of(const RunTables& run) {
  RunSummary summary{run.folder,     label_of_run(run.folder),    run.run, {}, read_curve(run),
                     target_of(run), learned_as(run).value_or("")};
  summary.figures = read_figures(run, summary.curve);
  return summary;
}

RunSummary read_summary(const std::filesystem::path& folder) {
  return summary_of(read_tables(folder));
}

}  // namespace convoy::analysis
