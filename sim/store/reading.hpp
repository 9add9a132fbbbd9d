#pragma once

// Checks of an existing store. Internal to sim/store.

#include <SQLiteCpp/SQLiteCpp.h>

#include <filesystem>
#include <vector>

#include "sim/store/store.hpp"

namespace convoy::sim {

// Throws StoreError where the file is no run store of this version.
void check_store(const std::filesystem::path& path, SQLite::Database& database);

StoredRun read_run(SQLite::Database& database);

std::vector<JournalRow> read_journal(SQLite::Database& database);

}  // namespace convoy::sim
