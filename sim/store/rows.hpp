#pragma once

// The rows of a run store; TABLES.md says what each column is. Times are virtual seconds.

#include <cstdint>
#include <optional>
#include <string>

#include "base/words.hpp"

namespace convoy::sim {

// Facts of the run, written before it begins.
struct RunRow {
  std::string name;
  std::string schedule;
  std::uint64_t seed = 0;
  std::string scenario;  // resolved scenario as TOML
  std::string scenario_hash;
  std::string version;  // Convoy's version
  std::string world;    // network model and links left out
  // Hash of the scenario without its stop goals: runs of one course are equal until one of them
  // ends. Stored among the host's facts; empty: not stored.
  std::string course;
};

// True if the stored run has the same course as this scenario.
inline bool is_same_course(const RunRow& stored, const std::string& scenario_hash,
                           const std::string& course) {
  return stored.scenario_hash == scenario_hash || (!course.empty() && stored.course == course);
}

enum class RunStatus { running, done, failed, stopped };
inline constexpr base::Words<RunStatus> status_words = {{RunStatus::running, "running"},
                                                        {RunStatus::done, "done"},
                                                        {RunStatus::failed, "failed"},
                                                        {RunStatus::stopped, "stopped"}};
inline std::string name_of(RunStatus status) { return std::string(name_of(status_words, status)); }
inline RunStatus status_of(std::string_view name) {  // stopped, where it is none
  return value_of(status_words, name).value_or(RunStatus::stopped);
}

struct RunEnd {
  RunStatus status = RunStatus::done;
  std::string cause;  // reason of a failure
  double virtual_time_s = 0;
};

// A row of nodes may stand for neighbours that are alike: see node_groups.hpp.
struct NodeSpan {
  std::int64_t alike = 1;  // nodes, from the row's id on
  // The first of them is called NAME-number, the next NAME-(number + 1); nothing: NAME.
  std::optional<std::int64_t> number = {};

  friend bool operator==(const NodeSpan&, const NodeSpan&) = default;
};

struct NodeRow {
  std::int64_t id = 0;
  std::string name;
  std::string device;
  std::string mode;
  std::string link;
  std::string backend;
  double memory_bytes = 0;
  std::int64_t samples = 0;
  std::int64_t batch = 0;
  bool own_data = false;  // a real node trains on data that it alone has, not on its part
  NodeSpan span = {};

  [[nodiscard]] bool is_real() const { return backend == "hil"; }
};

// Figures of a node over the run, written at its end.
struct NodeEnd {
  std::int64_t id = 0;
  double busy_s = 0;
  double communicating_s = 0;
  double waiting_s = 0;
  double away_s = 0;
  double bytes_in = 0;
  double bytes_out = 0;
  double peak_memory_bytes = 0;
  double energy_j = 0;  // drawn over the run, links included
  std::int64_t tasks = 0;
  std::int64_t tasks_failed = 0;
  // For its memory: of tasks that had not begun, and of computes; and their time in all.
  std::int64_t memory_waits = 0;
  double memory_wait_s = 0;
  std::int64_t alike = 1;  // nodes that did the same, from `id` on
};

struct TaskRow {
  std::int64_t id = 0;
  std::int64_t node = 0;
  std::string label;
  bool is_update = true;  // of a node; false: an aggregation
  double rate = 1;
  double samples = 0;
  std::int64_t base_version = 0;
  double assigned_s = 0;
  double ended_s = 0;
  std::string outcome;  // aggregated, published, buffered, or the cause that it is in no version
  std::optional<std::int64_t> aggregated_version;  // first version that contains it
  std::optional<std::int64_t> staleness;
  std::optional<std::int64_t> consumed_by;        // task that took its result
  std::optional<std::int64_t> published_version;  // version that it made
  double busy_s = 0;                              // here and below: sums over its activities
  double communicating_s = 0;
  double bytes_down = 0;
  double bytes_up = 0;
  double flops = 0;
  double energy_j = 0;                   // its share of its nodes' and links' energy
  std::optional<double> kept;            // share of the members of its groups that were trained
  std::optional<double> loss;            // mean of the last epoch
  std::optional<double> local_accuracy;  // of the received model, on the node's own test part
  std::optional<double> share;           // its share in the result of the task that took its result
  double memory_wait_s = 0;              // for memory: before it began, and of its computes, a sum
};

struct ActivityRow {
  std::int64_t task = 0;
  std::int64_t activity = 0;
  std::int64_t iteration = 0;
  std::int64_t attempt = 0;  // always 0: activities are never repeated
  bool is_transfer = false;  // false: a compute
  std::string label;
  std::int64_t node = 0;
  std::optional<std::int64_t> peer;
  double ready_s = 0;
  std::optional<double> start_s;  // nothing: never started
  double end_s = 0;
  double bytes = 0;
  double flops = 0;
  double energy_j = 0;
  std::string cause;                     // empty: success
  bool real = false;                     // measured on a real device, not simulated
  std::optional<double> predicted_s;     // real activities: duration predicted by the profile
  std::optional<double> memory_asked_s;  // since when it waited for memory; nothing: it did not
};

// A published version and the updates in it.
struct AggregationRow {
  std::int64_t version = 0;
  std::int64_t task = 0;  // that published the version
  double start_s = 0;     // start of an aggregating task; else equal to end_s
  double end_s = 0;
  std::int64_t updates = 0;
  double samples = 0;
  double staleness_mean = 0;
  std::int64_t staleness_max = 0;
  std::optional<std::int64_t> coverage_min;  // smallest number of updates that hold a parameter
  std::optional<double> untrained;  // share of the parameters that no update has held so far
};

// One exit of one version, evaluated on the global test set. Shares are 0 to 1.
struct EvaluationRow {
  std::int64_t version = 0;
  double time_s = 0;
  std::int64_t exit = 0;
  std::int64_t blocks = 0;  // blocks before the exit
  bool judged = false;      // this exit's top1 is the reported accuracy
  double loss = 0;
  double top1 = 0;
  double top5 = 0;
  double f1 = 0;  // mean over classes, weighted by their frequency
  double untrained = 0;
  // Costs of the whole run up to the end of this instant. Nothing in stores that did not record
  // them.
  std::optional<double> bytes;            // from and to the server, complete transfers only
  std::optional<double> energy_j;         // of all workers: computing, links, idle while present
  std::optional<double> energy_server_j;  // likewise of the server
  // Of the version, the same in the rows of all its exits; nothing without
  // evaluation.gradient_norm. See engine::Objective.
  std::optional<double> gradient_norm;
  std::optional<double> objective;
};

// A real node came or went.
struct PresenceRow {
  double time_s = 0;  // -1: state at the start of the run
  std::int64_t node = 0;
  bool present = false;
  bool for_good = false;  // will not come back
};

// A fact about the host or the time of the run; also other facts.
struct HostRow {
  std::string key;
  std::string value;
};

// A value of a time series that drove a node, in virtual time; it holds until the next of the same
// column.
struct TraceRow {
  std::int64_t node = 0;
  std::string column;  // as in the trace's file
  double time_s = 0;
  double value = 0;
};

// What went from one node to another over the run: all transfers of one kind, that is of one label
// that moved an artifact of one name. What stays on its node (a transfer from the server to itself)
// is none. Written at the end of the run.
struct TrafficRow {
  std::string label;
  std::string artifact;
  std::int64_t node = 0;        // that sends
  std::int64_t peer = 0;        // that receives
  std::int64_t transfers = 0;   // complete
  double bytes = 0;             // of these
  std::int64_t broken_off = 0;  // begun, and not complete: what they had sent is in no sum of bytes
};

// The memory that computes and artifacts take on a node from an instant on, until the next row of
// the node. Of nodes where a task keeps something in memory between its activities (a pipeline's
// stashes), from the first time on, with record = "activity".
struct MemoryRow {
  double time_s = 0;
  std::int64_t node = 0;
  double bytes = 0;
};

// Sensor readings of a real node.
struct ReadingRow {
  double wall_s = 0;  // since the run began
  double time_s = 0;  // virtual time of the arrival
  std::int64_t node = 0;
  std::optional<double> power_w;
  std::optional<double> temperature_c;
  std::optional<double> cpu_load;  // 0 to 1
  std::optional<double> gpu_load;
  std::optional<double> memory_used_bytes;
  std::optional<double> memory_total_bytes;
};

// An event or an order, in the order of occurrence.
struct JournalRow {
  std::int64_t sequence = 0;
  double time_s = 0;
  bool is_order = false;
  std::string kind;
  std::int64_t node = -1;
  std::int64_t task = -1;
  std::string detail;
  std::optional<std::int64_t> because;  // of an order: sequence of the event that caused it

  friend bool operator==(const JournalRow&, const JournalRow&) = default;
};

}  // namespace convoy::sim
