#pragma once

// Who wins where: one axis of a sweep is the contest (which schedule?), all other axes make cells.
// In each cell the contestant with the best mean over the seeds wins.
//
//   std::vector<SweepResults> sweeps = {read_sweep(folder)};
//   const WinnersMap map = winners_of(sweeps, {});
//   map.cells[0].verdicts[0].winner;   // index of map.contestants, by map.metrics[0]
//
// A point has no value of a metric if it is not done, if it never reaches the metric's accuracy, or
// if no node update came to its end (such a run costs little, and is no winner).

#include <optional>
#include <string>
#include <vector>

#include "analysis/metric_list.hpp"
#include "analysis/statistics.hpp"
#include "analysis/sweep_results.hpp"

namespace convoy::analysis {

struct WinnersChoice {
  // The contest: keys of the axes, whole or their last parts. None: schedule.kind if it has several
  // values, else the only axis that has several.
  std::vector<std::string> contest;
  // Names as for metric_list.hpp's chosen(). None: time and energy to the accuracies; without any
  // accuracy the energy and the virtual time.
  std::vector<std::string> metrics;
};

struct Contestant {
  std::string label;                  // "fedavg"; of several keys "kind=fedavg, batch=8"
  std::vector<std::string> settings;  // values of WinnersMap::contest
};

// The points of a contestant in a cell, one for each seed.
struct Entrant {
  std::size_t points = 0;  // 0: the sweep has none here
  std::size_t done = 0;
  std::size_t failed = 0;
  std::size_t fruitless = 0;    // done, but no node update came to its end
  std::size_t mostly_lost = 0;  // done, but more node updates failed than came to their end
  std::string cause;            // of the first failure
  FailureCounts failures;       // of the updates of fruitless and mostly lost points
};

enum class Decision {
  none,   // nobody wins: Verdict::why
  tie,    // the best are equal, apart from rounding: Verdict::why
  alone,  // no other contestant has a value
  reach,  // the winner has values of more of its seeds than any other
  mean    // both have values of all seeds; the winner's mean is better
};
inline constexpr base::Words<Decision> decision_words = {{Decision::none, "none"},
                                                         {Decision::tie, "tie"},
                                                         {Decision::alone, "alone"},
                                                         {Decision::reach, "reach"},
                                                         {Decision::mean, "mean"}};

struct Standing {
  std::size_t values = 0;      // points that have a value
  std::optional<double> mean;  // of these
};

// A metric in a cell. What follows `runner_up` is known for Decision::mean only.
struct Verdict {
  Decision decision = Decision::none;
  std::string why;                       // nobody wins
  std::optional<std::size_t> winner;     // index of the contestants
  std::optional<std::size_t> runner_up;  // also for Decision::reach
  std::optional<double> ratio;       // of the means, at least 1; not for shares, nor if one is 0
  std::optional<double> difference;  // winner - runner-up, of the means
  std::size_t pairs = 0;             // seeds that both have
  std::optional<Interval> paired;    // winner - runner-up at equal seeds
  std::optional<bool> clear;         // the 95 % interval excludes 0; nothing: no interval
  std::vector<Standing> standings;   // by contestant
};

struct Cell {
  std::vector<std::string> settings;  // values of WinnersMap::keys
  std::vector<Entrant> entrants;      // by contestant
  std::vector<Verdict> verdicts;      // by metric
};

struct WinnersMap {
  std::vector<std::string> contest;  // keys
  std::vector<std::string> along;    // further keys whose values follow from the contestant
  // Of the cells; "sweep" first if there are several sweeps. Of keys that always change together
  // (zip) the first.
  std::vector<std::string> keys;
  std::vector<Contestant> contestants;  // by their first points
  std::vector<Metric> metrics;
  std::vector<Cell> cells;         // by their first points
  std::vector<std::string> notes;  // sentences: what was learned in place of a model
};

// At least one sweep; all with the levels of set_levels(). The cells of several sweeps are
// separate. Throws base::UserError if the sweeps have different axes, an axis of the contest is
// unknown or has one value, or a metric is unknown or neither better when less nor when more.
WinnersMap winners_of(const std::vector<SweepResults>& sweeps, const WinnersChoice& choice);

// The axes over which a contest is possible: those with several values, without the seed;
// schedule.kind first.
std::vector<std::string> contest_axes(const SweepResults& sweep);

// "fleet.link" -> "link": the keys of the cells, as short as tells them from all others of the map.
std::vector<std::string> short_names(const WinnersMap& map);
// "nano=1, link=lte"; "all points" if there is one cell.
std::string label_of(const WinnersMap& map, const Cell& cell);
// "1.42x less", "2.1 points more"; "" if there is no lead, or it is not known.
std::string lead_text(const Metric& metric, const Verdict& verdict);
// How sure the winner is: "clear", "within the seeds' spread", "one seed", "alone: 3 of 5 seeds
// reach it" ...; why nobody wins.
std::string mark_text(const WinnersMap& map, const Cell& cell, std::size_t metric);
// What went wrong: "2 of 5 points failed: out of memory"; "" if nothing did.
std::string trouble_text(const Entrant& entrant);

}  // namespace convoy::analysis
