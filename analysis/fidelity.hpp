#pragma once

// Errors of a simulation relative to measurements, by activity and over the whole run.
//
//   for (const Fidelity& f : read_fidelity({"runs/simulated", "runs/measured"})) {
//     for (const NodeErrors& e : f.nodes) use(e.node, e.label, e.errors.error);
//   }
//
// Pairs of two simulated or of two measured activities are never compared.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace convoy::analysis {

// Errors are relative to measured durations: 0.1 is 10 %. `error` is a mean over pairs, so that
// positive and negative errors do not cancel. `bias` compares the means: a mean of signed relative
// errors would give short durations more weight and could have the opposite sign.
struct DurationErrors {
  std::int64_t compared = 0;            // pairs of a simulated and a measured duration
  std::optional<double> simulated_s;    // mean over these pairs; nothing without pairs
  std::optional<double> measured_s;     // mean over these pairs
  std::optional<double> error;          // mean of |simulated - measured| / measured
  std::optional<double> bias;           // (simulated_s - measured_s) / measured_s, of the means;
                                        // above 0: simulated slower; nothing where measured_s is 0
  std::int64_t without_duration = 0;    // pairs with 0 s measured: not in the error
  std::int64_t unpaired_simulated = 0;  // successful, but without a partner
  std::int64_t unpaired_measured = 0;   // likewise; predictions: not predicted
  std::int64_t failed_simulated = 0;    // failed or unfinished: not compared
  std::int64_t failed_measured = 0;     // likewise
};

struct NodeErrors {
  std::string node;  // worker of a transfer; empty: all nodes
  std::string label;
  DurationErrors errors;
};

// The virtual end times of two runs.
struct EndError {
  double simulated_s = 0;
  double measured_s = 0;
  std::optional<double> error;  // (simulated - measured) / measured; nothing where measured is 0
};

struct Fidelity {
  std::string simulated;               // folder; empty: the measured run's own predictions
  std::string measured;                // folder
  std::vector<NodeErrors> nodes;       // by node's name, then label
  std::vector<NodeErrors> totals;      // by label, over all nodes
  std::optional<EndError> makespan;    // of the whole runs
  std::int64_t version = 0;            // last version that both runs made; 0: none
  std::optional<EndError> to_version;  // when this version was made
  std::vector<std::string> remarks;    // missing results and warnings, with reasons
};

// True if a node of the run is real (hil) or an activity was measured.
bool is_measured(const std::filesystem::path& folder);

// Compares activities simulated in one run with those measured in another. Nodes are paired by
// name; activities of a node with equal label and iteration are paired by start, the k-th with the
// k-th. A failed activity keeps its place in this order and its partner counts as unpaired, so that
// later pairs stay aligned. Parts that the measured run simulates (other nodes, modelled transfers)
// are left out.
Fidelity compare_with_measured(const std::filesystem::path& simulated,
                               const std::filesystem::path& measured);

// Compares each measured activity of a run with its prediction.
Fidelity compare_predictions(const std::filesystem::path& measured);

// For each measured run: compares it with every simulated run (of more than two runs only with
// those of the same scenario and schedule), or with its own predictions if no run is simulated.
// Empty if nothing is measured. All these functions throw sim::StoreError if there is no readable
// store.
std::vector<Fidelity> read_fidelity(const std::vector<std::filesystem::path>& folders);

}  // namespace convoy::analysis
