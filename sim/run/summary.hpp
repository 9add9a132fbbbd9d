#pragma once

// The figures of a finished run (defined in README.md).

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/world/world.hpp"

namespace convoy::sim {

struct NodeSummary {
  std::string name;
  NodeUsage usage;
  double waiting_s = 0;     // present, neither computing nor communicating
  double memory_bytes = 0;  // usable by tasks
};

// Accuracy of the global model at some time, and the costs up to the end of that instant.
struct CurvePoint {
  double time_s = 0;
  std::int64_t version = 0;
  double accuracy = 0;  // 0 to 1, of the headline exit
  double bytes = 0;     // from and to the server
  double energy_j = 0;  // of the workers
  double energy_server_j = 0;
  double samples = 0;  // trained on, of successful updates
};

// An accuracy to be reached, and the costs of reaching it.
struct Target {
  double accuracy = 0;                // 0 to 1
  std::string from;                   // the scenario's key that sets it
  std::optional<CurvePoint> reached;  // first point at this accuracy
};

struct Summary {
  std::string scenario;
  std::string schedule;
  std::uint64_t seed = 0;
  std::int64_t rounds = 0;  // aggregations
  double virtual_time_s = 0;
  double wall_time_s = 0;
  std::int64_t tasks = 0;  // successful updates
  std::int64_t tasks_aggregated = 0;
  std::int64_t tasks_failed = 0;                 // failed or cancelled
  std::map<std::string, std::int64_t> failures;  // failed tasks by cause: name_of(Cause)
  std::vector<std::string> remarks;              // problems that did not end the run
  double samples = 0;                            // trained on, of successful updates
  double utilization = 0;                        // sum of busy time over (workers x virtual time)
  double bytes_down = 0;                         // from the server
  double bytes_up = 0;                           // to the server
  double energy_j = 0;         // drawn by the workers: computing, links, idle while present
  double energy_server_j = 0;  // drawn by the server
  double staleness_mean = 0;   // of aggregated updates, in versions
  std::int64_t staleness_max = 0;
  // Where the run learns:
  std::vector<CurvePoint> curve;   // by time
  std::optional<double> accuracy;  // last one
  std::optional<double> accuracy_best;
  std::optional<Target> target;  // if the scenario has one
  // Over all aggregations, the smallest number of updates that hold a parameter; 0: some
  // aggregation had no update for some parameter.
  std::optional<std::int64_t> coverage_min;
  std::optional<double> untrained;  // share of the parameters that no update has held
  int real_nodes = 0;
  std::optional<double> max_lag_s;  // greatest delay in delivering real nodes' events
  std::string network;              // description of the network model
  std::string store;                // path, or empty
  std::vector<NodeSummary> nodes;   // the first is the server
};

}  // namespace convoy::sim
