#include "analysis/report/data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/idle.hpp"
#include "analysis/rounds.hpp"

namespace convoy::analysis {
namespace {

// A table by columns: what `of` gives of each row.
template <class Rows, class Of>
Json column(const Rows& rows, Of of) {
  Json all = Json::array();
  auto& values = all.get_ref<Json::array_t&>();
  values.reserve(std::size(rows));
  for (const auto& row : rows) {
    if constexpr (std::is_floating_point_v<decltype(of(row))>) {
      const double value = of(row);
      values.emplace_back(std::isfinite(value) ? Json(value) : Json());
    } else {
      values.emplace_back(of(row));
    }
  }
  return all;
}

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

// A time of a run with ten digits of its whole length, which no screen tells apart: the page holds
// hundreds of thousands of them, and the shortest text of a time just so is half as long.
class Clock {
 public:
  explicit Clock(double until_s)
      : steps_per_s_(std::pow(10, 10 - std::ceil(std::log10(std::max(until_s, 1e-9))))) {}

  [[nodiscard]] double operator()(double time_s) const {
    return std::round(time_s * steps_per_s_) / steps_per_s_;
  }

 private:
  double steps_per_s_;
};

// --- tables of a run ----------------------------------------------------------------------------

Json nodes_json(const RunTables& run, std::size_t most) {
  std::vector<sim::NodeRow> rows = run.nodes;
  if (rows.size() > most) rows.resize(most);
  Json json = {{"id", column(rows, [](const auto& n) { return n.id; })},
               {"name", column(rows, [](const auto& n) { return n.name; })},
               {"device", column(rows, [](const auto& n) { return n.device; })},
               {"mode", column(rows, [](const auto& n) { return n.mode; })},
               {"link", column(rows, [](const auto& n) { return n.link; })},
               {"real", column(rows, [](const auto& n) { return n.backend == "hil"; })},
               {"memory_bytes", column(rows, [](const auto& n) { return n.memory_bytes; })},
               {"samples", column(rows, [](const auto& n) { return n.samples; })},
               {"batch", column(rows, [](const auto& n) { return n.batch; })}};
  const std::vector<double> lost = lost_time(run);
  json["lost_s"] = column(rows, [&](const auto& n) { return lost[static_cast<std::size_t>(n.id)]; });
  const auto put = [&](const char* name, auto of) {
    json[name] = column(rows, [&](const sim::NodeRow& n) {
      return run.node_ends.empty() ? Json() : Json(of(run.node_ends[static_cast<std::size_t>(n.id)]));
    });
  };
  put("busy_s", [](const auto& n) { return n.busy_s; });
  put("communicating_s", [](const auto& n) { return n.communicating_s; });
  put("waiting_s", [](const auto& n) { return n.waiting_s; });
  put("away_s", [](const auto& n) { return n.away_s; });
  put("bytes_in", [](const auto& n) { return n.bytes_in; });
  put("bytes_out", [](const auto& n) { return n.bytes_out; });
  put("peak_memory_bytes", [](const auto& n) { return n.peak_memory_bytes; });
  put("energy_j", [](const auto& n) { return n.energy_j; });
  put("tasks", [](const auto& n) { return n.tasks; });
  put("tasks_failed", [](const auto& n) { return n.tasks_failed; });
  return json;
}

Json curve_json(const Curve& curve) {
  return {{"time_s", column(curve, [](const auto& p) { return p.time_s; })},
          {"version", column(curve, [](const auto& p) { return p.version; })},
          {"accuracy", column(curve, [](const auto& p) { return p.accuracy; })},
          {"loss", column(curve, [](const auto& p) { return or_null(p.loss); })},
          {"bytes", column(curve, [](const auto& p) { return p.bytes; })},
          {"energy_j", column(curve, [](const auto& p) { return p.energy_j; })},
          {"samples", column(curve, [](const auto& p) { return p.samples; })}};
}

Json exits_json(const std::vector<sim::EvaluationRow>& rows) {
  return {{"time_s", column(rows, [](const auto& e) { return e.time_s; })},
          {"version", column(rows, [](const auto& e) { return e.version; })},
          {"exit", column(rows, [](const auto& e) { return e.exit; })},
          {"blocks", column(rows, [](const auto& e) { return e.blocks; })},
          {"judged", column(rows, [](const auto& e) { return e.judged; })},
          {"loss", column(rows, [](const auto& e) { return e.loss; })},
          {"top1", column(rows, [](const auto& e) { return e.top1; })},
          {"top5", column(rows, [](const auto& e) { return e.top5; })},
          {"f1", column(rows, [](const auto& e) { return e.f1; })}};
}

Json aggregations_json(const std::vector<sim::AggregationRow>& rows) {
  return {{"version", column(rows, [](const auto& a) { return a.version; })},
          {"start_s", column(rows, [](const auto& a) { return a.start_s; })},
          {"end_s", column(rows, [](const auto& a) { return a.end_s; })},
          {"updates", column(rows, [](const auto& a) { return a.updates; })},
          {"staleness_mean", column(rows, [](const auto& a) { return a.staleness_mean; })},
          {"staleness_max", column(rows, [](const auto& a) { return a.staleness_max; })},
          {"coverage_min", column(rows, [](const auto& a) { return or_null(a.coverage_min); })},
          {"untrained", column(rows, [](const auto& a) { return or_null(a.untrained); })}};
}

// Those that were aggregated.
Json updates_json(const std::vector<sim::TaskRow>& all, const PageLimits& limits) {
  std::vector<const sim::TaskRow*> rows;
  for (const sim::TaskRow& task : all) {
    const bool shown = task.aggregated_version && task.node < static_cast<std::int64_t>(limits.nodes);
    if (shown && rows.size() < limits.updates) rows.push_back(&task);
  }
  return {{"node", column(rows, [](const auto* t) { return t->node; })},
          {"version", column(rows, [](const auto* t) { return *t->aggregated_version; })},
          {"staleness", column(rows, [](const auto* t) { return t->staleness.value_or(0); })}};
}

Json readings_json(const std::vector<sim::ReadingRow>& rows) {
  return {{"time_s", column(rows, [](const auto& r) { return r.time_s; })},
          {"node", column(rows, [](const auto& r) { return r.node; })},
          {"power_w", column(rows, [](const auto& r) { return or_null(r.power_w); })},
          {"temperature_c", column(rows, [](const auto& r) { return or_null(r.temperature_c); })},
          {"cpu_load", column(rows, [](const auto& r) { return or_null(r.cpu_load); })},
          {"gpu_load", column(rows, [](const auto& r) { return or_null(r.gpu_load); })},
          {"memory_used_bytes",
           column(rows, [](const auto& r) { return or_null(r.memory_used_bytes); })}};
}

Json rounds_json(const std::vector<Round>& rounds) {
  Json json = {
      {"version", column(rounds, [](const auto& r) { return r.version; })},
      {"begin_s", column(rounds, [](const auto& r) { return r.begin_s; })},
      {"end_s", column(rounds, [](const auto& r) { return r.end_s; })},
      {"closed_by", column(rounds, [](const auto& r) { return std::string(name_of(r.closed_by)); })},
      {"node", column(rounds, [](const auto& r) { return r.node < 0 ? Json() : Json(r.node); })},
      {"label", column(rounds, [](const auto& r) { return r.label; })},
      {"label_s", column(rounds, [](const auto& r) { return r.label_s; })}};
  for (std::size_t part = 0; part < path_parts; ++part) {
    json[fmt::format("{}_s", name_of(static_cast<PathPart>(part)))] =
        column(rounds, [part](const auto& r) { return r.path_s[part]; });
  }
  return json;
}

// --- the timeline -------------------------------------------------------------------------------

enum Lane { compute_lane = 0, send_lane = 1, receive_lane = 2 };

struct Slice {
  std::int32_t node = 0;
  std::int32_t lane = 0;
  std::int32_t label = 0;
  std::int32_t cause = 0;
  bool real = false;
  double begin_s = 0;
  double end_s = 0;
  std::int64_t task = 0;
};

// A transfer with the server is the worker's alone.
std::vector<Slice> slices(const std::vector<Activity>& activities, std::size_t nodes) {
  std::vector<Slice> all;
  all.reserve(activities.size());
  for (const Activity& a : activities) {
    if (!a.started()) continue;
    const auto add = [&](std::int32_t node, Lane lane) {
      if (static_cast<std::size_t>(node) >= nodes) return;
      all.push_back({node, lane, a.label, a.cause, a.real, a.start_s, a.end_s, a.task});
    };
    if (!a.is_transfer()) {
      add(a.node, compute_lane);
      continue;
    }
    if (a.node != 0) add(a.node, send_lane);
    if (a.peer != 0) add(a.peer, receive_lane);
  }
  std::sort(all.begin(), all.end(), [](const Slice& a, const Slice& b) {
    if (a.node != b.node) return a.node < b.node;
    return a.begin_s != b.begin_s ? a.begin_s < b.begin_s : a.lane < b.lane;
  });
  return all;
}

// Neighbours of one node that are alike, and less than `gap_s` apart, as one, where one of them is
// shorter than that.
std::vector<Slice> merged(const std::vector<Slice>& all, double gap_s) {
  std::vector<Slice> kept;
  std::map<std::pair<std::int32_t, std::int32_t>, std::size_t> last;  // by lane and label
  std::int32_t node = -1;
  for (const Slice& slice : all) {
    if (slice.node != node) last.clear();
    node = slice.node;
    const std::pair key{slice.lane, slice.label};
    const auto found = last.find(key);
    if (found != last.end()) {
      Slice& before = kept[found->second];
      const bool alike = before.cause == slice.cause && before.real == slice.real;
      const bool near = slice.begin_s - before.end_s < gap_s;
      const bool is_short = slice.end_s - slice.begin_s < gap_s ||
                            before.end_s - before.begin_s < gap_s;
      if (alike && near && is_short) {
        before.end_s = std::max(before.end_s, slice.end_s);
        continue;
      }
    }
    last[key] = kept.size();
    kept.push_back(slice);
  }
  return kept;
}

Json slices_json(const std::vector<Slice>& all, const Clock& clock) {
  return {{"node", column(all, [](const Slice& s) { return s.node; })},
          {"lane", column(all, [](const Slice& s) { return s.lane; })},
          {"label", column(all, [](const Slice& s) { return s.label; })},
          {"begin_s", column(all, [&](const Slice& s) { return clock(s.begin_s); })},
          {"end_s", column(all, [&](const Slice& s) { return clock(s.end_s); })},
          {"task", column(all, [](const Slice& s) { return s.task; })},
          {"real", column(all, [](const Slice& s) { return s.real ? 1 : 0; })},
          {"cause", column(all, [](const Slice& s) { return s.cause; })}};
}

Json spans_json(const std::vector<Absence>& spans) {
  return {{"node", column(spans, [](const auto& s) { return s.node; })},
          {"begin_s", column(spans, [](const auto& s) { return s.begin_s; })},
          {"end_s", column(spans, [](const auto& s) { return s.end_s; })}};
}

// Which labels are of transfers.
void note_transfers(const std::vector<Activity>& activities, std::map<std::int32_t, bool>& known) {
  for (const Activity& a : activities) known.try_emplace(a.label, a.is_transfer());
}

// Labels, kinds and causes, as the activities number them.
Json words_json(const RunTables& run, const std::map<std::int32_t, bool>& transfers) {
  Json kinds = Json::array();
  for (std::size_t i = 0; i < run.labels.all().size(); ++i) {
    const auto found = transfers.find(static_cast<std::int32_t>(i));
    kinds.push_back(found != transfers.end() && found->second ? "transfer" : "compute");
  }
  return {{"labels", run.labels.all()}, {"kinds", kinds}, {"causes", run.causes.all()}};
}

Json timeline_json(const RunTables& run, const std::vector<Idle>& idle, const PageLimits& limits) {
  const std::size_t nodes = std::min(run.nodes.size(), limits.nodes);
  const Clock clock(run.until_s());
  std::vector<Slice> all = slices(run.activities, nodes);
  double gap_s = 0;
  if (all.size() > limits.activities) {
    constexpr double finest = 1e5;  // no screen has as many points
    gap_s = run.until_s() / finest;
    std::vector<Slice> fewer = merged(all, gap_s);
    for (; fewer.size() > limits.activities && gap_s < run.until_s(); gap_s *= 2) {
      fewer = merged(all, 2 * gap_s);
    }
    all = std::move(fewer);
  }
  std::map<std::int32_t, bool> transfers;
  note_transfers(run.activities, transfers);
  Json json = words_json(run, transfers);
  Names causes = run.causes;
  std::vector<Idle> waits;
  for (const Idle& wait : idle) {
    // Those two are to be seen as the transfer and the absence that they are.
    if (wait.cause == IdleCause::link || wait.cause == IdleCause::outage) continue;
    if (static_cast<std::size_t>(wait.node) >= nodes || wait.end_s - wait.begin_s < gap_s) continue;
    waits.push_back(wait);
  }
  json["activities"] = slices_json(all, clock);
  json["waits"] = {
      {"node", column(waits, [](const Idle& w) { return w.node; })},
      {"begin_s", column(waits, [&](const Idle& w) { return clock(w.begin_s); })},
      {"end_s", column(waits, [&](const Idle& w) { return clock(w.end_s); })},
      {"cause", column(waits, [&](const Idle& w) { return causes.number(name_of(w.cause)); })}};
  json["causes"] = causes.all();
  std::vector<Absence> away = absences(run);
  std::erase_if(away, [&](const Absence& a) { return static_cast<std::size_t>(a.node) >= nodes; });
  json["away"] = spans_json(away);
  json["merged_below_s"] = gap_s;
  return json;
}

Json idle_json(const RunTables& run, const std::vector<Idle>& intervals, std::size_t most) {
  Json nodes = Json::array();
  Json causes = Json::array();
  Json seconds = Json::array();
  const std::vector<IdleSums> sums = idle_sums(run, intervals);
  for (std::size_t node = 0; node < std::min(sums.size(), most); ++node) {
    for (std::size_t cause = 0; cause < idle_causes; ++cause) {
      if (sums[node][cause] <= 0) continue;
      nodes.push_back(node);
      causes.push_back(name_of(static_cast<IdleCause>(cause)));
      seconds.push_back(sums[node][cause]);
    }
  }
  return {{"node", nodes}, {"cause", causes}, {"s", seconds}};
}

// --- figures ------------------------------------------------------------------------------------

Json figures_json(const RunTables& run, const RunFigures& f, const Curve& curve) {
  const std::optional<double> target = target_accuracy(run);
  const CurvePoint* there = target ? first_at(curve, *target) : nullptr;
  const auto at_target = [there](double CurvePoint::* figure) {
    return there == nullptr ? Json() : Json(there->*figure);
  };
  return {{"rounds", f.rounds},
          {"tasks", f.tasks},
          {"tasks_aggregated", f.tasks_aggregated},
          {"tasks_failed", f.tasks_failed},
          {"samples", f.samples},
          {"utilization", or_null(f.utilization)},
          {"bytes_down", f.bytes_down},
          {"bytes_up", f.bytes_up},
          {"energy_j", or_null(f.energy_j)},
          {"lost_s", f.lost_s},
          {"peak_memory_bytes", or_null(f.peak_memory_bytes)},
          {"staleness_mean", or_null(f.staleness_mean)},
          {"staleness_max", or_null(f.staleness_max)},
          {"coverage_min", or_null(f.coverage_min)},
          {"accuracy", or_null(f.accuracy)},
          {"accuracy_best", or_null(f.accuracy_best)},
          {"accuracy_area", or_null(f.accuracy_area)},
          {"time_to_accuracy_s", at_target(&CurvePoint::time_s)},
          {"bytes_to_accuracy", at_target(&CurvePoint::bytes)},
          {"energy_to_accuracy_j", at_target(&CurvePoint::energy_j)},
          {"target_accuracy", or_null(target)}};
}

std::vector<std::string> remarks_on(const RunTables& run, const Curve& curve,
                                    const RunFigures& figures, const PageLimits& limits) {
  std::vector<std::string> remarks;
  switch (run.run.status) {
    case sim::RunStatus::running:
      remarks.emplace_back("The run is not over, or was killed: what is shown is what had been written down. What "
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
  if (curve.empty()) remarks.push_back("The run did not learn: there is no accuracy and no loss.");
  if (run.activities.empty() && !run.tasks.empty()) {
    remarks.push_back("No activities were recorded (output.record = \"task\"): there is no timeline, and causes "
        "of waiting are known only between tasks.");
  }
  if (run.tasks.empty()) remarks.push_back("No task has ended.");
  if (run.nodes.size() > limits.nodes) {
    remarks.push_back(fmt::format("Of {} nodes, the first {} are shown; the figures of the summary are of all.",
        run.nodes.size() - 1, limits.nodes - 1));
  }
  if (static_cast<std::size_t>(figures.tasks_aggregated) > limits.updates) {
    remarks.push_back(fmt::format("Of {} updates, the first {} are shown in the participation map.",
                                  figures.tasks_aggregated, limits.updates));
  }
  return remarks;
}

}  // namespace

Json run_json(const RunTables& run, const std::string& label, bool going_on,
              const PageLimits& limits) {
  const Curve curve = read_curve(run);
  const std::vector<Round> rounds = going_on ? std::vector<Round>() : read_rounds(run);
  const std::vector<Idle> idle = going_on ? std::vector<Idle>() : idle_intervals(run, rounds);
  const RunFigures figures = read_figures(run, curve);
  const sim::RunRow& r = run.run.run;
  Json json = {{"label", label},
               {"name", r.name},
               {"schedule", r.schedule},
               {"seed", r.seed},
               {"status", sim::name_of(run.run.status)},
               {"cause", run.run.cause},
               {"scenario", r.scenario},
               {"scenario_hash", r.scenario_hash},
               {"version", r.version},
               {"world", r.world},
               {"host", run.host},
               {"virtual_time_s", figures.virtual_time_s},
               {"remarks", going_on ? std::vector<std::string>() : remarks_on(run, curve, figures, limits)}};
  json["figures"] = figures_json(run, figures, curve);
  json["nodes"] = nodes_json(run, limits.nodes);
  json["nodes_left_out"] = run.nodes.size() - std::min(run.nodes.size(), limits.nodes);
  json["curve"] = curve_json(curve);
  json["exits"] = exits_json(run.evaluations);
  json["aggregations"] = aggregations_json(run.aggregations);
  json["rounds"] = rounds_json(rounds);
  json["updates"] = updates_json(run.tasks, limits);
  json["timeline"] = timeline_json(run, idle, limits);
  const std::vector<std::int64_t> staleness = staleness_distribution(run);
  json["staleness"] = {{"versions", Json::array()}, {"updates", staleness}};
  for (std::size_t i = 0; i < staleness.size(); ++i) json["staleness"]["versions"].push_back(i);
  json["idle"] = idle_json(run, idle, limits.nodes);
  json["readings"] = readings_json(run.readings);
  return json;
}

Json sweep_json(const SweepResults& sweep) {
  Json json = {{"label", sweep.folder},
               {"name", sweep.index.scenario},
               {"version", sweep.index.version},
               {"keys", sweep.index.keys},
               {"figures", Json::array()},
               {"points", Json::array()}};
  for (const FigureName& figure : sweep.figures) json["figures"].push_back(to_json(figure));
  for (std::size_t i = 0; i < sweep.points.size(); ++i) {
    const SweepPoint& point = sweep.points[i];
    json["points"].push_back({{"settings", sweep.index.points[i].settings},
                              {"status", name_of(point.status)},
                              {"cause", point.cause},
                              {"values", column(point.values, [](const auto& v) {
                                 return optional_json(v);
                               })}});
  }
  return json;
}

Json LiveRows::next(const RunTables& rows, const PageLimits& limits) {
  const bool nothing = rows.tasks.empty() && rows.activities.empty() && rows.aggregations.empty() &&
                       rows.evaluations.empty() && rows.readings.empty() && rows.journal.empty();
  if (nothing) return {};
  note_transfers(rows.activities, transfers_);
  Curve curve = read_curve(rows);
  for (CurvePoint& p : curve) {
    p.bytes += sum_.bytes;
    p.energy_j += sum_.energy_j;
    p.samples += sum_.samples;
  }
  for (const sim::TaskRow& task : rows.tasks) {
    sum_.bytes += task.bytes_down + task.bytes_up;
    sum_.energy_j += task.energy_j;
    if (came_in(task)) sum_.samples += task.samples;
    bytes_down_ += task.bytes_down;
    bytes_up_ += task.bytes_up;
    aggregated_ += task.aggregated_version ? 1 : 0;
  }
  for (const CurvePoint& p : curve) {
    accuracy_best_ = std::max(accuracy_best_.value_or(0), p.accuracy);
  }
  std::vector<Absence> away;
  for (const Entry& entry : rows.journal) {
    if (entry.kind == Entry::Kind::node_lost) gone_.try_emplace(entry.node, entry.time_s);
    if (entry.kind != Entry::Kind::node_joined) continue;
    const auto since = gone_.find(entry.node);
    if (since == gone_.end()) continue;
    if (static_cast<std::size_t>(entry.node) < limits.nodes) {
      away.push_back({entry.node, since->second, entry.time_s});
    }
    gone_.erase(since);
  }
  Json timeline = words_json(rows, transfers_);
  timeline["activities"] = slices_json(slices(rows.activities, limits.nodes), Clock(rows.until_s()));
  return {{"type", "rows"},
          {"updates", updates_json(rows.tasks, limits)},
          {"figures",
           {{"bytes_down", bytes_down_},
            {"bytes_up", bytes_up_},
            {"tasks_aggregated", aggregated_},
            {"samples", sum_.samples},
            {"accuracy_best", or_null(accuracy_best_)}}},
          {"timeline", std::move(timeline)},
          {"curve", curve_json(curve)},
          {"exits", exits_json(rows.evaluations)},
          {"aggregations", aggregations_json(rows.aggregations)},
          {"readings", readings_json(rows.readings)},
          {"away", spans_json(away)}};
}

}  // namespace convoy::analysis
