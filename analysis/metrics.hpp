#pragma once

// The figures of a run, from its store alone. They agree with what `convoy run` prints.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/tables.hpp"

namespace convoy::analysis {

// How accuracy grew, and what the run had taken by then: the same quantities as those of the whole
// run (RunFigures), up to that time. Those of the last point are the run's where it ends with it.
struct CurvePoint {
  double time_s = 0;  // virtual
  std::int64_t version = 0;
  double accuracy = 0;  // 0 to 1, of the headline exit
  std::optional<double> loss;
  std::optional<double> bytes;     // down and up; nothing: the store does not say
  std::optional<double> energy_j;  // that the workers drew: computing, links, idle while present
  std::optional<double> energy_server_j;  // likewise the server
  double samples = 0;                     // trained on, of updates that came in
};
using Curve = std::vector<CurvePoint>;  // by time; empty where the run did not learn

Curve read_curve(const RunTables& run);

// The first evaluation that reaches an accuracy; null where none does.
const CurvePoint* first_at(const Curve& curve, double accuracy);
// What was reached by a time: the last evaluation not after it; nothing before the first.
std::optional<double> accuracy_at(const Curve& curve, double time_s);
// The mean accuracy over [0, until_s], in which each evaluation holds until the next and nothing
// (0) is reached before the first: the area under the curve as a share of what could be.
std::optional<double> accuracy_area(const Curve& curve, double until_s);

struct RunFigures {
  double virtual_time_s = 0;  // of what is recorded
  std::int64_t rounds = 0;    // aggregations
  std::int64_t tasks = 0;     // updates that came in
  std::int64_t tasks_aggregated = 0;
  std::int64_t tasks_failed = 0;
  double samples = 0;  // trained on, of those that came in
  double bytes_down = 0;
  double bytes_up = 0;
  double lost_s = 0;  // computing and transfers of tasks that failed or were given up
  std::optional<double> staleness_mean;  // versions, of aggregated updates
  std::optional<std::int64_t> staleness_max;
  std::optional<std::int64_t> coverage_min;
  std::optional<double> untrained;  // share of the parameters that no update has held
  // Of a run that is over:
  std::optional<double> utilization;  // sum of busy time over (workers x virtual time) (Co-S2P)
  std::optional<double> energy_j;     // that the workers drew: computing, links, idle while present
  std::optional<double> energy_server_j;    // likewise the server
  std::optional<double> peak_memory_bytes;  // of the worker that needed most
  // Of one that learns:
  std::optional<double> accuracy;  // last
  std::optional<double> accuracy_best;
  std::optional<double> accuracy_area;
};

RunFigures read_figures(const RunTables& run, const Curve& curve);

// Updates aggregated, by their staleness.
std::map<std::int64_t, std::int64_t> staleness_distribution(const RunTables& run);

// By node: seconds of computing and transfers that went into tasks that failed or were given up.
sim::ByNode<double> lost_time(const RunTables& run);

// Whether the scenario has the run learn (training.learn).
bool learns(const RunTables& run);

// An accuracy that is to be reached.
struct Level {
  double accuracy = 0;  // 0 to 1
  std::string from;     // for people: what says that it is this one
};
std::string percent(const Level& level);  // "80 %"

// The accuracy that the scenario aims at (evaluation.target, else stop.accuracy).
std::optional<Level> target_of(const RunTables& run);

// What is known of a run when an accuracy is to be found by which it is compared with others.
struct Aim {
  std::optional<Level> target;  // its scenario's
  std::optional<double> best;   // accuracy; nothing: it was never evaluated
};
// The accuracy to which runs are timed: the one that is wanted; else the target of their scenarios,
// where those that have one agree; else the highest, in whole percent, that each has reached, and
// none where some run was never evaluated.
std::optional<Level> common_level(std::optional<double> wanted, const std::vector<Aim>& runs);

// A run as those need it who compare.
struct RunSummary {
  std::string folder;
  sim::StoredRun run;
  RunFigures figures;
  Curve curve;
  std::optional<Level> target;  // its scenario's
};
RunSummary summary_of(const RunTables& run);
// Throws sim::StoreError where there is no store to read.
RunSummary read_summary(const std::filesystem::path& folder);

}  // namespace convoy::analysis
