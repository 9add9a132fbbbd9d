#pragma once

// A store opened by those who only read it, also where they may not write: another user's folder, a
// mount that is read-only.

#include <SQLiteCpp/SQLiteCpp.h>

#include <filesystem>

namespace convoy::sim {

// `busy_ms`: how long a writer may keep us waiting. Throws SQLite::Exception where the file is no
// database or cannot be read, StoreError where it has a log that cannot be read without writing
// beside it.
SQLite::Database open_for_reading(const std::filesystem::path& file, int busy_ms = 0);

}  // namespace convoy::sim
