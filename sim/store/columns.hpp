#pragma once

// The columns of the store's tables, each defined once. CREATE, INSERT, SELECT, the CSV files and
// the page's tables are generated from these lists (sql.hpp); only queries for some columns are
// written by hand. A column is a member of a row of rows.hpp and has the member's type; optional
// members may be NULL. After a change adapt store_version and TABLES.md.

#include <array>
#include <tuple>

#include "sim/store/rows.hpp"

namespace convoy::sim {

enum class ColumnKind {
  plain,
  key,          // primary key of the table
  nullable,     // may be NULL, read as 0: known only at the end
  nan_is_null,  // NaN is stored as NULL and read back as NaN
};

template <class Row, class Value>
struct Column {
  const char* name;
  Value Row::*member;
  ColumnKind kind = ColumnKind::plain;
  const char* in_csv = nullptr;  // its name in CSV files, with the unit; nullptr: the same
};
template <class Row, class Value>
constexpr Column<Row, Value> column(const char* name, Value Row::*member,
                                    const char* in_csv = nullptr) {
  return {name, member, ColumnKind::plain, in_csv};
}
template <class Row, class Value>
constexpr Column<Row, Value> column(const char* name, Value Row::*member, ColumnKind kind,
                                    const char* in_csv = nullptr) {
  return {name, member, kind, in_csv};
}

// A bool stored as one of two words.
template <class Row>
struct WordColumn {
  const char* name;
  bool Row::*member;
  std::array<const char*, 2> words;  // false, true
};
template <class Row>
constexpr WordColumn<Row> word_column(const char* name, bool Row::*member, const char* if_false,
                                      const char* if_true) {
  return {name, member, {if_false, if_true}};
}

template <class Row>
struct Table;

template <>
struct Table<RunRow> {
  static constexpr const char* name = "run";
  static constexpr std::tuple columns{
      column("name", &RunRow::name),
      column("schedule", &RunRow::schedule),
      column("seed", &RunRow::seed),
      column("scenario", &RunRow::scenario),
      column("scenario_hash", &RunRow::scenario_hash),
      column("version", &RunRow::version),
      column("world", &RunRow::world),
  };
};
template <>
struct Table<RunEnd> {
  static constexpr const char* name = "run";
  static constexpr std::tuple columns{
      column("status", &RunEnd::status),
      column("cause", &RunEnd::cause),
      column("virtual_time_s", &RunEnd::virtual_time_s, ColumnKind::nullable),
  };
};

// The view "node" has the columns of NodeRow and NodeEnd for each node (node_groups.hpp).
template <>
struct Table<NodeRow> {
  static constexpr const char* name = "node_group";
  static constexpr std::tuple columns{
      column("id", &NodeRow::id, ColumnKind::key),
      column("name", &NodeRow::name),
      column("device", &NodeRow::device),
      column("mode", &NodeRow::mode),
      column("link", &NodeRow::link),
      column("backend", &NodeRow::backend),
      column("memory_bytes", &NodeRow::memory_bytes),
      column("samples", &NodeRow::samples, "samples_count"),
      column("batch", &NodeRow::batch, "batch_samples"),
      word_column("data", &NodeRow::own_data, "assigned", "own"),
  };
};
// More columns of the same table; NodeEnd's are NULL until the run has ended.
template <>
struct Table<NodeSpan> {
  static constexpr const char* name = "node_group";
  static constexpr std::tuple columns{
      column("alike", &NodeSpan::alike),
      column("number", &NodeSpan::number),
  };
};
template <>
struct Table<NodeEnd> {
  static constexpr const char* name = "node_group";
  static constexpr std::tuple columns{
      column("busy_s", &NodeEnd::busy_s, ColumnKind::nullable),
      column("communicating_s", &NodeEnd::communicating_s, ColumnKind::nullable),
      column("waiting_s", &NodeEnd::waiting_s, ColumnKind::nullable),
      column("away_s", &NodeEnd::away_s, ColumnKind::nullable),
      column("bytes_in", &NodeEnd::bytes_in, ColumnKind::nullable, "in_bytes"),
      column("bytes_out", &NodeEnd::bytes_out, ColumnKind::nullable, "out_bytes"),
      column("peak_memory_bytes", &NodeEnd::peak_memory_bytes, ColumnKind::nullable),
      column("energy_j", &NodeEnd::energy_j, ColumnKind::nullable),
      column("tasks", &NodeEnd::tasks, ColumnKind::nullable, "tasks_count"),
      column("tasks_failed", &NodeEnd::tasks_failed, ColumnKind::nullable, "tasks_failed_count"),
      column("memory_waits", &NodeEnd::memory_waits, ColumnKind::nullable, "memory_waits_count"),
      column("memory_wait_s", &NodeEnd::memory_wait_s, ColumnKind::nullable),
  };
};

// The id is not the primary key: rows come in the order of the tasks' ends, and SQLite appends much
// faster than it inserts between ids.
template <>
struct Table<TaskRow> {
  static constexpr const char* name = "task";
  static constexpr std::tuple columns{
      column("id", &TaskRow::id),
      column("node", &TaskRow::node),
      column("label", &TaskRow::label),
      word_column("kind", &TaskRow::is_update, "aggregation", "update"),
      column("rate", &TaskRow::rate, "rate_share"),
      column("samples", &TaskRow::samples, "samples_count"),
      column("base_version", &TaskRow::base_version),
      column("assigned_s", &TaskRow::assigned_s),
      column("ended_s", &TaskRow::ended_s),
      column("outcome", &TaskRow::outcome),
      column("aggregated_version", &TaskRow::aggregated_version),
      column("staleness", &TaskRow::staleness, "staleness_versions"),
      column("consumed_by", &TaskRow::consumed_by),
      column("published_version", &TaskRow::published_version),
      column("busy_s", &TaskRow::busy_s),
      column("communicating_s", &TaskRow::communicating_s),
      column("bytes_down", &TaskRow::bytes_down, "down_bytes"),
      column("bytes_up", &TaskRow::bytes_up, "up_bytes"),
      column("flops", &TaskRow::flops, "work_flop"),
      column("energy_j", &TaskRow::energy_j, ColumnKind::nullable),
      column("kept", &TaskRow::kept, "kept_share"),
      column("loss", &TaskRow::loss),
      column("local_accuracy", &TaskRow::local_accuracy, "local_accuracy_share"),
      column("share", &TaskRow::share, "aggregation_share"),
      column("memory_wait_s", &TaskRow::memory_wait_s, ColumnKind::nullable),
  };
};

template <>
struct Table<ActivityRow> {
  static constexpr const char* name = "activity";
  static constexpr std::tuple columns{
      column("task", &ActivityRow::task),
      column("activity", &ActivityRow::activity),
      column("iteration", &ActivityRow::iteration),
      column("attempt", &ActivityRow::attempt),
      word_column("kind", &ActivityRow::is_transfer, "compute", "transfer"),
      column("label", &ActivityRow::label),
      column("node", &ActivityRow::node),
      column("peer", &ActivityRow::peer),
      column("ready_s", &ActivityRow::ready_s),
      column("start_s", &ActivityRow::start_s),
      column("end_s", &ActivityRow::end_s),
      column("bytes", &ActivityRow::bytes, "moved_bytes"),
      column("flops", &ActivityRow::flops, "work_flop"),
      column("energy_j", &ActivityRow::energy_j, ColumnKind::nullable),
      column("real", &ActivityRow::real),
      column("predicted_s", &ActivityRow::predicted_s),
      column("cause", &ActivityRow::cause),
      column("memory_asked_s", &ActivityRow::memory_asked_s),
  };
};

template <>
struct Table<AggregationRow> {
  static constexpr const char* name = "aggregation";
  static constexpr std::tuple columns{
      column("version", &AggregationRow::version, ColumnKind::key),
      column("task", &AggregationRow::task),
      column("start_s", &AggregationRow::start_s),
      column("end_s", &AggregationRow::end_s),
      column("updates", &AggregationRow::updates, "updates_count"),
      column("samples", &AggregationRow::samples, "samples_count"),
      column("staleness_mean", &AggregationRow::staleness_mean, "staleness_mean_versions"),
      column("staleness_max", &AggregationRow::staleness_max, "staleness_max_versions"),
      column("coverage_min", &AggregationRow::coverage_min, "coverage_min_updates"),
      column("untrained", &AggregationRow::untrained, "untrained_share"),
  };
};

template <>
struct Table<EvaluationRow> {
  static constexpr const char* name = "evaluation";
  static constexpr std::tuple columns{
      column("version", &EvaluationRow::version),
      column("time_s", &EvaluationRow::time_s),
      column("exit", &EvaluationRow::exit),
      column("blocks", &EvaluationRow::blocks, "blocks_count"),
      column("judged", &EvaluationRow::judged),
      column("loss", &EvaluationRow::loss, ColumnKind::nan_is_null),
      column("top1", &EvaluationRow::top1, "top1_share"),
      column("top5", &EvaluationRow::top5, "top5_share"),
      column("f1", &EvaluationRow::f1, "f1_share"),
      column("untrained", &EvaluationRow::untrained, "untrained_share"),
      column("bytes", &EvaluationRow::bytes, "moved_bytes"),
      column("energy_j", &EvaluationRow::energy_j),
      column("energy_server_j", &EvaluationRow::energy_server_j),
      column("gradient_norm", &EvaluationRow::gradient_norm),
      column("objective", &EvaluationRow::objective),
  };
};

template <>
struct Table<JournalRow> {
  static constexpr const char* name = "journal";
  static constexpr std::tuple columns{
      column("sequence", &JournalRow::sequence, ColumnKind::key),
      column("time_s", &JournalRow::time_s),
      word_column("entry", &JournalRow::is_order, "event", "order"),
      column("kind", &JournalRow::kind),
      column("node", &JournalRow::node),
      column("task", &JournalRow::task),
      column("detail", &JournalRow::detail),
      column("because", &JournalRow::because),
  };
};

template <>
struct Table<PresenceRow> {
  static constexpr const char* name = "presence";
  static constexpr std::tuple columns{
      column("time_s", &PresenceRow::time_s),
      column("node", &PresenceRow::node),
      column("present", &PresenceRow::present),
      column("for_good", &PresenceRow::for_good),
  };
};

template <>
struct Table<ReadingRow> {
  static constexpr const char* name = "reading";
  static constexpr std::tuple columns{
      column("wall_s", &ReadingRow::wall_s),
      column("time_s", &ReadingRow::time_s),
      column("node", &ReadingRow::node),
      column("power_w", &ReadingRow::power_w),
      column("temperature_c", &ReadingRow::temperature_c, "temperature_celsius"),
      column("cpu_load", &ReadingRow::cpu_load, "cpu_load_share"),
      column("gpu_load", &ReadingRow::gpu_load, "gpu_load_share"),
      column("memory_used_bytes", &ReadingRow::memory_used_bytes),
      column("memory_total_bytes", &ReadingRow::memory_total_bytes),
  };
};

template <>
struct Table<TraceRow> {
  static constexpr const char* name = "trace";
  static constexpr std::tuple columns{
      column("node", &TraceRow::node),
      column("column", &TraceRow::column),
      column("time_s", &TraceRow::time_s),
      column("value", &TraceRow::value),
  };
};

template <>
struct Table<TrafficRow> {
  static constexpr const char* name = "traffic";
  static constexpr std::tuple columns{
      column("label", &TrafficRow::label),
      column("artifact", &TrafficRow::artifact),
      column("node", &TrafficRow::node),
      column("peer", &TrafficRow::peer),
      column("transfers", &TrafficRow::transfers, "transfers_count"),
      column("bytes", &TrafficRow::bytes, "moved_bytes"),
      column("broken_off", &TrafficRow::broken_off, "broken_off_count"),
  };
};

template <>
struct Table<MemoryRow> {
  static constexpr const char* name = "memory";
  static constexpr std::tuple columns{
      column("time_s", &MemoryRow::time_s),
      column("node", &MemoryRow::node),
      column("bytes", &MemoryRow::bytes, "taken_bytes"),
  };
};

template <>
struct Table<HostRow> {
  static constexpr const char* name = "host";
  static constexpr std::tuple columns{
      column("key", &HostRow::key, ColumnKind::key),
      column("value", &HostRow::value),
  };
};

// Calls `what` with each column of the row's table.
template <class Row, class What>
void for_each_column(What what) {
  std::apply([&](const auto&... columns) { (what(columns), ...); }, Table<Row>::columns);
}

template <class Row>
constexpr int column_count = static_cast<int>(std::tuple_size_v<decltype(Table<Row>::columns)>);

}  // namespace convoy::sim
