#pragma once

// The figures of a finished run (README.md says how each is defined).

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
  double waiting_s = 0;     // there, and neither computing nor communicating
  double memory_bytes = 0;  // that tasks may use
};

// The global model at some time.
struct Judgement {
  double time_s = 0;
  std::int64_t version = 0;
  double accuracy = 0;  // 0 to 1, of the exit that is judged
};

struct Summary {
  std::string scenario;
  std::string schedule;
  std::uint64_t seed = 0;
  std::int64_t rounds = 0;  // aggregations
  double virtual_time_s = 0;
  double wall_time_s = 0;
  std::int64_t tasks = 0;  // node updates that came to their end
  std::int64_t tasks_aggregated = 0;
  std::int64_t tasks_failed = 0;                 // failed or given up
  std::map<std::string, std::int64_t> failures;  // of them, by cause: name_of(Cause)
  std::vector<std::string> remarks;              // what went wrong without ending the run
  double samples = 0;         // trained on, of the updates that came to their end
  double utilization = 0;     // sum of busy time over (workers x virtual time)
  double bytes_down = 0;      // from the server
  double bytes_up = 0;        // to the server
  double energy_j = 0;        // that all nodes drew, links included
  double staleness_mean = 0;  // of aggregated updates, versions
  std::int64_t staleness_max = 0;
  // Where the run learns:
  std::vector<Judgement> judgements;  // by time
  std::optional<double> accuracy;     // the last
  std::optional<double> accuracy_best;
  std::optional<double> time_to_accuracy_s;  // virtual, to the first that reaches the target
  // The smallest number of updates that held any parameter, over all aggregations; 0: some
  // parameter was in none of an aggregation's updates.
  std::optional<std::int64_t> coverage_min;
  std::optional<double> untrained;  // share of the parameters that no update has held
  int real_nodes = 0;
  std::optional<double> max_lag_s;  // of what real nodes did: delivered how late, at most
  std::string network;              // the model of the network, for people
  std::string store;                // path, or empty
  std::vector<NodeSummary> nodes;   // the first is the server
};

}  // namespace convoy::sim
