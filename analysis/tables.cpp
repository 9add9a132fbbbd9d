#include "analysis/tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sim/store/node_groups.hpp"
#include "sim/store/sql.hpp"

namespace convoy::analysis {
namespace {

using Columns = SQLite::Statement;

// Takes in those after `last`, by the column `by`; `last` follows. `check`: of each.
template <class Row, class Check>
void read_new(SQLite::Database& database, const char* by, std::int64_t& last, std::vector<Row>& all,
              Check check) {
  Columns rows(database, fmt::format("SELECT {0}, {1} FROM {2} WHERE {0} > ? ORDER BY {0}", by,
                                     sim::column_names<Row>(), sim::Table<Row>::name));
  rows.bind(1, last);
  while (rows.executeStep()) {
    last = rows.getColumn(0).getInt64();
    check(all.emplace_back(sim::read_row<Row>(rows, 1)));
  }
}

}  // namespace

Outcome outcome_of(const sim::TaskRow& task) {
  if (task.outcome == "aggregated" || task.outcome == "published") return Outcome::aggregated;
  if (task.outcome == "buffered") return Outcome::buffered;
  if (task.outcome == "stale" || task.outcome == "left_out") return Outcome::dropped;
  if (task.outcome == "run_ended") return Outcome::run_ended;
  return Outcome::lost;
}

bool came_in(const sim::TaskRow& task) {
  const Outcome outcome = outcome_of(task);
  return outcome == Outcome::aggregated || outcome == Outcome::buffered ||
         outcome == Outcome::dropped;
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
    return sim::read_store_file(file_, [this](sim::ForeignStore& store) { return next(store); });
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
    read_traces(database, tables);
    read_traffic(database, tables);
    read_memory(database, tables);
    read_plans(database, tables);
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
    if (run.executeStep()) sim::read_value(run.getColumn(0), tables.ended_s);
    if (tables.ended_s) time("run", *tables.ended_s);
    const std::vector<sim::NodeGroup> groups = sim::read_node_groups(file_, database);
    for (const sim::NodeGroup& group : groups) check_group(group);
    sim::for_each_node(groups, [&](sim::NodeRow row, const sim::NodeEnd* end) {
      tables.nodes.push_back(std::move(row));
      if (end != nullptr) tables.node_ends.push_back(*end);
    });
    if (tables.node_ends.size() != tables.nodes.size()) tables.node_ends.clear();
    nodes_ = static_cast<std::int64_t>(tables.nodes.size());
    for (sim::HostRow& fact : sim::read_rows<sim::HostRow>(database, "")) {
      tables.host[std::move(fact.key)] = std::move(fact.value);
    }
  }

  void check_group(const sim::NodeGroup& group) {
    constexpr const char* table = sim::Table<sim::NodeRow>::name;
    if (!group.end) return;
    const sim::NodeEnd& end = *group.end;
    for (const double t : {end.busy_s, end.communicating_s, end.waiting_s, end.away_s}) {
      time(table, t);
    }
    for (const double amount :
         {end.bytes_in, end.bytes_out, end.peak_memory_bytes, end.energy_j, end.memory_wait_s}) {
      sim::check_amount(file_, table, amount);
    }
  }

  // A task is written when its fate is known: rows do not come in the order of ids.
  void read_tasks(SQLite::Database& database, RunTables& tables) {
    if (!is_complete()) return;
    read_new(database, "rowid", last_task_, tables.tasks, [&](const sim::TaskRow& task) {
      if (!task.is_update) return tables.tasks.pop_back();
      node("task", task.node);
      version("task", "base_version", task.base_version);
      version("task", "aggregated_version", task.aggregated_version.value_or(0));
      version("task", "staleness", task.staleness.value_or(0));
      time("task", task.assigned_s);
      time("task", task.ended_s);
      sim::check_amount(file_, "task", task.memory_wait_s);
    });
    tasks_read_ += tables.tasks.size();
    std::ranges::sort(tables.tasks, {}, &sim::TaskRow::id);
  }

  void read_activities(SQLite::Database& database, RunTables& tables) {
    if (!is_complete()) return;
    Columns rows(database,
                 "SELECT rowid, task, node, peer, label, cause, real, ready_s, start_s, end_s, "
                 "bytes, flops, energy_j, activity, iteration, memory_asked_s FROM activity WHERE "
                 "rowid > ? ORDER BY rowid LIMIT ?");
    rows.bind(1, last_activity_);
    constexpr std::size_t largest = std::numeric_limits<std::int64_t>::max();
    rows.bind(2,
              static_cast<std::int64_t>(std::min(largest, limits_.activities - activities_read_)));
    while (rows.executeStep()) {
      last_activity_ = rows.getColumn(0).getInt64();
      Activity a;
      a.task = rows.getColumn(1).getInt64();
      a.node = node("activity", rows.getColumn(2).getInt64());
      if (!rows.getColumn(3).isNull()) a.peer = node("activity", rows.getColumn(3).getInt64());
      a.label = labels_.number(rows.getColumn(4).getString());
      a.cause = causes_.number(rows.getColumn(5).getString());
      a.real = rows.getColumn(6).getInt() != 0;
      a.ready_s = rows.getColumn(7).getDouble();
      if (!rows.getColumn(8).isNull()) a.start_s = rows.getColumn(8).getDouble();
      a.end_s = rows.getColumn(9).getDouble();
      a.bytes = rows.getColumn(10).getDouble();
      a.flops = rows.getColumn(11).getDouble();
      a.energy_j = rows.getColumn(12).getDouble();
      a.number = index("activity", rows.getColumn(13).getInt64());
      a.iteration = index("iteration", rows.getColumn(14).getInt64());
      if (!rows.getColumn(15).isNull()) a.memory_asked_s = rows.getColumn(15).getDouble();
      for (const double t : {a.ready_s, a.start_s, a.end_s, a.memory_asked_s}) time("activity", t);
      tables.activities.push_back(a);
    }
    activities_read_ += tables.activities.size();
  }

  void read_aggregations(SQLite::Database& database, RunTables& tables) {
    read_new(database, "version", last_version_, tables.aggregations, [&](const auto& a) {
      version("aggregation", "version", a.version);
      version("aggregation", "staleness_max", a.staleness_max);
      time("aggregation", a.start_s);
      time("aggregation", a.end_s);
    });
  }

  void read_evaluations(SQLite::Database& database, RunTables& tables) {
    read_new(database, "rowid", last_evaluation_, tables.evaluations, [&](const auto& e) {
      version("evaluation", "version", e.version);
      time("evaluation", e.time_s);
    });
  }

  void read_readings(SQLite::Database& database, RunTables& tables) {
    read_new(database, "rowid", last_reading_, tables.readings, [&](const auto& r) {
      node("reading", r.node);
      time("reading", r.time_s);
    });
  }

  void read_traces(SQLite::Database& database, RunTables& tables) {
    if (!database.tableExists("trace")) return;  // stores of before did not have it
    read_new(database, "rowid", last_trace_, tables.traces, [&](const auto& t) {
      node("trace", t.node);
      time("trace", t.time_s);
    });
  }

  void read_traffic(SQLite::Database& database, RunTables& tables) {
    if (!database.tableExists("traffic")) return;  // stores of before did not have it
    read_new(database, "rowid", last_traffic_, tables.traffic, [&](const auto& t) {
      node("traffic", t.node);
      node("traffic", t.peer);
      sim::check_text(file_, "traffic", std::max(t.label.size(), t.artifact.size()));
      sim::check_amount(file_, "traffic", t.bytes);
      count("traffic", "transfers", t.transfers);
      count("traffic", "broken_off", t.broken_off);
    });
  }

  // While activities are read, too: a long run in progress is not followed without end.
  void read_memory(SQLite::Database& database, RunTables& tables) {
    if (!database.tableExists("memory") || !is_complete()) return;
    read_new(database, "rowid", last_memory_, tables.memory, [&](const auto& m) {
      node("memory", m.node);
      time("memory", m.time_s);
      sim::check_amount(file_, "memory", m.bytes);
    });
  }

  void read_journal(SQLite::Database& database, RunTables& tables) {
    const std::int64_t last =
        database.execAndGet("SELECT COALESCE(MAX(sequence), -1) FROM journal").getInt64();
    Columns rows(database,
                 // An order that takes the results of other tasks aggregates them.
                 std::string("SELECT time_s, CASE WHEN kind = 'assign' AND detail LIKE "
                             "'% consumes=%' THEN 'aggregate' ELSE kind END, node, task, "
                             "sequence, COALESCE(because, -1) "
                             "FROM journal WHERE sequence > ? ") +
                     (!is_complete() ? "AND kind IN ('node_lost', 'node_joined') " : "") +
                     "ORDER BY sequence");
    rows.bind(1, last_entry_);
    while (rows.executeStep()) {
      const auto kind = value_of(Entry::words, rows.getColumn(1).getString());
      if (!kind) continue;
      tables.journal.push_back({*kind, rows.getColumn(0).getDouble(), rows.getColumn(2).getInt64(),
                                rows.getColumn(3).getInt64(), rows.getColumn(4).getInt64(),
                                rows.getColumn(5).getInt64()});
      const Entry& entry = tables.journal.back();
      if (entry.node != -1) node("journal", entry.node);
      time("journal", entry.time_s);
    }
    last_entry_ = last;
  }

  // Before read_journal(), which takes note of how far it has come.
  void read_plans(SQLite::Database& database, RunTables& tables) {
    Columns rows(database,
                 "SELECT time_s, detail, sequence FROM journal WHERE kind = 'planned' AND "
                 "sequence > ? ORDER BY sequence");
    rows.bind(1, last_entry_);
    while (rows.executeStep()) {
      StoredPlan& plan = tables.plans.emplace_back();
      plan.time_s = rows.getColumn(0).getDouble();
      time("journal", plan.time_s);
      std::string text = rows.getColumn(1).getString();
      if (!sim::is_plan_record(text)) {
        plan.text = std::move(text);
        continue;
      }
      try {
        plan.record = sim::read_plan(text);
      } catch (const base::UserError& error) {
        throw sim::StoreError(fmt::format(
            "{}: entry {} of the journal should be a plan, and cannot be read: {}; make the run "
            "anew with --overwrite",
            file_.string(), rows.getColumn(2).getInt64(), error.what()));
      }
      for (const sim::PlannedNode& planned : plan.record->nodes) {
        node("journal", planned.node);
        sim::check_text(file_, "journal", planned.cut_name.size());
      }
      sim::check_text(file_, "journal", plan.record->cause.size());
    }
  }

  // Ids are indices from here on, and times are computed with: they are checked once, as they come.
  std::int32_t node(const char* table, std::int64_t id) const {
    sim::check_number(file_, table, "node", id, 0, nodes_);
    return static_cast<std::int32_t>(id);
  }
  // Of an activity.
  [[nodiscard]] std::int32_t index(const char* column, std::int64_t number) const {
    constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
    sim::check_number(file_, "activity", column, number, 0, most);
    return static_cast<std::int32_t>(number);
  }
  void version(const char* table, const char* column, std::int64_t number) const {
    sim::check_number(file_, table, column, number, 0, sim::most_versions);
  }
  // Of transfers: they can be summed.
  void count(const char* table, const char* column, std::int64_t number) const {
    constexpr std::int64_t most = 1'000'000'000'000;
    sim::check_number(file_, table, column, number, 0, most);
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
  std::int64_t last_trace_ = 0;
  std::int64_t last_traffic_ = 0;
  std::int64_t last_memory_ = 0;
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
  return sim::read_store(folder,
                         [&](sim::ForeignStore& store) { return read_tables(folder, store); });
}

}  // namespace convoy::analysis
