#pragma once

// Compares groups of runs that differ only in their seeds with one of the groups, the baseline.
//
//   Comparison c = compare(cases_of(summaries), "runs/fedavg");
// c.metrics[0].groups[1].ratio;   // the second group's mean relative to the baseline's
//
// Differences are taken between runs of equal seeds (common random numbers): random effects then
// cancel, and the mean difference shows the effect of the setting.

#include <optional>
#include <string>
#include <vector>

#include "analysis/metric_list.hpp"
#include "analysis/metrics.hpp"
#include "analysis/statistics.hpp"
#include "analysis/sweep_results.hpp"

namespace convoy::analysis {

// A run and its group.
struct Case {
  std::string group;
  std::string run;
  std::string schedule;
  std::string seed;
  MetricValues values;
  Curve curve;
  std::string learned_as = {};  // in place of the model whose costs these are; empty: the model
};
struct Cases {
  std::vector<Metric> metrics;  // of which some case has a value
  std::vector<Case> all;
  std::vector<Level> levels;  // accuracies for time-to-accuracy metrics
};

// From runs: those with scenarios that differ only in name and seed form a group; an unfinished run
// is a group of its own, since its values are partial. Times to accuracy use the common levels
// (metrics.hpp); the area under the accuracy ends with the shortest finished run. `targets`:
// override the level.
Cases cases_of(const std::vector<RunSummary>& runs, const std::vector<double>& targets = {});
// From sweeps: all finished points. A group is named by its settings ("kind=cos2p, batch=16"), with
// several sweeps after its folder. Values that a sweep lacks are absent. Times to accuracy use the
// level common to all sweeps.
Cases cases_of(std::vector<SweepResults> sweeps, const std::vector<double>& targets = {});

// Renames the groups, in their order; several groups may get one name and become one group. Throws
// base::UserError if the number of names is another.
void name_groups(Cases& cases, const std::vector<std::string>& labels);

struct GroupValues {
  std::vector<std::optional<double>> values;  // of the group's runs
  std::optional<double> mean;                 // of the runs that have a value
  std::optional<double> ratio;  // of the means, to the baseline's; nothing if that is 0
  // Runs of equal seeds: this group minus the baseline. Empty for the baseline, without common
  // seeds, and if a group has a seed twice.
  std::vector<std::string> seeds;
  std::vector<double> differences;
  std::optional<Interval> paired;
};
struct ComparedMetric {
  Metric metric;
  std::vector<GroupValues> groups;
};
struct ComparedGroup {
  std::string label;
  std::vector<std::string> runs;
  std::vector<std::string> seeds;
  std::string learned_as = {};  // in place of the model, by some run; empty: the model
};
struct ReachedLevel {
  Level level;
  std::size_t runs = 0;  // number of runs that reach it
};
struct Comparison {
  std::size_t baseline = 0;
  std::vector<ComparedGroup> groups;  // by their first runs
  std::vector<ComparedMetric> metrics;
  std::vector<ReachedLevel> levels;  // accuracies for time-to-accuracy metrics
  std::size_t runs = 0;              // number of all runs
  std::vector<std::string> notes;    // sentences: what was learned in place of a model

  [[nodiscard]] bool has_several_seeds() const;  // true if some group has several runs
};

// `baseline`: a group's label, one of its runs, its schedule, or a unique part of its label; "":
// the first group. Throws base::UserError if no group or several match. At least one case.
Comparison compare(const Cases& cases, const std::string& baseline);

}  // namespace convoy::analysis
