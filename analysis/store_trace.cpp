#include "analysis/store_trace.hpp"

#include <fmt/format.h>

#include <limits>
#include <map>
#include <optional>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "sim/store/foreign_store.hpp"
#include "sim/store/node_groups.hpp"

namespace convoy::analysis {

using platforms::Column;
using platforms::Trace;

namespace {

// What is known at a moment, by column; NaN: nothing.
struct Known {
  Known() { values.fill(std::numeric_limits<double>::quiet_NaN()); }
  std::array<double, platforms::trace_columns> values{};
};
using Moments = std::map<double, Known>;  // by time, s

// The later of two rows of one moment counts.
void put(Moments& rows, double time, Column column, double value) {
  rows[time].values.at(static_cast<std::size_t>(column)) = value;
}

void read_presence(SQLite::Database& database, std::int64_t node, Moments& rows) {
  SQLite::Statement changes(database,
                            "SELECT time_s, kind FROM journal WHERE node = ? AND kind IN "
                            "('node_lost', 'node_joined') ORDER BY sequence");
  changes.bind(1, node);
  while (changes.executeStep()) {
    const bool there = changes.getColumn(1).getString() == "node_joined";
    const double time = changes.getColumn(0).getDouble();
    if (rows.empty() && time > 0) put(rows, 0, Column::available, there ? 0 : 1);
    put(rows, time, Column::available, there ? 1 : 0);
  }
}

void read_sensors(SQLite::Database& database, std::int64_t node, Moments& rows) {
  SQLite::Statement readings(database,
                             "SELECT time_s, power_w, temperature_c, memory_total_bytes - "
                             "memory_used_bytes FROM reading WHERE node = ? ORDER BY rowid");
  readings.bind(1, node);
  while (readings.executeStep()) {
    const double time = readings.getColumn(0).getDouble();
    int i = 1;
    for (const Column column :
         {Column::power_w, Column::temperature_c, Column::memory_free_bytes}) {
      const auto value = readings.getColumn(i++);
      if (!value.isNull() && !platforms::out_of_range(column, value.getDouble())) {
        put(rows, time, column, value.getDouble());
      }
    }
  }
}

Trace read_trace(SQLite::Database& database, const std::filesystem::path& folder,
                 const std::string& node) {
  std::optional<std::int64_t> found;
  const auto groups = sim::read_node_groups(database.getFilename(), database, true);
  sim::for_each_node(groups, [&](const sim::NodeRow& row, const sim::NodeEnd*) {
    if (!found && row.name == node) found = row.id;
  });
  if (!found) {
    throw base::UserError(fmt::format("{}: has no node \"{}\"; give --node NAME", folder.string(),
                                      base::printable(node)));
  }
  const std::int64_t id = *found;
  Moments rows;
  read_presence(database, id, rows);
  read_sensors(database, id, rows);
  if (rows.empty()) {
    throw base::UserError(fmt::format(
        "{}: has nothing of node {} that a trace could hold: no sensor was read, and it was there "
        "all the time",
        folder.string(), base::printable(node)));
  }
  Trace trace;
  trace.name = fmt::format("run:{}, node {}", folder.string(), node);
  for (const auto& [time, known] : rows) {
    trace.time.push_back(time);
    for (std::size_t c = 0; c < known.values.size(); ++c) {
      trace.values.at(c).push_back(known.values.at(c));
    }
  }
  // As a file of it would be read: gaps are filled.
  return platforms::parse_trace(platforms::to_csv(trace), trace.name);
}

}  // namespace

Trace trace_of_node(const std::filesystem::path& folder, const std::string& node) {
  sim::read_run(folder);  // says what is wrong with a store
  return sim::read_store(
      folder, [&](sim::ForeignStore& store) { return read_trace(store.database(), folder, node); });
}

}  // namespace convoy::analysis
