#include "analysis/json.hpp"

#include <cmath>

namespace convoy::analysis {
namespace {

Json errors_json(const std::vector<NodeErrors>& rows) {
  Json all = Json::array();
  for (const NodeErrors& row : rows) {
    const DurationErrors& e = row.errors;
    Json one = Json::object();
    if (!row.node.empty()) one["node"] = row.node;
    one["label"] = row.label;
    one["compared"] = e.compared;
    one["simulated_s"] = optional_json(e.simulated_s);
    one["measured_s"] = optional_json(e.measured_s);
    one["error"] = optional_json(e.error);
    one["bias"] = optional_json(e.bias);
    one["without_duration"] = e.without_duration;
    one["unpaired_simulated"] = e.unpaired_simulated;
    one["unpaired_measured"] = e.unpaired_measured;
    one["failed_simulated"] = e.failed_simulated;
    one["failed_measured"] = e.failed_measured;
    all.push_back(std::move(one));
  }
  return all;
}

Json end_json(const std::optional<EndError>& end) {
  if (!end) return {};
  return {{"simulated_s", end->simulated_s},
          {"measured_s", end->measured_s},
          {"error", optional_json(end->error)}};
}

Json group_json(const GroupValues& group) {
  if (!group.paired) return {};
  return {{"seeds", group.seeds},
          {"differences", group.differences},
          {"mean", group.paired->mean},
          {"low", optional_json(group.paired->low)},
          {"high", optional_json(group.paired->high)},
          {"method", group.paired->method}};
}

Json index_json(const std::optional<std::size_t>& index) { return index ? Json(*index) : Json(); }

Json verdict_json(const WinnersMap& map, const Cell& cell, std::size_t metric) {
  const Verdict& verdict = cell.verdicts[metric];
  const Interval interval = verdict.paired.value_or(Interval{});
  Json means = Json::array();
  Json counts = Json::array();
  for (const Standing& standing : verdict.standings) {
    means.push_back(optional_json(standing.mean));
    counts.push_back(standing.values);
  }
  return {{"decision", name_of(decision_words, verdict.decision)},
          {"winner", index_json(verdict.winner)},
          {"runner_up", index_json(verdict.runner_up)},
          {"ratio", optional_json(verdict.ratio)},
          {"difference", optional_json(verdict.difference)},
          {"pairs", verdict.pairs},
          {"low", optional_json(interval.low)},
          {"high", optional_json(interval.high)},
          {"method", interval.method},
          {"clear", verdict.clear ? Json(*verdict.clear) : Json()},
          {"why", verdict.why},
          {"lead", lead_text(map.metrics[metric], verdict)},
          {"mark", mark_text(map, cell, metric)},
          {"means", std::move(means)},
          {"counts", std::move(counts)}};
}

}  // namespace

Json optional_json(std::optional<double> value) {
  return value && std::isfinite(*value) ? Json(*value) : Json();
}

Json optional_json(std::optional<std::int64_t> value) { return value ? Json(*value) : Json(); }

Json to_json(const Metric& metric) {
  return {{"key", metric.key},
          {"title", metric.title},
          {"unit", name_of(unit_words, metric.unit)},
          {"better", name_of(better_words, metric.better)},
          {"usual", metric.usual},
          {"target", optional_json(metric.target)},
          {"note", metric.note}};
}

Json to_json(const Level& level) { return {{"accuracy", level.accuracy}, {"from", level.from}}; }

Json to_json(const Comparison& comparison) {
  Json json = {{"baseline", comparison.baseline}, {"groups", Json::array()}};
  // The first of them.
  json["level"] = comparison.levels.empty() ? Json() : to_json(comparison.levels.front().level);
  json["levels"] = Json::array();
  for (const ReachedLevel& reached : comparison.levels) {
    Json one = to_json(reached.level);
    one["runs"] = reached.runs;
    json["levels"].push_back(std::move(one));
  }
  for (const ComparedGroup& group : comparison.groups) {
    json["groups"].push_back(
        {{"label", group.label}, {"runs", group.runs}, {"seeds", group.seeds}});
    if (!group.learned_as.empty()) json["groups"].back()["learned_as"] = group.learned_as;
  }
  json["notes"] = comparison.notes;
  json["figures"] = Json::array();
  for (const ComparedMetric& compared : comparison.metrics) {
    Json one = to_json(compared.metric);
    Json values = Json::array();
    Json means = Json::array();
    Json ratios = Json::array();
    Json paired = Json::array();
    for (const GroupValues& group : compared.groups) {
      Json row = Json::array();
      for (const auto& value : group.values) row.push_back(optional_json(value));
      values.push_back(std::move(row));
      means.push_back(optional_json(group.mean));
      ratios.push_back(optional_json(group.ratio));
      paired.push_back(group_json(group));
    }
    one["values"] = std::move(values);
    one["mean"] = std::move(means);
    one["ratio"] = std::move(ratios);
    one["paired"] = std::move(paired);
    json["figures"].push_back(std::move(one));
  }
  return json;
}

Json to_json(const std::vector<Fidelity>& all) {
  Json reports = Json::array();
  for (const Fidelity& f : all) {
    Json one = {{"simulated", f.simulated.empty() ? Json() : Json(f.simulated)},
                {"measured", f.measured},
                {"nodes", errors_json(f.nodes)},
                {"totals", errors_json(f.totals)},
                {"makespan", end_json(f.makespan)},
                {"version", f.to_version ? Json(f.version) : Json()},
                {"to_version", end_json(f.to_version)},
                {"remarks", f.remarks}};
    reports.push_back(std::move(one));
  }
  return reports;
}

Json to_json(const WinnersMap& map) {
  Json json = {{"contest", map.contest},
               {"along", map.along},
               {"keys", map.keys},
               {"names", short_names(map)},
               {"contestants", Json::array()},
               {"metrics", Json::array()},
               {"cells", Json::array()},
               {"notes", map.notes}};
  for (const Contestant& one : map.contestants) {
    json["contestants"].push_back({{"label", one.label}, {"settings", one.settings}});
  }
  for (const Metric& metric : map.metrics) json["metrics"].push_back(to_json(metric));
  for (const Cell& cell : map.cells) {
    Json entrants = Json::array();
    for (const Entrant& entrant : cell.entrants) {
      entrants.push_back({{"points", entrant.points},
                          {"done", entrant.done},
                          {"failed", entrant.failed},
                          {"fruitless", entrant.fruitless},
                          {"mostly_lost", entrant.mostly_lost},
                          {"trouble", trouble_text(entrant)}});
    }
    Json verdicts = Json::array();
    for (std::size_t m = 0; m < map.metrics.size(); ++m) {
      verdicts.push_back(verdict_json(map, cell, m));
    }
    json["cells"].push_back({{"settings", cell.settings},
                             {"entrants", std::move(entrants)},
                             {"verdicts", std::move(verdicts)}});
  }
  return json;
}

}  // namespace convoy::analysis
