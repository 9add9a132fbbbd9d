#include "analysis/tables.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "analysis/open_store.hpp"

namespace convoy::analysis {
namespace {

using Columns = SQLite::Statement;

std::optional<double> maybe(Columns& row, int column) {
  if (row.getColumn(column).isNull()) return std::nullopt;
  return row.getColumn(column).getDouble();
}

std::optional<std::int64_t> maybe_whole(Columns& row, int column) {
  if (row.getColumn(column).isNull()) return std::nullopt;
  return row.getColumn(column).getInt64();
}

// NaN is kept as null.
double number(Columns& row, int column) {
  return maybe(row, column).value_or(std::numeric_limits<double>::quiet_NaN());
}

std::optional<Entry::Kind> entry_kind(const std::string& name) {
  using Kind = Entry::Kind;
  static const std::array<std::pair<const char*, Kind>, 8> kinds = {
      {{"node_joined", Kind::node_joined},
       {"node_lost", Kind::node_lost},
       {"task_done", Kind::task_done},
       {"task_failed", Kind::task_failed},
       {"timer_fired", Kind::timer_fired},
       {"assign", Kind::assign},
       {"cancel", Kind::cancel},
       {"aggregate", Kind::aggregate}}};
  for (const auto& [known, kind] : kinds) {
    if (name == known) return kind;
  }
  return std::nullopt;
}

}  // namespace

Outcome outcome_of(const sim::TaskRow& task) {
  if (task.outcome == "aggregated" || task.outcome == "published") return Outcome::aggregated;
  if (task.outcome == "buffered") return Outcome::buffered;
  if (task.outcome == "run_ended") return Outcome::run_ended;
  return Outcome::lost;
}

bool came_in(const sim::TaskRow& task) {
  const Outcome outcome = outcome_of(task);
  return outcome == Outcome::aggregated || outcome == Outcome::buffered;
}

std::int32_t Names::number(const std::string& text) {
  const auto [there, is_new] = numbers_.try_emplace(text, static_cast<std::int32_t>(all_.size()));
  if (is_new) all_.push_back(text);
  return there->second;
}

double RunTables::until_s() const {
  if (ended_s) return *ended_s;
  double last = 0;
  if (!journal.empty()) last = std::max(last, journal.back().time_s);
  if (!activities.empty()) last = std::max(last, activities.back().end_s);
  for (const sim::TaskRow& task : tasks) last = std::max(last, task.ended_s);
  for (const sim::AggregationRow& a : aggregations) last = std::max(last, a.end_s);
  for (const sim::EvaluationRow& e : evaluations) last = std::max(last, e.time_s);
  return last;
}

class StoreTail::Impl {
 public:
  Impl(const std::filesystem::path& folder, std::filesystem::path file, const TailLimits& limits)
      : folder_(folder), file_(std::move(file)), limits_(limits) {}

  RunTables next() {
    return reading_file(file_, [this](sim::ForeignStore& store) { return next(store); });
  }
  RunTables next(sim::ForeignStore& store) {
    SQLite::Database& database = store.database();
    RunTables tables;
    tables.folder = folder_.string();
    tables.run = store.run();
    read_state(database, tables);
    read_activities(database, tables);
    read_tasks(database, tables);
    read_aggregations(database, tables);
    read_evaluations(database, tables);
    read_readings(database, tables);
    read_journal(database, tables);
    tables.labels = labels_;
    tables.causes = causes_;
    return tables;
  }

  [[nodiscard]] bool is_complete() const {
    return tasks_read_ < limits_.tasks && activities_read_ < limits_.activities;
  }

 private:
  void read_state(SQLite::Database& database, RunTables& tables) {
    Columns run(database, "SELECT virtual_time_s FROM run");
    if (run.executeStep()) tables.ended_s = maybe(run, 0);
    if (tables.ended_s) time("run", *tables.ended_s);
    Columns rows(database,
                 "SELECT id, name, device, mode, link, backend, memory_bytes, samples, batch, "
                 "busy_s, communicating_s, waiting_s, away_s, bytes_in, bytes_out, "
                 "peak_memory_bytes, energy_j, tasks, tasks_failed FROM node ORDER BY id");
    while (rows.executeStep()) {
      tables.nodes.push_back({rows.getColumn(0).getInt64(), rows.getColumn(1).getString(),
                              rows.getColumn(2).getString(), rows.getColumn(3).getString(),
                              rows.getColumn(4).getString(), rows.getColumn(5).getString(),
                              rows.getColumn(6).getDouble(), rows.getColumn(7).getInt64(),
                              rows.getColumn(8).getInt64()});
      const auto place = static_cast<std::int64_t>(tables.nodes.size()) - 1;
      sim::check_number(file_, "node", "id", tables.nodes.back().id, place, place + 1);
      for (const int c : {1, 2, 3, 4, 5})
        sim::check_text(file_, "node", static_cast<std::size_t>(rows.getColumn(c).getBytes()));
      if (rows.getColumn(9).isNull()) continue;
      for (int c = 9; c <= 12; ++c) time("node", rows.getColumn(c).getDouble());
      for (int c = 13; c <= 16; ++c)
        sim::check_amount(file_, "node", rows.getColumn(c).getDouble());
      tables.node_ends.push_back({rows.getColumn(0).getInt64(), rows.getColumn(9).getDouble(),
                                  rows.getColumn(10).getDouble(), rows.getColumn(11).getDouble(),
                                  rows.getColumn(12).getDouble(), rows.getColumn(13).getDouble(),
                                  rows.getColumn(14).getDouble(), rows.getColumn(15).getDouble(),
                                  rows.getColumn(16).getDouble(), rows.getColumn(17).getInt64(),
                                  rows.getColumn(18).getInt64()});
    }
    if (tables.node_ends.size() != tables.nodes.size()) tables.node_ends.clear();
    nodes_ = static_cast<std::int64_t>(tables.nodes.size());
    Columns facts(database, "SELECT key, value FROM host");
    while (facts.executeStep()) {
      tables.host[facts.getColumn(0).getString()] = facts.getColumn(1).getString();
    }
  }

  // A task is written when its fate is known: rows do not come in the order of ids.
  void read_tasks(SQLite::Database& database, RunTables& tables) {
    if (!is_complete()) return;
    Columns rows(database,
                 "SELECT id, node, label, rate, samples, base_version, assigned_s, ended_s, "
                 "outcome, aggregated_version, staleness, busy_s, communicating_s, bytes_down, "
                 "bytes_up, flops, energy_j, kept, loss, local_accuracy, share, rowid, kind "
                 "FROM task WHERE rowid > ? ORDER BY rowid");
    rows.bind(1, last_task_);
    while (rows.executeStep()) {
      last_task_ = rows.getColumn(21).getInt64();
      if (rows.getColumn(22).getString() != "update") continue;
      sim::TaskRow task;
      task.id = rows.getColumn(0).getInt64();
      task.node = rows.getColumn(1).getInt64();
      task.label = rows.getColumn(2).getString();
      task.rate = rows.getColumn(3).getDouble();
      task.samples = rows.getColumn(4).getDouble();
      task.base_version = rows.getColumn(5).getInt64();
      task.assigned_s = rows.getColumn(6).getDouble();
      task.ended_s = rows.getColumn(7).getDouble();
      task.outcome = rows.getColumn(8).getString();
      task.aggregated_version = maybe_whole(rows, 9);
      task.staleness = maybe_whole(rows, 10);
      task.busy_s = rows.getColumn(11).getDouble();
      task.communicating_s = rows.getColumn(12).getDouble();
      task.bytes_down = rows.getColumn(13).getDouble();
      task.bytes_up = rows.getColumn(14).getDouble();
      task.flops = rows.getColumn(15).getDouble();
      task.energy_j = rows.getColumn(16).getDouble();
      task.kept = maybe(rows, 17);
      task.loss = maybe(rows, 18);
      task.local_accuracy = maybe(rows, 19);
      task.share = maybe(rows, 20);
      node("task", task.node);
      version("task", "base_version", task.base_version);
      version("task", "aggregated_version", task.aggregated_version.value_or(0));
      version("task", "staleness", task.staleness.value_or(0));
      time("task", task.assigned_s);
      time("task", task.ended_s);
      tables.tasks.push_back(std::move(task));
    }
    tasks_read_ += tables.tasks.size();
    std::sort(tables.tasks.begin(), tables.tasks.end(),
              [](const sim::TaskRow& x, const sim::TaskRow& y) { return x.id < y.id; });
  }

  void read_activities(SQLite::Database& database, RunTables& tables) {
    if (!is_complete()) return;
    Columns rows(database,
                 "SELECT rowid, task, node, peer, label, cause, real, ready_s, start_s, end_s, "
                 "bytes, flops, energy_j FROM activity WHERE rowid > ? ORDER BY rowid LIMIT ?");
    rows.bind(1, last_activity_);
    constexpr std::size_t largest = std::numeric_limits<std::int64_t>::max();
    rows.bind(2,
              static_cast<std::int64_t>(std::min(largest, limits_.activities - activities_read_)));
    while (rows.executeStep()) {
      last_activity_ = rows.getColumn(0).getInt64();
      Activity a;
      a.task = rows.getColumn(1).getInt64();
      a.node = node("activity", rows.getColumn(2).getInt64());
      if (const auto peer = maybe_whole(rows, 3)) a.peer = node("activity", *peer);
      a.label = labels_.number(rows.getColumn(4).getString());
      a.cause = causes_.number(rows.getColumn(5).getString());
      a.real = rows.getColumn(6).getInt() != 0;
      a.ready_s = rows.getColumn(7).getDouble();
      a.start_s = maybe(rows, 8).value_or(-1);
      a.end_s = rows.getColumn(9).getDouble();
      a.bytes = rows.getColumn(10).getDouble();
      a.flops = rows.getColumn(11).getDouble();
      a.energy_j = rows.getColumn(12).getDouble();
      for (const double t : {a.ready_s, a.start_s, a.end_s}) time("activity", t);
      tables.activities.push_back(a);
    }
    activities_read_ += tables.activities.size();
  }

  void read_aggregations(SQLite::Database& database, RunTables& tables) {
    Columns rows(database,
                 "SELECT version, task, start_s, end_s, updates, samples, staleness_mean, "
                 "staleness_max, coverage_min, untrained FROM aggregation WHERE version > ? "
                 "ORDER BY version");
    rows.bind(1, last_version_);
    while (rows.executeStep()) {
      last_version_ = rows.getColumn(0).getInt64();
      tables.aggregations.push_back({last_version_, rows.getColumn(1).getInt64(),
                                     rows.getColumn(2).getDouble(), rows.getColumn(3).getDouble(),
                                     rows.getColumn(4).getInt64(), rows.getColumn(5).getDouble(),
                                     rows.getColumn(6).getDouble(), rows.getColumn(7).getInt64(),
                                     maybe_whole(rows, 8), maybe(rows, 9)});
      const sim::AggregationRow& a = tables.aggregations.back();
      version("aggregation", "version", a.version);
      version("aggregation", "staleness_max", a.staleness_max);
      time("aggregation", a.start_s);
      time("aggregation", a.end_s);
    }
  }

  void read_evaluations(SQLite::Database& database, RunTables& tables) {
    Columns rows(database,
                 "SELECT rowid, version, time_s, exit, blocks, judged, loss, top1, top5, f1, "
                 "untrained, bytes, energy_j, energy_server_j FROM evaluation WHERE rowid > ? "
                 "ORDER BY rowid");
    rows.bind(1, last_evaluation_);
    while (rows.executeStep()) {
      last_evaluation_ = rows.getColumn(0).getInt64();
      tables.evaluations.push_back({rows.getColumn(1).getInt64(), rows.getColumn(2).getDouble(),
                                    rows.getColumn(3).getInt64(), rows.getColumn(4).getInt64(),
                                    rows.getColumn(5).getInt() != 0, number(rows, 6),
                                    rows.getColumn(7).getDouble(), rows.getColumn(8).getDouble(),
                                    rows.getColumn(9).getDouble(), rows.getColumn(10).getDouble(),
                                    maybe(rows, 11), maybe(rows, 12), maybe(rows, 13)});
      version("evaluation", "version", tables.evaluations.back().version);
      time("evaluation", tables.evaluations.back().time_s);
    }
  }

  void read_readings(SQLite::Database& database, RunTables& tables) {
    Columns rows(database,
                 "SELECT rowid, wall_s, time_s, node, power_w, temperature_c, cpu_load, gpu_load, "
                 "memory_used_bytes, memory_total_bytes FROM reading WHERE rowid > ? "
                 "ORDER BY rowid");
    rows.bind(1, last_reading_);
    while (rows.executeStep()) {
      last_reading_ = rows.getColumn(0).getInt64();
      tables.readings.push_back({rows.getColumn(1).getDouble(), rows.getColumn(2).getDouble(),
                                 rows.getColumn(3).getInt64(), maybe(rows, 4), maybe(rows, 5),
                                 maybe(rows, 6), maybe(rows, 7), maybe(rows, 8), maybe(rows, 9)});
      node("reading", tables.readings.back().node);
      time("reading", tables.readings.back().time_s);
    }
  }

  void read_journal(SQLite::Database& database, RunTables& tables) {
    const std::int64_t last =
        database.execAndGet("SELECT COALESCE(MAX(sequence), -1) FROM journal").getInt64();
    Columns rows(database,
                 // An order that takes the results of other tasks aggregates them.
                 std::string("SELECT time_s, CASE WHEN kind = 'assign' AND detail LIKE "
                             "'% consumes=%' THEN 'aggregate' ELSE kind END, node, task "
                             "FROM journal WHERE sequence > ? ") +
                     (!is_complete() ? "AND kind IN ('node_lost', 'node_joined') " : "") +
                     "ORDER BY sequence");
    rows.bind(1, last_entry_);
    while (rows.executeStep()) {
      const auto kind = entry_kind(rows.getColumn(1).getString());
      if (!kind) continue;
      tables.journal.push_back({*kind, rows.getColumn(0).getDouble(), rows.getColumn(2).getInt64(),
                                rows.getColumn(3).getInt64()});
      const Entry& entry = tables.journal.back();
      if (entry.node != -1) node("journal", entry.node);
      time("journal", entry.time_s);
    }
    last_entry_ = last;
  }

  // Ids are indices from here on, and times are computed with: they are checked once, as they come.
  std::int32_t node(const char* table, std::int64_t id) const {
    sim::check_number(file_, table, "node", id, 0, nodes_);
    return static_cast<std::int32_t>(id);
  }
  void version(const char* table, const char* column, std::int64_t number) const {
    sim::check_number(file_, table, column, number, 0, sim::most_versions);
  }
  void time(const char* table, double seconds) const { sim::check_time(file_, table, seconds); }

  std::filesystem::path folder_;
  std::filesystem::path file_;
  TailLimits limits_;
  std::size_t activities_read_ = 0;
  std::size_t tasks_read_ = 0;
  Names labels_;
  Names causes_;
  std::int64_t nodes_ = 0;
  std::int64_t last_task_ = 0;  // row
  std::int64_t last_activity_ = 0;
  std::int64_t last_version_ = 0;
  std::int64_t last_evaluation_ = 0;
  std::int64_t last_reading_ = 0;
  std::int64_t last_entry_ = -1;
};

StoreTail::StoreTail(const std::filesystem::path& folder, const TailLimits& limits)
    : impl_(std::make_unique<Impl>(folder, sim::store_under_way(folder), limits)) {}
StoreTail::~StoreTail() = default;
StoreTail::StoreTail(StoreTail&&) noexcept = default;
StoreTail& StoreTail::operator=(StoreTail&&) noexcept = default;
RunTables StoreTail::next() { return impl_->next(); }
bool StoreTail::is_complete() const { return impl_->is_complete(); }

RunTables read_tables(const std::filesystem::path& folder, sim::ForeignStore& store) {
  return StoreTail::Impl(folder, sim::store_path(folder), {}).next(store);
}

RunTables read_tables(const std::filesystem::path& folder) {
  return reading(folder, [&](sim::ForeignStore& store) { return read_tables(folder, store); });
}

}  // namespace convoy::analysis
