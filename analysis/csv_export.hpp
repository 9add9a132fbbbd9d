#pragma once

// Exports a run's store as CSV files, one per table, for tools that do not read SQLite.

#include <filesystem>
#include <vector>

namespace convoy::analysis {

// Writes run.csv, node.csv, task.csv, activity.csv, aggregation.csv, evaluation.csv, journal.csv,
// presence.csv, reading.csv and host.csv, the tables of sim/store/TABLES.md with units in all
// column names; and derived tables: round.csv (critical paths, see rounds.hpp), idle.csv (intervals
// and causes, see idle.hpp), curve.csv (accuracy, bytes and energy over time). Empty tables have a
// heading only. Gives the files. Throws sim::StoreError if there is no readable store,
// base::UserError if a file cannot be written.
std::vector<std::filesystem::path> export_csv(const std::filesystem::path& run,
                                              const std::filesystem::path& folder);

}  // namespace convoy::analysis
