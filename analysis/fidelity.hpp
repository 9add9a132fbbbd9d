#pragma once

// How far a simulation is from what was measured: activity by activity, and over the whole run.
//
//   for (const Fidelity& f : read_fidelity({"runs/simulated", "runs/measured"})) {
//     for (const NodeErrors& e : f.nodes) use(e.node, e.label, e.errors.error);
//   }
//
// Two simulated activities are never held against each other, nor two measured ones.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace convoy::analysis {

// Errors are shares of measured durations: 0.1 is 10 %. The error is a mean over pairs, so that
// errors up and down do not cancel. The bias is of the means, so that its sign is theirs: a mean of
// relative errors would weigh a pair by how short its measured duration was, and could call slower
// what on the whole was predicted faster.
struct DurationErrors {
  std::int64_t compared = 0;            // pairs of a simulated and a measured duration
  std::optional<double> simulated_s;    // means over them; nothing where none is compared
  std::optional<double> measured_s;     // of the same pairs
  std::optional<double> error;          // mean of |simulated - measured| / measured
  std::optional<double> bias;           // (simulated_s - measured_s) / measured_s, of the means;
                                        // above 0: simulated slower; nothing where measured_s is 0
  std::int64_t without_duration = 0;    // of those compared: measured 0 s, so not in the error
  std::int64_t unpaired_simulated = 0;  // ended as they should, but with nothing to compare with
  std::int64_t unpaired_measured = 0;   // or, of predictions, not predicted
  std::int64_t failed_simulated = 0;    // failed or unfinished: not compared
  std::int64_t failed_measured = 0;     // likewise
};

struct NodeErrors {
  std::string node;  // the worker of a transfer; empty: all nodes
  std::string label;
  DurationErrors errors;
};

// Two ends in virtual time.
struct EndError {
  double simulated_s = 0;
  double measured_s = 0;
  std::optional<double> error;  // (simulated - measured) / measured; nothing where measured is 0
};

struct Fidelity {
  std::string simulated;               // folder; empty: each activity's own prediction
  std::string measured;                // folder
  std::vector<NodeErrors> nodes;       // by name of the node, then label
  std::vector<NodeErrors> totals;      // of all pairs with a label
  std::optional<EndError> makespan;    // of the whole runs
  std::int64_t version = 0;            // the last that both have made; 0: none
  std::optional<EndError> to_version;  // when it was made
  std::vector<std::string> remarks;    // why something is not there, or is to be taken with care
};

// A run with a node that is real (hil), or with activities that were measured.
bool is_measured(const std::filesystem::path& folder);

// Holds the activities simulated in one run against those measured in another. Nodes are paired by
// name, activities of a node with the same label and iteration by the order of their start: the
// k-th with the k-th. One that failed keeps its place in that order, so that what comes after it is
// still held against its like; its partner counts as unpaired. What the measured run simulates as
// well (another node, a modelled transfer) is left out.
Fidelity compare_with_measured(const std::filesystem::path& simulated,
                               const std::filesystem::path& measured);

// Holds each measured activity of a run against what was predicted of the same.
Fidelity compare_predictions(const std::filesystem::path& measured);

// For each measured run: held against every simulated one, if there are more than two runs only
// against those of the same scenario and schedule; by its own predictions where there is no
// simulated one. Empty where nothing is measured. All of these throw sim::StoreError where there
// is no store to read.
std::vector<Fidelity> read_fidelity(const std::vector<std::filesystem::path>& folders);

}  // namespace convoy::analysis
