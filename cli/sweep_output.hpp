#pragma once

// What a sweep came to, as results.csv, as JSON and for people.

#include <string>

#include "analysis/sweep_results.hpp"
#include "sim/sweep/folder.hpp"

namespace convoy::cli {

// A row for each finished point: its settings and its figures.
std::string sweep_csv(const analysis::SweepResults& results, const sim::SweepFolder& folder);

// One object; `status`: done, failed or stopped.
std::string sweep_json(const analysis::SweepResults& results, const sim::SweepFolder& folder,
                       const std::string& status);

// A row for all points that differ in their seed alone: the mean, and how far they lie apart.
std::string sweep_table(const analysis::SweepResults& results);

// To stderr: which points failed, and why.
void print_failures(const analysis::SweepResults& results);

// To stderr: what the runs of the points said of themselves, such as updates that failed.
void print_remarks(const analysis::SweepResults& results, const sim::SweepFolder& folder);

}  // namespace convoy::cli
