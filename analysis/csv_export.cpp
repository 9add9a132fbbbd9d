#include "analysis/csv_export.hpp"

#include <array>
#include <ostream>
#include <string>
#include <utility>

#include "analysis/idle.hpp"
#include "analysis/metrics.hpp"
#include "analysis/open_store.hpp"
#include "analysis/rounds.hpp"
#include "base/csv.hpp"
#include "base/files.hpp"

namespace convoy::analysis {
namespace {

// Times are virtual seconds, shares 0 to 1, staleness counts versions.
constexpr std::array<std::pair<const char*, const char*>, 10> tables = {{
    {"run",
     "SELECT name, schedule, seed, scenario_hash, version, world, status, cause, virtual_time_s "
     "FROM run"},
    {"node",
     "SELECT id, name, device, mode, link, backend, memory_bytes, samples AS samples_count, "
     "batch AS batch_samples, busy_s, communicating_s, waiting_s, away_s, bytes_in AS in_bytes, "
     "bytes_out AS out_bytes, peak_memory_bytes, energy_j, tasks AS tasks_count, "
     "tasks_failed AS tasks_failed_count FROM node ORDER BY id"},
    {"task",
     "SELECT t.id, t.node, n.name AS node_name, t.label, t.kind, t.rate AS rate_share, "
     "t.samples AS samples_count, t.base_version, t.assigned_s, t.ended_s, t.outcome, "
     "t.aggregated_version, t.staleness AS staleness_versions, t.consumed_by, "
     "t.published_version, t.busy_s, t.communicating_s, "
     "t.bytes_down AS down_bytes, t.bytes_up AS up_bytes, t.flops AS work_flop, t.energy_j, "
     "t.kept AS kept_share, t.loss, t.local_accuracy AS local_accuracy_share, "
     "t.share AS aggregation_share FROM task t LEFT JOIN node n ON n.id = t.node ORDER BY t.id"},
    {"activity",
     "SELECT a.task, a.activity, a.iteration, a.attempt, a.kind, a.label, a.node, "
     "n.name AS node_name, a.peer, p.name AS peer_name, a.ready_s, a.start_s, a.end_s, "
     "a.bytes AS moved_bytes, a.flops AS work_flop, a.energy_j, a.real, a.predicted_s, a.cause "
     "FROM activity a LEFT JOIN node n ON n.id = a.node LEFT JOIN node p ON p.id = a.peer "
     "ORDER BY a.rowid"},
    {"aggregation",
     "SELECT version, task, start_s, end_s, updates AS updates_count, samples AS samples_count, "
     "staleness_mean AS staleness_mean_versions, staleness_max AS staleness_max_versions, "
     "coverage_min AS coverage_min_updates, untrained AS untrained_share FROM aggregation "
     "ORDER BY version"},
    {"evaluation",
     "SELECT version, time_s, exit, blocks AS blocks_count, judged, loss, top1 AS top1_share, "
     "top5 AS top5_share, f1 AS f1_share, untrained AS untrained_share, bytes AS moved_bytes, "
     "energy_j, energy_server_j FROM evaluation ORDER BY rowid"},
    {"journal",
     "SELECT sequence, time_s, entry, kind, node, task, detail FROM journal "
     "ORDER BY sequence"},
    {"presence", "SELECT time_s, node, present, for_good FROM presence ORDER BY rowid"},
    {"reading",
     "SELECT wall_s, time_s, node, power_w, temperature_c AS temperature_celsius, "
     "cpu_load AS cpu_load_share, gpu_load AS gpu_load_share, memory_used_bytes, "
     "memory_total_bytes FROM reading ORDER BY rowid"},
    {"host", "SELECT key, value FROM host ORDER BY key"},
}};

void write_table(SQLite::Database& database, const char* query, std::ostream& out) {
  SQLite::Statement rows(database, query);
  std::string line;
  for (int i = 0; i < rows.getColumnCount(); ++i) {
    line += (i == 0 ? "" : ",") + base::csv_cell(rows.getColumnName(i));
  }
  out << line << "\n";
  while (rows.executeStep()) {
    line.clear();
    for (int i = 0; i < rows.getColumnCount(); ++i) {
      const SQLite::Column cell = rows.getColumn(i);
      if (i > 0) line += ",";
      // As SQLite writes a number it has 15 digits; as we do, the shortest that gives it back.
      if (cell.isFloat()) {
        fmt::format_to(std::back_inserter(line), "{}", cell.getDouble());
      } else if (!cell.isNull()) {
        line += base::csv_cell(cell.getString());
      }
    }
    out << line << "\n";
  }
}

std::string rounds_csv(const RunTables& run, const std::vector<Round>& rounds) {
  std::string text =
      "version,begin_s,aggregation_begin_s,end_s,closed_by,node,node_name,task,label,label_s";
  for (std::size_t part = 0; part < path_parts; ++part) {
    text += fmt::format(",{}_s", name_of(static_cast<PathPart>(part)));
  }
  text += "\n";
  for (const Round& r : rounds) {
    const bool known = r.node >= 0 && r.node < static_cast<std::int64_t>(run.nodes.size());
    text +=
        fmt::format("{},{},{},{},{},{},{},{},{},{}", r.version, r.begin_s, r.aggregation_s, r.end_s,
                    name_of(r.closed_by), known ? std::to_string(r.node) : "",
                    known ? base::csv_cell(run.nodes[static_cast<std::size_t>(r.node)].name) : "",
                    r.task >= 0 ? std::to_string(r.task) : "", base::csv_cell(r.label), r.label_s);
    for (const double part : r.path_s) text += fmt::format(",{}", part);
    text += "\n";
  }
  return text;
}

std::string idle_csv(const RunTables& run, const std::vector<Round>& rounds) {
  std::string text = "node,node_name,begin_s,end_s,cause\n";
  for (const Idle& idle : idle_intervals(run, rounds)) {
    text += fmt::format("{},{},{},{},{}\n", idle.node,
                        base::csv_cell(run.nodes[static_cast<std::size_t>(idle.node)].name),
                        idle.begin_s, idle.end_s, name_of(idle.cause));
  }
  return text;
}

std::string curve_csv(const RunTables& run) {
  const auto cell = [](const std::optional<double>& value) {
    return value ? fmt::format("{}", *value) : "";
  };
  std::string text =
      "time_s,version,accuracy_share,loss,moved_bytes,energy_j,energy_server_j,samples_count\n";
  for (const CurvePoint& p : read_curve(run)) {
    text += fmt::format("{},{},{},{},{},{},{},{}\n", p.time_s, p.version, p.accuracy, cell(p.loss),
                        cell(p.bytes), cell(p.energy_j), cell(p.energy_server_j), p.samples);
  }
  return text;
}

}  // namespace

std::vector<std::filesystem::path> export_csv(const std::filesystem::path& run,
                                              const std::filesystem::path& folder) {
  sim::read_run(run);  // says what is wrong with a store, before a folder is made
  base::make_folder(folder.string());
  std::vector<std::filesystem::path> files;
  const auto write = [&](const std::string& name, const auto& what) {
    files.push_back(folder / (name + ".csv"));
    base::write_output(files.back().string(), what, true);
  };
  const RunTables all = reading(run, [&](sim::ForeignStore& store) {
    for (const auto& table : tables) {
      write(table.first,
            [&](std::ostream& out) { write_table(store.database(), table.second, out); });
    }
    return read_tables(run, store);
  });
  const std::vector<Round> rounds = read_rounds(all);
  write("round", rounds_csv(all, rounds));
  write("idle", idle_csv(all, rounds));
  write("curve", curve_csv(all));
  return files;
}

}  // namespace convoy::analysis
