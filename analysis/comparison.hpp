#pragma once

// Groups of runs that differ in their seed alone, held against one of them.
//
//   Comparison c = compare(cases_of(summaries), "runs/fedavg");
//   c.figures[0].groups[1].ratio;   // of the second group's mean to the baseline's
//
// Differences are taken between runs of the same seed (common random numbers: what a seed decides
// is alike in both), so that their mean says what the setting changes and not what the seeds do.

#include <optional>
#include <string>
#include <vector>

#include "analysis/figures.hpp"
#include "analysis/metrics.hpp"
#include "analysis/statistics.hpp"
#include "analysis/sweep_results.hpp"

namespace convoy::analysis {

// One run, and its group.
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
  std::optional<Level> level;  // the accuracy to which they are timed
};

// Of runs: those of the same scenario but for name and seed are a group; one that did not come to
// its end is a group of its own, since its figures are of a part. They are timed to the common
// level (metrics.hpp); the area under the accuracy is taken until the end of the shortest that came
// to its end. `target`: the level that is wanted.
Cases cases_of(const std::vector<RunSummary>& runs, std::optional<double> target = {});
// Of sweeps: the finished points; a group is called by its settings ("kind=cos2p, batch=16"), where
// there are several sweeps after its folder. What a sweep has no figure of is nothing there. They
// are timed to the level that is common to all of them.
Cases cases_of(std::vector<SweepResults> sweeps, std::optional<double> target = {});

struct GroupFigure {
  std::vector<std::optional<double>> values;  // of the group's runs
  std::optional<double> mean;                 // of those that have one
  std::optional<double> ratio;  // of the means, to the baseline's; not where that is 0
  // Runs of the same seed, this group minus the baseline; empty for the baseline, where no seed is
  // in both, and where a seed is in one of them twice.
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
  std::vector<ComparedGroup> groups;  // in the order of their first runs
  std::vector<ComparedFigure> figures;
  std::optional<Level> level;  // the accuracy to which they are timed
  std::size_t reached = 0;     // by how many of all runs
  std::size_t runs = 0;        // all of them
};

// `baseline`: a group's label, one of its runs, its schedule, or a part of its label that no other
// has; "": the first. Throws base::UserError where that names none, or several. At least one case.
Comparison compare(const Cases& cases, const std::string& baseline);

}  // namespace convoy::analysis
