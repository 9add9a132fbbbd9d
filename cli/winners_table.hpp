#pragma once

// Text forms of a map of winners.

#include <string>

#include "analysis/winners.hpp"

namespace convoy::cli {

// For the terminal: a row per cell; per metric the winner, its lead over the runner-up and whether
// the lead exceeds the seeds' spread. Below: points that failed, were lost or are missing.
std::string winners_text(const analysis::WinnersMap& map);

// CSV, a row per cell and metric, numbers in the metric's unit. Columns: a key of the cells each;
// then
//   metric, unit, target  the metric's key, its unit, and the accuracy to be reached or ""
//   decision              mean, reach, alone, tie or none (analysis/winners.hpp)
//   winner, runner_up     labels of the contestants, or ""
//   winner_mean, runner_up_mean   over the seeds that have a value
//   ratio                 of the means, at least 1; "" for shares
//   difference            winner - runner-up, of the means
//   pairs, difference_low, difference_high, method   95 % interval at equal seeds
//   clear                 1: the interval excludes 0; 0: it does not; "": there is none
//   why                   nobody wins
//   standings             of each contestant LABEL:MEAN:VALUES/POINTS, joined by "; "
//   troubles              LABEL: what went wrong, joined by "; "
//   notes                 what was learned in place of a model, joined by "; "
std::string winners_csv(const analysis::WinnersMap& map);

}  // namespace convoy::cli
