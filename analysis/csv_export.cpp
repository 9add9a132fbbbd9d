#include "analysis/csv_export.hpp"

#include <fmt/format.h>

#include <ostream>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "analysis/idle.hpp"
#include "analysis/metrics.hpp"
#include "analysis/rounds.hpp"
#include "base/csv.hpp"
#include "base/files.hpp"
#include "sim/store/foreign_store.hpp"
#include "sim/store/node_groups.hpp"
#include "sim/store/sql.hpp"

namespace convoy::analysis {
namespace {

// Names with units: times are virtual seconds, shares 0 to 1, staleness in versions.
template <class Row>
std::string csv_columns() {
  std::string list;
  sim::for_each_column<Row>([&](const auto& c) {
    list += fmt::format("{}t.{}", list.empty() ? "" : ", ", c.name);
    if constexpr (requires { c.in_csv; }) {
      if (c.in_csv != nullptr) list += fmt::format(" AS {}", c.in_csv);
    }
    // Adds node names beside node numbers.
    const std::string name = c.name;
    constexpr bool has_names =
        std::is_same_v<Row, sim::TaskRow> || std::is_same_v<Row, sim::ActivityRow> ||
        std::is_same_v<Row, sim::TrafficRow> || std::is_same_v<Row, sim::MemoryRow>;
    if (has_names && (name == "node" || name == "peer")) {
      list += fmt::format(", {} AS {}_name", sim::name_in_sql("t." + name), name);
    }
  });
  return list;
}

// `Rows`: the row types whose columns together make the table.
template <class... Rows>
std::pair<const char*, std::string> csv_table(const char* order) {
  std::string list;
  ((list += (list.empty() ? "" : ", ") + csv_columns<Rows>()), ...);
  using First = std::tuple_element_t<0, std::tuple<Rows...>>;
  const char* name = sim::Table<First>::name;
  return {name, fmt::format("SELECT {} FROM {} t ORDER BY {}", list, name, order)};
}

// Omits `scenario`: a text of many lines.
std::vector<std::pair<const char*, std::string>> csv_tables() {
  return {{"run",
           "SELECT name, schedule, seed, scenario_hash, version, world, status, cause, "
           "virtual_time_s FROM run"},
          csv_table<sim::TaskRow>("t.id"),
          csv_table<sim::ActivityRow>("t.rowid"),
          csv_table<sim::AggregationRow>("t.version"),
          csv_table<sim::EvaluationRow>("t.rowid"),
          csv_table<sim::JournalRow>("t.sequence"),
          csv_table<sim::PresenceRow>("t.rowid"),
          csv_table<sim::ReadingRow>("t.rowid"),
          csv_table<sim::TraceRow>("t.rowid"),
          csv_table<sim::TrafficRow>("t.rowid"),
          csv_table<sim::MemoryRow>("t.rowid"),
          csv_table<sim::HostRow>("t.key")};
}

// From column `first` to before `end`, as a line's beginning.
std::string heading(const SQLite::Statement& rows, int first, int end) {
  std::string line;
  for (int i = first; i < end; ++i) {
    line += (i == first ? "" : ",") + base::csv_cell(rows.getColumnName(i));
  }
  return line;
}

std::string cells(SQLite::Statement& rows, int first, int end) {
  std::string line;
  for (int i = first; i < end; ++i) {
    const SQLite::Column cell = rows.getColumn(i);
    if (i > first) line += ",";
    // SQLite prints numbers with 15 digits; print the shortest exact form instead.
    if (cell.isFloat()) {
      fmt::format_to(std::back_inserter(line), "{}", cell.getDouble());
    } else if (!cell.isNull()) {
      line += base::csv_cell(cell.getString());
    }
  }
  return line;
}

void write_table(SQLite::Database& database, const std::string& query, std::ostream& out) {
  SQLite::Statement rows(database, query);
  const int end = rows.getColumnCount();
  out << heading(rows, 0, end) << "\n";
  while (rows.executeStep()) out << cells(rows, 0, end) << "\n";
}

// A line for each node, of rows that stand for several. `groups`: the same rows.
void write_nodes(SQLite::Database& database, const std::vector<sim::NodeGroup>& groups,
                 std::ostream& out) {
  SQLite::Statement rows(
      database, fmt::format("SELECT {}, {} FROM {} t ORDER BY t.id", csv_columns<sim::NodeRow>(),
                            csv_columns<sim::NodeEnd>(), sim::Table<sim::NodeRow>::name));
  constexpr int after_name = 2;
  const int end = rows.getColumnCount();
  out << heading(rows, 0, end) << "\n";
  for (const sim::NodeGroup& group : groups) {
    if (!rows.executeStep()) return;
    const std::string rest = cells(rows, after_name, end);
    for (std::int64_t i = 0; i < group.row.span.alike; ++i) {
      const sim::NodeRow node = sim::part_of(group.row, group.row.id + i, 1);
      out << node.id << "," << base::csv_cell(node.name) << "," << rest << "\n";
    }
  }
}

std::string rounds_csv(const RunTables& run, const std::vector<Round>& rounds) {
  std::string text =
      "version,begin_s,aggregation_begin_s,end_s,closed_by,node,node_name,task,label,label_s";
  for (const auto& part : path_words) text += fmt::format(",{}_s", part.text);
  text += "\n";
  for (const Round& r : rounds) {
    const bool known = run.nodes.has(r.node);
    text +=
        fmt::format("{},{},{},{},{},{},{},{},{},{}", r.version, r.begin_s, r.aggregation_s, r.end_s,
                    name_of(closed_words, r.closed_by), known ? std::to_string(r.node) : "",
                    known ? base::csv_cell(run.nodes[r.node].name) : "",
                    r.task >= 0 ? std::to_string(r.task) : "", base::csv_cell(r.label), r.label_s);
    for (const double part : r.path_s) text += fmt::format(",{}", part);
    text += "\n";
  }
  return text;
}

std::string idle_csv(const RunTables& run, const std::vector<Round>& rounds) {
  std::string text = "node,node_name,begin_s,end_s,cause\n";
  for (const Idle& idle : idle_intervals(run, rounds)) {
    text += fmt::format("{},{},{},{},{}\n", idle.node, base::csv_cell(run.nodes[idle.node].name),
                        idle.begin_s, idle.end_s, name_of(idle_words, idle.cause));
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
  sim::read_run(run);  // reports a faulty store before a folder is made
  base::make_folder(folder.string());
  std::vector<std::filesystem::path> files;
  const auto write = [&](const std::string& name, const auto& what) {
    files.push_back(folder / (name + ".csv"));
    base::write_output(files.back().string(), what, true);
  };
  const RunTables all = sim::read_store(run, [&](sim::ForeignStore& store) {
    const auto groups = sim::read_node_groups(sim::existing_store(run), store.database());
    write("node", [&](std::ostream& out) { write_nodes(store.database(), groups, out); });
    for (const auto& table : csv_tables()) {
      if (!store.database().tableExists(table.first)) continue;  // a store of before
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
