#include "analysis/accuracy.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>

namespace convoy::analysis {
namespace {

// What had come in by the time of each judgement: tasks that had ended as they should.
constexpr const char* points_sql = R"sql(
SELECT e.time_s, e.version, e.top1,
  (SELECT COALESCE(SUM(bytes_down + bytes_up), 0) FROM task t WHERE t.ended_s <= e.time_s),
  (SELECT COALESCE(SUM(samples), 0) FROM task t
   WHERE t.ended_s <= e.time_s AND t.outcome IN ('aggregated', 'buffered'))
FROM evaluation e WHERE e.judged ORDER BY e.time_s, e.version)sql";

constexpr const char* totals_sql = R"sql(
SELECT COALESCE(SUM(bytes_down + bytes_up), 0),
  COALESCE(SUM(CASE WHEN outcome IN ('aggregated', 'buffered') THEN samples ELSE 0 END), 0),
  COALESCE(SUM(outcome IN ('aggregated', 'buffered')), 0), COALESCE(MAX(ended_s), 0) FROM task)sql";

constexpr const char* nodes_sql = R"sql(
SELECT COALESCE(SUM(busy_s), 0), COUNT(*), COALESCE(MAX(peak_memory_bytes), 0)
FROM node WHERE id > 0)sql";

}  // namespace

Curve read_curve(const std::filesystem::path& folder) {
  Curve curve;
  curve.folder = folder.string();
  curve.run = sim::read_run(folder);
  try {
    SQLite::Database database(sim::store_path(folder), SQLite::OPEN_READONLY);
    SQLite::Statement totals(database, totals_sql);
    totals.executeStep();
    curve.bytes = totals.getColumn(0).getDouble();
    curve.samples = totals.getColumn(1).getDouble();
    curve.updates = totals.getColumn(2).getInt64();
    curve.virtual_time_s = totals.getColumn(3).getDouble();
    SQLite::Statement end(database, "SELECT COALESCE(virtual_time_s, 0) FROM run");
    end.executeStep();
    curve.virtual_time_s = std::max(curve.virtual_time_s, end.getColumn(0).getDouble());
    SQLite::Statement nodes(database, nodes_sql);
    nodes.executeStep();
    const double node_time = nodes.getColumn(1).getDouble() * curve.virtual_time_s;
    if (node_time > 0) curve.utilization = nodes.getColumn(0).getDouble() / node_time;
    curve.peak_memory_bytes = nodes.getColumn(2).getDouble();
    SQLite::Statement points(database, points_sql);
    while (points.executeStep()) {
      curve.points.push_back({points.getColumn(0).getDouble(), points.getColumn(1).getInt64(),
                              points.getColumn(2).getDouble(), points.getColumn(3).getDouble(),
                              points.getColumn(4).getDouble()});
    }
  } catch (const SQLite::Exception& e) {
    throw sim::StoreError(fmt::format("{}: cannot be read ({})", folder.string(), e.what()));
  }
  return curve;
}

std::optional<double> time_to(const Curve& curve, double accuracy) {
  for (const CurvePoint& p : curve.points) {
    if (p.accuracy >= accuracy) return p.time_s;
  }
  return std::nullopt;
}

std::optional<double> accuracy_at(const Curve& curve, double time_s) {
  std::optional<double> accuracy;
  for (const CurvePoint& p : curve.points) {
    if (p.time_s <= time_s) accuracy = p.accuracy;
  }
  return accuracy;
}

}  // namespace convoy::analysis
