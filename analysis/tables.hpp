#pragma once

// What a run's store holds, in memory: what metrics, comparisons and the report are computed from.
//
//   const RunTables run = read_tables("runs/cos2p");
//
// Works on a run that is still going, and can follow it (StoreTail).

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

namespace convoy::analysis {

// aggregated: it is in a version, also where it made that itself; lost: failed or given up
enum class Outcome { aggregated, buffered, run_ended, lost };
Outcome outcome_of(const sim::TaskRow& task);
// Its update came in: aggregated, or buffered when the run ended.
bool came_in(const sim::TaskRow& task);

struct Activity {
  std::int64_t task = 0;   // of a node, or an aggregation
  std::int32_t node = 0;   // where it computed, or who sent
  std::int32_t peer = -1;  // who received; -1: it computed
  std::int32_t label = 0;  // index of RunTables::labels
  std::int32_t cause = 0;  // index of RunTables::causes; 0: it ended as it should
  bool real = false;       // measured on a device
  double ready_s = 0;
  double start_s = -1;  // -1: it never started
  double end_s = 0;
  double bytes = 0;
  double flops = 0;
  double energy_j = 0;

  [[nodiscard]] bool is_transfer() const { return peer >= 0; }
  [[nodiscard]] bool started() const { return start_s >= 0; }
};

// An entry of the journal that tells who comes and goes, who has a task, and why an aggregation
// was ordered.
struct Entry {
  enum class Kind {
    node_joined,
    node_lost,
    task_done,
    task_failed,
    timer_fired,
    assign,     // an order
    cancel,     // likewise
    aggregate,  // likewise: a task that takes the results of others
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
  std::int64_t because = -1;  // of an order: the sequence of the event that it was given for
};

// Texts that are known by number; the first is "".
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
  std::vector<Activity> activities;     // in the order in which they ended
  std::vector<sim::AggregationRow> aggregations;  // by version
  std::vector<sim::EvaluationRow> evaluations;    // by time, then exit
  std::vector<sim::ReadingRow> readings;
  std::vector<Entry> journal;
  std::map<std::string, std::string> host;
  Names labels;
  Names causes;

  // Virtual time of the last thing that is written down, or of the end.
  [[nodiscard]] double until_s() const;
};

// What of a run is followed: those who look at one that makes a million rows a second must not keep
// it from doing so.
struct TailLimits {
  // In all; when one is reached, neither activities nor tasks are read any more, and of the journal
  // only who comes and goes.
  std::size_t activities = std::numeric_limits<std::size_t>::max();
  std::size_t tasks = std::numeric_limits<std::size_t>::max();
};

// Follows a run while it is written.
class StoreTail {
 public:
  // Of a run that is being resumed the resumption is followed.
  explicit StoreTail(const std::filesystem::path& folder, const TailLimits& limits = {});
  ~StoreTail();
  StoreTail(StoreTail&&) noexcept;
  StoreTail& operator=(StoreTail&&) noexcept;

  // The rows that have come since the last call; `labels` and `causes` are whole. The rest (run,
  // nodes, host) is as it is now. Throws sim::StoreError.
  RunTables next();

  // Whether all that was there was given: no limit was reached.
  [[nodiscard]] bool is_complete() const;

  class Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

// The run in a folder. Throws sim::StoreError where there is no store to read.
RunTables read_tables(const std::filesystem::path& folder);
// Of a store that is open: of the same moment as whatever else is read of it.
RunTables read_tables(const std::filesystem::path& folder, sim::ForeignStore& store);

}  // namespace convoy::analysis
