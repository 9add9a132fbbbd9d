#pragma once

// Results of a sweep as results.csv, as JSON and as text.

#include <string>

#include "analysis/sweep_results.hpp"
#include "sim/sweep/folder.hpp"

namespace convoy::cli {

// A row per finished point: its settings and its figures.
std::string sweep_csv(const analysis::SweepResults& results, const sim::SweepFolder& folder);

// One object; `status`: done, failed or stopped.
std::string sweep_json(const analysis::SweepResults& results, const sim::SweepFolder& folder,
                       const std::string& status);

// A row per group of points that differ in their seed only: mean, minimum and maximum.
std::string sweep_table(const analysis::SweepResults& results);

// Prints to stderr which points failed, with reasons.
void print_failures(const analysis::SweepResults& results);

// Prints to stderr the remarks of the points' runs, such as failed updates.
void print_remarks(const analysis::SweepResults& results, const sim::SweepFolder& folder);

}  // namespace convoy::cli
