#pragma once

// The figures of a finished run (defined in README.md).

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/store/rows.hpp"
#include "sim/world/world.hpp"

namespace convoy::sim {

struct NodeSummary {
  NodeName name;
  NodeUsage usage;
  double waiting_s = 0;     // present, neither computing nor communicating
  double memory_bytes = 0;  // usable by tasks

  friend bool operator==(const NodeSummary&, const NodeSummary&) = default;
};

// Accuracy of the global model at some time, and the costs up to the end of that instant.
struct CurvePoint {
  double time_s = 0;
  std::int64_t version = 0;
  double accuracy = 0;  // 0 to 1, of the headline exit
  double bytes = 0;     // from and to the server
  double energy_j = 0;  // of the workers
  double energy_server_j = 0;
  double samples = 0;               // trained on, of successful updates
  std::int64_t updates = 0;         // of nodes, successful
  std::optional<double> loss = {};  // nothing: it is not finite
  // engine::Objective; nothing without evaluation.gradient_norm.
  std::optional<double> gradient_norm = {};
  std::optional<double> objective = {};
};

// An accuracy to be reached, and the costs of reaching it.
struct Target {
  double accuracy = 0;                // 0 to 1
  std::string from;                   // the scenario's key that sets it
  std::optional<CurvePoint> reached;  // first point at this accuracy
};

// Transfers that were sent compressed.
struct Compressed {
  double bytes = 0;
  double whole_bytes = 0;  // that they would have had uncompressed

  // What was sent as a share of that; nothing where nothing was.
  [[nodiscard]] std::optional<double> ratio() const {
    return whole_bytes > 0 ? std::optional(bytes / whole_bytes) : std::nullopt;
  }
};

// What is counted while a run goes on. Each update that a node is to make has one fate:
// tasks_assigned = tasks + tasks_failed + tasks_run_ended, and of those that came to their end
// tasks = tasks_aggregated + tasks_dropped + tasks_buffered.
struct Counts {
  std::int64_t tasks_assigned = 0;    // to nodes: their updates
  std::int64_t tasks = 0;             // node updates that came to their end
  std::int64_t tasks_aggregated = 0;  // of these: in a version
  std::int64_t tasks_dropped = 0;     // of these: in none, too old or left out
  std::int64_t tasks_buffered = 0;    // of these: waited for a version when the run ended
  std::int64_t tasks_failed = 0;      // failed or given up before their end
  std::int64_t tasks_run_ended = 0;   // under way when the run ended
  double samples = 0;                 // trained on, of the updates that came to their end
  double bytes_down = 0;              // from the server
  double bytes_up = 0;                // to the server
  Compressed compressed_down;         // of them
  Compressed compressed_up;
  std::int64_t staleness_max = 0;  // of aggregated updates, versions
  // By node: s of its last update that came to its end, from its assignment; 0, or beyond the end
  // of this list: it made none.
  ByNode<double> last_task_s;
  // Where the run learns:
  std::vector<CurvePoint> curve;  // by time
  // The smallest number of updates that held any parameter, over all aggregations; 0: some
  // parameter was in none of an aggregation's updates.
  std::optional<std::int64_t> coverage_min;
  std::optional<double> untrained;  // share of the parameters that no update has held
};

struct Summary : Counts {
  std::string scenario;
  std::string schedule;
  std::string model;       // whose times, memory, bytes and energy these are
  std::string learned_as;  // what was learned in its place; empty: the model
  std::uint64_t seed = 0;
  std::int64_t rounds = 0;  // aggregations
  double virtual_time_s = 0;
  double wall_time_s = 0;
  // Of tasks_failed and of tasks_dropped, by cause: name_of(Cause).
  std::map<std::string, std::int64_t> failures;
  std::map<std::string, std::int64_t> dropped;
  std::vector<std::string> remarks;  // what went wrong without ending the run
  double utilization = 0;            // sum of busy time over (workers x virtual time)
  double energy_j = 0;               // that the workers drew: computing, links, idle while present
  double energy_server_j = 0;        // that the server drew
  double staleness_mean = 0;         // of aggregated updates, versions
  std::optional<double> accuracy;    // the last
  std::optional<double> accuracy_best;
  std::optional<Target> target;  // where the scenario has one
  int real_nodes = 0;
  std::optional<double> max_lag_s;  // greatest delay in delivering real nodes' events
  std::string network;              // description of the network model
  std::string store;                // path, or empty
  std::vector<TrafficRow> traffic;  // by kind of transfer, sender and receiver
  ByGroup<NodeSummary> nodes;       // the first is the server; those that did nothing as groups
};

}  // namespace convoy::sim
