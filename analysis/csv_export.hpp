#pragma once

// A run's store as CSV files, one a table, for whoever does not read SQLite.

#include <filesystem>
#include <vector>

namespace convoy::analysis {

// Writes run.csv, node.csv, task.csv, activity.csv, aggregation.csv, evaluation.csv, journal.csv,
// presence.csv, reading.csv and host.csv, the tables as sim/store/TABLES.md has them with units in
// the names of all columns; and what is reckoned from them: round.csv (critical paths, see
// rounds.hpp), idle.csv (intervals and causes, see idle.hpp), curve.csv (accuracy, bytes and energy
// over time). A table without rows is a heading. Gives the files. Throws sim::StoreError where
// there is no store to read, base::UserError where a file cannot be written.
std::vector<std::filesystem::path> export_csv(const std::filesystem::path& run,
                                              const std::filesystem::path& folder);

}  // namespace convoy::analysis
