#pragma once

// The figures of a run, computed from its store. They agree with those of `convoy run`.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/tables.hpp"

namespace convoy::analysis {

// A point of the accuracy curve with the costs so far, defined like those of the whole run
// (RunFigures). The last point has the run's totals if the run ends with it.
struct CurvePoint {
  double time_s = 0;  // virtual
  std::int64_t version = 0;
  double accuracy = 0;  // 0 to 1, of the headline exit
  std::optional<double> loss;
  std::optional<double> bytes;     // down and up; nothing: not in the store
  std::optional<double> energy_j;  // drawn by the workers: computing, links, idle while present
  std::optional<double> energy_server_j;  // drawn by the server
  double samples = 0;                     // trained on, of successful updates
  std::optional<double> updates;          // of nodes, that came to their end; nothing: not recorded
};
using Curve = std::vector<CurvePoint>;  // by time; empty for runs without learning

Curve read_curve(const RunTables& run);

// The first evaluation that reaches an accuracy; null if there is none.
const CurvePoint* first_at(const Curve& curve, double accuracy);
// Accuracy of the last evaluation up to a time; nothing before the first.
std::optional<double> accuracy_at(const Curve& curve, double time_s);
// Mean accuracy over [0, until_s]; each evaluation holds until the next, before the first it is 0:
// the area under the curve, relative to the maximum.
std::optional<double> accuracy_area(const Curve& curve, double until_s);

struct RunFigures {
  double virtual_time_s = 0;  // length of the record
  std::int64_t rounds = 0;    // aggregations
  std::int64_t tasks = 0;     // updates that came to their end
  std::int64_t tasks_aggregated = 0;
  std::int64_t tasks_dropped = 0;  // came to their end, and are in no version
  std::int64_t tasks_failed = 0;   // before their end
  double samples = 0;              // trained on, of updates that came to their end
  double bytes_down = 0;
  double bytes_up = 0;
  double lost_s = 0;  // computing and transfers of tasks that failed, were cancelled or dropped
  std::optional<double> staleness_mean;  // in versions, of aggregated updates
  std::optional<std::int64_t> staleness_max;
  std::optional<std::int64_t> coverage_min;
  std::optional<double> untrained;  // share of the parameters that no update has held
  // For finished runs:
  std::optional<double> utilization;  // sum of busy time over (workers x virtual time) (Co-S2P)
  std::optional<double> energy_j;     // drawn by the workers: computing, links, idle while present
  std::optional<double> energy_server_j;    // drawn by the server
  std::optional<double> peak_memory_bytes;  // of the worker with the highest peak
  // For learning runs:
  std::optional<double> accuracy;  // last one
  std::optional<double> accuracy_best;
  std::optional<double> accuracy_area;
};

RunFigures read_figures(const RunTables& run, const Curve& curve);

// Number of aggregated updates by staleness.
std::map<std::int64_t, std::int64_t> staleness_distribution(const RunTables& run);

// By node: seconds of computing and transfers that went into tasks that failed, were given up or
// were dropped when they had come.
sim::ByNode<double> lost_time(const RunTables& run);

// A text among the scenario's settings, such as model.architecture; "" if it is not set.
std::string setting_text(const RunTables& run, const char* table, const char* key);

// What was learned in place of the model (training.learn_as); nothing: the model.
std::optional<std::string> learned_as(const RunTables& run);

// A sentence for each architecture that some runs learned in place of their model. `learned_as`: by
// run; empty: the model.
std::vector<std::string> notes_on_learning(const std::vector<std::string>& learned_as);

// True if training.learn is set in the scenario.
bool learns(const RunTables& run);

// An accuracy to be reached.
struct Level {
  double accuracy = 0;  // 0 to 1
  std::string from;     // source of the accuracy, for people
};
std::string percent(const Level& level);  // "80 %"

// The scenario's target accuracy (evaluation.target, else stop.accuracy).
std::optional<Level> target_of(const RunTables& run);

// Facts about a run, used to choose a common target accuracy.
struct Aim {
  std::optional<Level> target;  // of the scenario
  std::optional<double> best;   // best accuracy; nothing: never evaluated
};
// The accuracies for time-to-accuracy metrics, ascending: those `wanted`; else one, namely the
// scenarios' target if all those given agree, or the highest whole percentage reached by every run.
// None if some run was never evaluated.
std::vector<Level> common_levels(std::vector<double> wanted, const std::vector<Aim>& runs);

// A run's figures, as needed for comparisons.
struct RunSummary {
  std::string folder;
  std::string label;  // for people: of a sweep's point its settings; else the folder
  sim::StoredRun run;
  RunFigures figures;
  Curve curve;
  std::optional<Level> target;  // of the scenario
  std::string learned_as;       // in place of the model (training.learn_as); empty: the model
};
RunSummary summary_of(const RunTables& run);
// "mix: kind=fedavg, seed=2" for FOLDER/points/HASH of a sweep; else the folder.
std::string label_of_run(const std::string& folder);
// Throws sim::StoreError if there is no readable store.
RunSummary read_summary(const std::filesystem::path& folder);

}  // namespace convoy::analysis
