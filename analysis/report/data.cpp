#include "analysis/report/data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <map>

#include "analysis/idle.hpp"
#include "analysis/report/columns.hpp"
#include "analysis/report/pipeline.hpp"
#include "analysis/report/plans.hpp"
#include "analysis/report/timeline.hpp"
#include "analysis/report/traffic.hpp"
#include "analysis/rounds.hpp"

namespace convoy::analysis {
namespace {

// --- tables of a run ----------------------------------------------------------------------------

Json nodes_json(const RunTables& run, std::size_t most) {
  std::vector<sim::NodeRow> rows = run.nodes;
  if (rows.size() > most) rows.resize(most);
  Json json = columns_json(rows);
  json["real"] = column(rows, &sim::NodeRow::is_real);
  json["class"] = column(rows, [](const auto& n) { return n.device + " " + n.mode; });
  const sim::ByNode<double> lost = lost_time(run);
  json["lost_s"] = column(rows, [&](const auto& n) { return lost[n.id]; });
  // Null until the run is over.
  sim::for_each_column<sim::NodeEnd>([&](const auto& c) {
    json[c.name] = column(rows, [&](const sim::NodeRow& n) {
      if (run.node_ends.empty()) return Json();
      return value_json(run.node_ends[n.id].*c.member);
    });
  });
  return json;
}

Json curve_json(const Curve& curve) {
  return {{"time_s", column(curve, &CurvePoint::time_s)},
          {"version", column(curve, &CurvePoint::version)},
          {"accuracy", column(curve, &CurvePoint::accuracy)},
          {"loss", column(curve, &CurvePoint::loss)},
          {"bytes", column(curve, &CurvePoint::bytes)},
          {"energy_j", column(curve, &CurvePoint::energy_j)},
          {"samples", column(curve, &CurvePoint::samples)},
          {"updates", column(curve, &CurvePoint::updates)}};
}

// The aggregated updates.
Json updates_json(const std::vector<sim::TaskRow>& all, const PageLimits& limits) {
  std::vector<const sim::TaskRow*> rows;
  for (const sim::TaskRow& task : all) {
    const bool shown =
        task.aggregated_version && task.node < static_cast<std::int64_t>(limits.nodes);
    if (shown && rows.size() < limits.updates) rows.push_back(&task);
  }
  return {{"node", column(rows, &sim::TaskRow::node)},
          {"version", column(rows, &sim::TaskRow::aggregated_version)},
          {"staleness", column(rows, [](const auto* t) { return t->staleness.value_or(0); })}};
}

Json readings_json(std::vector<sim::ReadingRow> rows, std::size_t nodes) {
  std::erase_if(rows,
                [nodes](const auto& r) { return r.node >= static_cast<std::int64_t>(nodes); });
  return columns_json(rows);
}

Json traces_json(std::vector<sim::TraceRow> rows, std::size_t nodes) {
  std::erase_if(rows,
                [nodes](const auto& r) { return r.node >= static_cast<std::int64_t>(nodes); });
  return columns_json(rows);
}

Json rounds_json(const std::vector<Round>& rounds) {
  Json json = {
      {"version", column(rounds, &Round::version)},
      {"begin_s", column(rounds, &Round::begin_s)},
      {"end_s", column(rounds, &Round::end_s)},
      {"closed_by",
       column(rounds, [](const auto& r) { return name_of(closed_words, r.closed_by); })},
      {"node", column(rounds, [](const auto& r) { return r.node < 0 ? Json() : Json(r.node); })},
      {"label", column(rounds, &Round::label)},
      {"label_s", column(rounds, &Round::label_s)}};
  for (const auto& part : path_words) {
    json[fmt::format("{}_s", part.text)] = column(
        rounds, [&](const auto& r) { return r.path_s[static_cast<std::size_t>(part.value)]; });
  }
  return json;
}

Json idle_json(const RunTables& run, const std::vector<Idle>& intervals, std::size_t most) {
  Json nodes = Json::array();
  Json causes = Json::array();
  Json seconds = Json::array();
  const sim::ByNode<IdleSums> sums = idle_sums(run, intervals);
  for (std::size_t node = 0; node < std::min(sums.size(), most); ++node) {
    for (const auto& [cause, word] : idle_words) {
      const double s = sums[node][static_cast<std::size_t>(cause)];
      if (s <= 0) continue;
      nodes.push_back(node);
      causes.push_back(word);
      seconds.push_back(s);
    }
  }
  return {{"node", nodes}, {"cause", causes}, {"s", seconds}};
}

Json staleness_json(const RunTables& run) {
  const std::map<std::int64_t, std::int64_t> updates = staleness_distribution(run);
  Json json = {{"versions", Json::array()}, {"updates", Json::array()}};
  const auto add = [&](std::int64_t versions, std::int64_t count) {
    json["versions"].push_back(versions);
    json["updates"].push_back(count);
  };
  // Includes 0 counts, as long as a chart can show them.
  constexpr std::int64_t widest = 10'000;
  std::int64_t next = 0;
  for (const auto& [versions, count] : updates) {
    for (; next < std::min(versions, widest); ++next) add(next, 0);
    add(versions, count);
    next = versions + 1;
  }
  return json;
}

// --- figures ------------------------------------------------------------------------------------

Json figures_json(const RunFigures& f, const Curve& curve, const std::optional<Level>& target) {
  const MetricValues derived = values_of(f);
  const auto derived_json = [&derived](const char* key) {
    const auto found = derived.find(key);
    return found == derived.end() ? Json() : Json(found->second);
  };
  Json json = {{"rounds", f.rounds},
               {"tasks", f.tasks},
               {"tasks_aggregated", f.tasks_aggregated},
               {"tasks_dropped", f.tasks_dropped},
               {"tasks_failed", f.tasks_failed},
               {"samples", f.samples},
               {"utilization", optional_json(f.utilization)},
               {"bytes_down", f.bytes_down},
               {"bytes_up", f.bytes_up},
               {"energy_j", optional_json(f.energy_j)},
               {"energy_server_j", optional_json(f.energy_server_j)},
               {"energy_time_js", derived_json("energy_time_js")},
               {"samples_per_j", derived_json("samples_per_j")},
               {"lost_s", f.lost_s},
               {"peak_memory_bytes", optional_json(f.peak_memory_bytes)},
               {"staleness_mean", optional_json(f.staleness_mean)},
               {"staleness_max", optional_json(f.staleness_max)},
               {"coverage_min", optional_json(f.coverage_min)},
               {"accuracy", optional_json(f.accuracy)},
               {"accuracy_best", optional_json(f.accuracy_best)},
               {"accuracy_area", optional_json(f.accuracy_area)}};
  put_targets(json, curve, target ? std::vector<Level>{*target} : std::vector<Level>());
  return json;
}

// "16 nodes: 4 x jetson-nano, 12 x jetson-agx-orin-64gb"; the server is not counted.
std::string fleet_text(const RunTables& run) {
  std::vector<std::pair<std::string, int>> devices;
  for (const sim::NodeRow& node : run.nodes) {
    if (node.id == 0) continue;
    auto at = std::ranges::find(devices, node.device, &std::pair<std::string, int>::first);
    if (at == devices.end()) at = devices.insert(at, {node.device, 0});
    ++at->second;
  }
  std::string text =
      fmt::format("{} nodes", run.nodes.size() - std::min<std::size_t>(1, run.nodes.size()));
  for (std::size_t i = 0; i < devices.size(); ++i) {
    text += fmt::format("{}{} x {}", i == 0 ? ": " : ", ", devices[i].second, devices[i].first);
  }
  return text;
}

std::string model_text(const RunTables& run) {
  const std::string model = setting_text(run, "model", "architecture");
  const std::optional<std::string> learned = learned_as(run);
  return learned ? fmt::format("{}, learned as {}", model, *learned) : model;
}

std::vector<std::string> remarks_on(const RunTables& run, const Curve& curve,
                                    const RunFigures& figures, const PageLimits& limits,
                                    bool live) {
  std::vector<std::string> remarks;
  switch (run.run.status) {
    case sim::RunStatus::running:
      if (live) break;
      remarks.emplace_back(
          "The run is not over, or was killed: what is shown is what had been written down. What "
          "nodes did in all (memory, energy, utilization) is known at its end.");
      break;
    case sim::RunStatus::failed:
      remarks.push_back("The run failed: " + run.run.cause);
      break;
    case sim::RunStatus::stopped:
      remarks.push_back("The run was stopped before its end.");
      break;
    case sim::RunStatus::done:
      break;
  }
  if (const std::optional<std::string> learned = learned_as(run)) {
    remarks.push_back(
        fmt::format("What was learned is {}: times, memory, bytes and energy are those of {} "
                    "(training.learn_as).",
                    *learned, setting_text(run, "model", "architecture")));
  }
  if (curve.empty()) {
    remarks.emplace_back(learns(run)
                             ? "Nothing was evaluated yet: there is no accuracy and no loss."
                             : "The run did not learn: there is no accuracy and no loss.");
  }
  if (run.activities.empty() && !run.tasks.empty()) {
    remarks.push_back(
        "No activities were recorded (output.record = \"task\"): there is no timeline, and causes "
        "of waiting are known only between tasks.");
  }
  // In a run in progress, tasks are recorded only when their update is used.
  if (run.tasks.empty() && !live) remarks.push_back("No task has ended.");
  if (run.nodes.size() > limits.nodes) {
    remarks.push_back(
        fmt::format("Of {} nodes, the first {} are shown; the figures of the summary are of all.",
                    run.nodes.size() - 1, limits.nodes - 1));
  }
  if (static_cast<std::size_t>(figures.tasks_aggregated) > limits.updates) {
    remarks.push_back(fmt::format("Of {} updates, the first {} are shown in the participation map.",
                                  figures.tasks_aggregated, limits.updates));
  }
  if (std::string left = plans_left_out(run, limits); !left.empty()) {
    remarks.push_back(std::move(left));
  }
  return remarks;
}

}  // namespace

void put_targets(Json& figures, const Curve& curve, const std::vector<Level>& targets) {
  Json& all = figures["targets"] = Json::array();
  for (const Level& level : targets) {
    MetricValues values;
    add_values_to(level, curve, values);
    Json one = to_json(level);
    for (const Metric& metric : metrics_to(level)) {
      const auto found = values.find(metric.id());
      one[metric.key] = found == values.end() ? Json() : Json(found->second);
    }
    all.push_back(std::move(one));
  }
}

Json run_json(const RunTables& run, const std::string& label, const PageLimits& limits, bool live) {
  const Curve curve = read_curve(run);
  const std::vector<Round> rounds = read_rounds(run);
  const std::vector<Idle> idle = idle_intervals(run, rounds);
  const RunFigures figures = read_figures(run, curve);
  const sim::RunRow& r = run.run.run;
  Json json = {{"label", label},
               {"name", r.name},
               {"schedule", r.schedule},
               {"seed", std::to_string(r.seed)},  // as text: JavaScript numbers have 53 bits
               {"status", sim::name_of(run.run.status)},
               {"cause", run.run.cause},
               {"scenario", r.scenario},
               {"scenario_hash", r.scenario_hash},
               {"version", r.version},
               {"world", r.world},
               {"host", run.host},
               {"model", model_text(run)},
               {"data", setting_text(run, "data", "source")},
               {"fleet", fleet_text(run)},
               {"virtual_time_s", figures.virtual_time_s},
               {"remarks", remarks_on(run, curve, figures, limits, live)}};
  json["figures"] = figures_json(figures, curve, target_of(run));
  json["nodes"] = nodes_json(run, limits.nodes);
  json["nodes_left_out"] = run.nodes.size() - std::min(run.nodes.size(), limits.nodes);
  json["curve"] = curve_json(curve);
  json["exits"] = columns_json(run.evaluations);
  json["aggregations"] = columns_json(run.aggregations);
  json["rounds"] = rounds_json(rounds);
  json["updates"] = updates_json(run.tasks, limits);
  json["timeline"] = timeline_json(run, idle, limits);
  json["staleness"] = staleness_json(run);
  json["idle"] = idle_json(run, idle, limits.nodes);
  json["readings"] = readings_json(run.readings, limits.nodes);
  json["traces"] = traces_json(run.traces, limits.nodes);
  json["traffic"] = traffic_json(run);
  json["plans"] = plans_json(run, limits);
  json["pipeline"] = pipeline_json(run, limits);
  return json;
}

Json bands_json(const std::vector<Band>& bands) {
  Json json = Json::array();
  // Five digits are more than a screen shows.
  const auto rounded = [](double value) {
    return std::strtod(fmt::format("{:.5g}", value).c_str(), nullptr);
  };
  const auto rounded_or_null = [&](const std::optional<double>& value) {
    return value ? std::optional(rounded(*value)) : std::nullopt;
  };
  for (const Band& band : bands) {
    json.push_back({{"group", band.group},
                    {"schedule", band.schedule},
                    {"runs", band.runs},
                    {"x", name_of(band_axis_words, band.x)},
                    {"y", name_of(band_value_words, band.y)},
                    {"at", column(band.at, rounded)},
                    {"mean", column(band.mean, rounded)},
                    {"low", column(band.low, rounded_or_null)},
                    {"high", column(band.high, rounded_or_null)}});
  }
  return json;
}

namespace {

// For each axis that can be the contest, the first one for a start: who wins, by the usual metrics.
Json winners_json(const SweepResults& sweep) {
  WinnersChoice choice;
  if (!sweep.levels.empty()) choice.metrics = {"time_to_accuracy_s", "energy_to_accuracy_j"};
  for (const Metric& metric : sweep.metrics) {
    if (metric.usual && metric.better != Better::none) choice.metrics.push_back(metric.key);
  }
  Json maps = Json::array();
  if (choice.metrics.empty()) return maps;
  const std::vector<SweepResults> alone = {sweep};
  for (const std::string& axis : contest_axes(sweep)) {
    choice.contest = {axis};
    maps.push_back(to_json(winners_of(alone, choice)));
  }
  return maps;
}

}  // namespace

Json sweep_json(const SweepResults& sweep) {
  Json json = {{"label", sweep.folder},          {"name", sweep.index.scenario},
               {"version", sweep.index.version}, {"keys", sweep.index.keys},
               {"figures", Json::array()},       {"points", Json::array()}};
  json["levels"] = Json::array();
  for (const Level& level : sweep.levels) json["levels"].push_back(to_json(level));
  for (const Metric& metric : sweep.metrics) json["figures"].push_back(to_json(metric));
  for (std::size_t i = 0; i < sweep.points.size(); ++i) {
    const SweepPoint& point = sweep.points[i];
    Json values = Json::array();
    for (const Metric& metric : sweep.metrics) {
      const auto found = point.values.find(metric.id());
      values.push_back(found == point.values.end() ? Json() : Json(found->second));
    }
    json["points"].push_back({{"settings", sweep.index.points[i].settings},
                              {"status", name_of(point_words, point.status)},
                              {"cause", point.cause},
                              {"values", std::move(values)}});
  }
  json["winners"] = winners_json(sweep);
  return json;
}

Json LiveRun::first(RunTables rows) {
  add(std::move(rows));
  return run_json(all_, label_, limits_, true);
}

Json LiveRun::next(RunTables rows, bool complete) {
  const bool nothing = rows.tasks.empty() && rows.activities.empty() && rows.aggregations.empty() &&
                       rows.evaluations.empty() && rows.readings.empty() && rows.journal.empty() &&
                       rows.plans.empty();
  if (nothing) return {};
  // Growing tables: only their new rows.
  Json message = {{"type", "rows"},
                  {"updates", updates_json(rows.tasks, limits_)},
                  {"exits", columns_json(rows.evaluations)},
                  {"aggregations", columns_json(rows.aggregations)},
                  {"readings", readings_json(rows.readings, limits_.nodes)},
                  {"activities", activities_json(rows, limits_)}};
  add(std::move(rows));
  const Curve curve = read_curve(all_);
  const RunFigures figures = read_figures(all_, curve);
  Json whole = {{"curve", curve_json(curve)}, {"plans", plans_json(all_, limits_)}};
  Json& remarks = whole["remarks"] = remarks_on(all_, curve, figures, limits_, true);
  if (complete) {
    const std::vector<Round> rounds = read_rounds(all_);
    const std::vector<Idle> idle = idle_intervals(all_, rounds);
    whole["figures"] = figures_json(figures, curve, target_of(all_));
    whole["rounds"] = rounds_json(rounds);
    whole["idle"] = idle_json(all_, idle, limits_.nodes);
    whole["staleness"] = staleness_json(all_);
    message["timeline"] = frame_json(all_, idle, 0, limits_);
    PageLimits few = limits_;
    few.pipeline_rows = std::min<std::size_t>(few.pipeline_rows, 5'000);
    whole["pipeline"] = pipeline_json(all_, few);
  } else {
    remarks.push_back(fmt::format(
        "The run is long: activities and tasks after {:.6g} s, and what is reckoned from them, are "
        "shown when it is over.",
        all_.activities.empty() ? 0 : all_.activities.back().end_s));
  }
  message["whole"] = std::move(whole);
  return message;
}

void LiveRun::add(RunTables rows) {
  // Joins old and new rows of growing tables; everything else is replaced.
  const auto put_before = [](auto& old, auto& more) {
    old.insert(old.end(), std::make_move_iterator(more.begin()),
               std::make_move_iterator(more.end()));
    more = std::move(old);
  };
  put_before(all_.tasks, rows.tasks);
  put_before(all_.activities, rows.activities);
  put_before(all_.aggregations, rows.aggregations);
  put_before(all_.evaluations, rows.evaluations);
  put_before(all_.readings, rows.readings);
  put_before(all_.traces, rows.traces);
  put_before(all_.traffic, rows.traffic);
  put_before(all_.memory, rows.memory);
  put_before(all_.journal, rows.journal);
  put_before(all_.plans, rows.plans);
  all_ = std::move(rows);
}

}  // namespace convoy::analysis
