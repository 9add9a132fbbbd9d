#pragma once

// Opens a store for reading, also where the reader cannot write: in another user's folder or on a
// read-only mount.

#include <SQLiteCpp/SQLiteCpp.h>

#include <chrono>
#include <filesystem>

namespace convoy::sim {

// Begins a transaction, so that all reads see the same moment while the run goes on. `longest`: how
// long to wait for a writer's lock, which is held for moments when a run begins or ends. Throws
// SQLite::Exception if the file is no database or unreadable, StoreError if it has a log that
// cannot be read without writing beside it.
SQLite::Database open_for_reading(const std::filesystem::path& file,
                                  std::chrono::milliseconds longest);

}  // namespace convoy::sim
