#pragma once

// Compares groups of runs that differ only in their seeds with one of the groups, the baseline.
//
//   Comparison c = compare(cases_of(summaries), "runs/fedavg");
// c.figures[0].groups[1].ratio;   // the second group's mean relative to the baseline's
//
// Differences are taken between runs of equal seeds (common random numbers): random effects then
// cancel, and the mean difference shows the effect of the setting.

#include <optional>
#include <string>
#include <vector>

#include "analysis/figures.hpp"
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
  std::vector<std::optional<double>> values;  // of Cases::figures
};
struct Cases {
  std::vector<FigureName> figures;
  std::vector<Case> all;
  std::optional<Level> level;  // accuracy for time-to-accuracy figures
};

// From runs: those with scenarios that differ only in name and seed form a group; an unfinished run
// is a group of its own, since its figures are partial. Times to accuracy use the common level
// (metrics.hpp); the area under the accuracy ends with the shortest finished run. `target`:
// overrides the level.
Cases cases_of(const std::vector<RunSummary>& runs, std::optional<double> target = {});
// From sweeps: all finished points. A group is named by its settings ("kind=cos2p, batch=16"), with
// several sweeps after its folder. Figures that a sweep lacks are empty. Times to accuracy use the
// level common to all sweeps.
Cases cases_of(std::vector<SweepResults> sweeps, std::optional<double> target = {});

struct GroupFigure {
  std::vector<std::optional<double>> values;  // of the group's runs
  std::optional<double> mean;                 // of the runs that have a value
  std::optional<double> ratio;  // of the means, to the baseline's; nothing if that is 0
  // Runs of equal seeds: this group minus the baseline. Empty for the baseline, without common
  // seeds, and if a group has a seed twice.
  std::vector<std::string> seeds;
  std::vector<double> differences;
  std::optional<Interval> paired;
};
struct ComparedFigure {
  FigureName name;
  std::vector<GroupFigure> groups;
};
struct ComparedGroup {
  std::string label;
  std::vector<std::string> runs;
  std::vector<std::string> seeds;
};
struct Comparison {
  std::size_t baseline = 0;
  std::vector<ComparedGroup> groups;  // by their first runs
  std::vector<ComparedFigure> figures;
  std::optional<Level> level;  // accuracy for time-to-accuracy figures
  std::size_t reached = 0;     // number of runs that reach it
  std::size_t runs = 0;        // number of all runs
};

// `baseline`: a group's label, one of its runs, its schedule, or a unique part of its label; "":
// the first group. Throws base::UserError if no group or several match. At least one case.
Comparison compare(const Cases& cases, const std::string& baseline);

}  // namespace convoy::analysis
