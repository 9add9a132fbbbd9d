#pragma once

// The rows of a run store; TABLES.md says what each column is. Times are virtual seconds.

#include <cstdint>
#include <optional>
#include <string>

#include "base/words.hpp"

namespace convoy::sim {

// What the run is: written before it begins.
struct RunRow {
  std::string name;
  std::string schedule;
  std::uint64_t seed = 0;
  std::string scenario;  // resolved, as TOML
  std::string scenario_hash;
  std::string version;  // of Convoy
  std::string world;    // network model and what was left out
  // Of the scenario but for when it stops: runs of one course go the same way, until one of them
  // ends. Kept among the facts of the host; empty: not written down.
  std::string course;
};

// Does a stored run go the way that this scenario goes?
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
  std::string cause;  // of a failure
  double virtual_time_s = 0;
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

  [[nodiscard]] bool is_real() const { return backend == "hil"; }
};

// What a node did: written at the end.
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
};

struct TaskRow {
  std::int64_t id = 0;
  std::int64_t node = 0;
  std::string label;
  bool is_update = true;  // of a node; else an aggregation
  double rate = 1;
  double samples = 0;
  std::int64_t base_version = 0;
  double assigned_s = 0;
  double ended_s = 0;
  std::string outcome;  // aggregated, published, buffered, or the cause of its end
  std::optional<std::int64_t> aggregated_version;  // the first that it is in
  std::optional<std::int64_t> staleness;
  std::optional<std::int64_t> consumed_by;        // the task that took its result
  std::optional<std::int64_t> published_version;  // that it made
  double busy_s = 0;                              // sums over its activities
  double communicating_s = 0;
  double bytes_down = 0;
  double bytes_up = 0;
  double flops = 0;
  double energy_j = 0;                   // share of what its nodes drew, and of their links
  std::optional<double> kept;            // share of the members of its groups that it trained
  std::optional<double> loss;            // mean of its last epoch
  std::optional<double> local_accuracy;  // of what it received, on the node's own test part
  std::optional<double> share;           // of the result of the task that took its own
};

struct ActivityRow {
  std::int64_t task = 0;
  std::int64_t activity = 0;
  std::int64_t iteration = 0;
  std::int64_t attempt = 0;  // no activity is done twice so far
  bool is_transfer = false;  // else it computes
  std::string label;
  std::int64_t node = 0;
  std::optional<std::int64_t> peer;
  double ready_s = 0;
  std::optional<double> start_s;  // nothing: it never started
  double end_s = 0;
  double bytes = 0;
  double flops = 0;
  double energy_j = 0;
  std::string cause;                  // empty: it ended as it should
  bool real = false;                  // measured on a real device, not simulated
  std::optional<double> predicted_s;  // the duration that the simulation expected of a real one
};

// A version that was published, and what went into it.
struct AggregationRow {
  std::int64_t version = 0;
  std::int64_t task = 0;  // that published it
  double start_s = 0;     // of that task, where it took the results of others; else as end_s
  double end_s = 0;
  std::int64_t updates = 0;
  double samples = 0;
  double staleness_mean = 0;
  std::int64_t staleness_max = 0;
  std::optional<std::int64_t> coverage_min;  // updates that hold the parameter held by the fewest
  std::optional<double> untrained;  // share of the parameters that no update has held so far
};

// One exit of a version of the global model, on the global test set. Shares are 0 to 1.
struct EvaluationRow {
  std::int64_t version = 0;
  double time_s = 0;
  std::int64_t exit = 0;
  std::int64_t blocks = 0;  // before it
  bool judged = false;      // `accuracy` is the top1 of this one
  double loss = 0;
  double top1 = 0;
  double top5 = 0;
  double f1 = 0;  // mean over classes, weighted by their frequency
  double untrained = 0;
  // What it had taken to come there: of the whole run up to the end of this instant. Nothing in
  // rows of a version that did not write it down.
  std::optional<double> bytes;            // from and to the server, of transfers that were whole
  std::optional<double> energy_j;         // of all workers: computing, links, idle while present
  std::optional<double> energy_server_j;  // likewise of the server
};

// A real node came or went.
struct PresenceRow {
  double time_s = 0;  // -1: that is how the run began
  std::int64_t node = 0;
  bool present = false;
  bool for_good = false;  // it does not come back
};

// A fact about this machine and the hour, or one that is kept beside the rest.
struct HostRow {
  std::string key;
  std::string value;
};

// What a real node's sensors said.
struct ReadingRow {
  double wall_s = 0;  // since the run began
  double time_s = 0;  // virtual, when it came
  std::int64_t node = 0;
  std::optional<double> power_w;
  std::optional<double> temperature_c;
  std::optional<double> cpu_load;  // 0 to 1
  std::optional<double> gpu_load;
  std::optional<double> memory_used_bytes;
  std::optional<double> memory_total_bytes;
};

// One event or order, in the order in which they came.
struct JournalRow {
  std::int64_t sequence = 0;
  double time_s = 0;
  bool is_order = false;
  std::string kind;
  std::int64_t node = -1;
  std::int64_t task = -1;
  std::string detail;
  std::optional<std::int64_t> because;  // of an order: the sequence of the event it answers

  friend bool operator==(const JournalRow&, const JournalRow&) = default;
};

}  // namespace convoy::sim
