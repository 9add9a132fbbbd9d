#pragma once

// The rows of a run's store in memory: input of metrics, comparisons and the report.
//
//   const RunTables run = read_tables("runs/cos2p");
//
// Also reads runs in progress, and can follow them (StoreTail).

#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/store/foreign_store.hpp"
#include "sim/store/store.hpp"
#include "sim/task/by_node.hpp"
#include "sim/task/plan_record.hpp"

namespace convoy::analysis {

// aggregated: it is in a version (possibly made by itself); dropped: it came in, and is in none
// (too old, or left out); lost: failed or cancelled
enum class Outcome { aggregated, buffered, dropped, run_ended, lost };
Outcome outcome_of(const sim::TaskRow& task);
// True for updates that came to their end, whatever became of them then.
bool came_in(const sim::TaskRow& task);

struct Activity {
  std::int64_t task = 0;       // of a node, or an aggregation
  std::int32_t number = 0;     // in the task's graph
  std::int32_t iteration = 0;  // of the graph's repetitions
  std::int32_t node = 0;       // computing or sending node
  std::int32_t peer = -1;      // receiving node; -1: a compute
  std::int32_t label = 0;      // index of RunTables::labels
  std::int32_t cause = 0;      // index of RunTables::causes; 0: success
  bool real = false;           // measured on a device
  double ready_s = 0;
  double start_s = -1;  // -1: it never started
  double end_s = 0;
  double memory_asked_s = -1;  // since when it waited for memory; -1: it did not
  double bytes = 0;
  double flops = 0;
  double energy_j = 0;

  [[nodiscard]] bool is_transfer() const { return peer >= 0; }
  [[nodiscard]] bool started() const { return start_s >= 0; }
};

// A journal entry about presence, assignments, or the reason for an aggregation.
struct Entry {
  enum class Kind {
    node_joined,
    node_lost,
    task_done,
    task_failed,
    timer_fired,
    assign,     // an order
    cancel,     // an order
    aggregate,  // an order: a task that takes other tasks' results
  };
  static constexpr base::Words<Kind> words = {
      {Kind::node_joined, "node_joined"}, {Kind::node_lost, "node_lost"},
      {Kind::task_done, "task_done"},     {Kind::task_failed, "task_failed"},
      {Kind::timer_fired, "timer_fired"}, {Kind::assign, "assign"},
      {Kind::cancel, "cancel"},           {Kind::aggregate, "aggregate"}};
  Kind kind = Kind::task_done;
  double time_s = 0;
  std::int64_t node = -1;
  std::int64_t task = -1;
  std::int64_t sequence = 0;  // in the whole journal
  std::int64_t because = -1;  // of an order: sequence of the event that caused it
};

// A plan that a split schedule made, or kept after it had looked for a better one.
struct StoredPlan {
  double time_s = 0;
  std::optional<sim::PlanRecord> record;  // nothing: the store is of before plans had a form
  std::string text;                       // then: as the journal has it; else ""
};

// Texts with numbers; the first is "".
class Names {
 public:
  std::int32_t number(const std::string& text);
  [[nodiscard]] const std::string& operator[](std::int32_t number) const {
    return all_[static_cast<std::size_t>(number)];
  }
  [[nodiscard]] const std::vector<std::string>& all() const { return all_; }

 private:
  std::vector<std::string> all_ = {""};
  std::map<std::string, std::int32_t> numbers_ = {{"", 0}};
};

struct RunTables {
  std::string folder;
  sim::StoredRun run;
  std::optional<double> ended_s;        // virtual; nothing: the run is not over, or was killed
  sim::ByNode<sim::NodeRow> nodes;      // the first is the server
  sim::ByNode<sim::NodeEnd> node_ends;  // empty: the run is not over
  std::vector<sim::TaskRow> tasks;      // of nodes (updates, not aggregations), by id
  std::vector<Activity> activities;     // by end
  std::vector<sim::AggregationRow> aggregations;  // by version
  std::vector<sim::EvaluationRow> evaluations;    // by time, then exit
  std::vector<sim::ReadingRow> readings;
  std::vector<sim::TraceRow> traces;  // by node, column, time; empty: the run is not over
  // By kind of transfer; empty: the run is not over, or its store is of before this was recorded.
  std::vector<sim::TrafficRow> traffic;
  // By time, then node; empty: no task kept anything in memory, or the store has sums alone or is
  // of before this was recorded.
  std::vector<sim::MemoryRow> memory;
  std::vector<Entry> journal;
  std::vector<StoredPlan> plans;  // by time
  std::map<std::string, std::string> host;
  Names labels;
  Names causes;

  // Virtual time of the last record, or of the end.
  [[nodiscard]] double until_s() const;
};

// Limits for following a run, so that reading a million rows a second does not slow it down.
struct TailLimits {
  // In total; when a limit is reached, no more activities and tasks are read, and of the journal
  // only presences.
  std::size_t activities = std::numeric_limits<std::size_t>::max();
  std::size_t tasks = std::numeric_limits<std::size_t>::max();
};

// Follows a run in progress.
class StoreTail {
 public:
  // For a run that is being resumed, follows the resumption.
  explicit StoreTail(const std::filesystem::path& folder, const TailLimits& limits = {});
  ~StoreTail();
  StoreTail(StoreTail&&) noexcept;
  StoreTail& operator=(StoreTail&&) noexcept;

  // Rows added since the last call; `labels` and `causes` are complete. Run, nodes and host are as
  // at present. Throws sim::StoreError.
  RunTables next();

  // True if no limit was reached.
  [[nodiscard]] bool is_complete() const;

  class Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

// The run in a folder. Throws sim::StoreError if there is no readable store.
RunTables read_tables(const std::filesystem::path& folder);
// The run in an open store, in the same snapshot as other reads.
RunTables read_tables(const std::filesystem::path& folder, sim::ForeignStore& store);

}  // namespace convoy::analysis
