#include "analysis/store_trace.hpp"

#include <fmt/format.h>

#include <limits>
#include <map>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "sim/store/foreign_store.hpp"

namespace convoy::analysis {

using platforms::Column;
using platforms::Trace;

namespace {

Trace read_trace(SQLite::Database& database, const std::filesystem::path& folder,
                 const std::string& node) {
  constexpr double nothing = std::numeric_limits<double>::quiet_NaN();
  SQLite::Statement find(database, "SELECT id FROM node WHERE name = ?");
  find.bind(1, node);
  if (!find.executeStep()) {
    throw base::UserError(fmt::format("{}: has no node \"{}\"; give --node NAME", folder.string(),
                                      base::printable(node)));
  }
  const std::int64_t id = find.getColumn(0).getInt64();
  // By time: what is known then; the later of two rows of one moment counts.
  std::map<double, std::array<double, platforms::trace_columns>> rows;
  const auto put = [&](double time, Column column, double value) {
    auto& row = rows.try_emplace(time,
                                 [&] {
                                   std::array<double, platforms::trace_columns> empty{};
                                   empty.fill(nothing);
                                   return empty;
                                 }())
                    .first->second;
    row.at(static_cast<std::size_t>(column)) = value;
  };
  SQLite::Statement changes(database,
                            "SELECT time_s, kind FROM journal WHERE node = ? AND kind IN "
                            "('node_lost', 'node_joined') ORDER BY sequence");
  changes.bind(1, id);
  while (changes.executeStep()) {
    const bool there = changes.getColumn(1).getString() == "node_joined";
    const double time = changes.getColumn(0).getDouble();
    if (rows.empty() && time > 0) put(0, Column::available, there ? 0 : 1);
    put(time, Column::available, there ? 1 : 0);
  }
  SQLite::Statement readings(database,
                             "SELECT time_s, power_w, temperature_c, memory_total_bytes - "
                             "memory_used_bytes FROM reading WHERE node = ? ORDER BY rowid");
  readings.bind(1, id);
  while (readings.executeStep()) {
    const double time = readings.getColumn(0).getDouble();
    int i = 1;
    for (const Column column :
         {Column::power_w, Column::temperature_c, Column::memory_free_bytes}) {
      const auto value = readings.getColumn(i++);
      if (!value.isNull() && !platforms::out_of_range(column, value.getDouble())) {
        put(time, column, value.getDouble());
      }
    }
  }
  if (rows.empty()) {
    throw base::UserError(fmt::format(
        "{}: has nothing of node {} that a trace could hold: no sensor was read, and it was there "
        "all the time",
        folder.string(), base::printable(node)));
  }
  Trace trace;
  trace.name = fmt::format("run:{}, node {}", folder.string(), node);
  for (const auto& [time, row] : rows) {
    trace.time.push_back(time);
    for (std::size_t c = 0; c < row.size(); ++c) trace.values.at(c).push_back(row.at(c));
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
