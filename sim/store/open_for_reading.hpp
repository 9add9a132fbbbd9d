#pragma once

// A store opened by those who only read it, also where they may not write: another user's folder, a
// mount that is read-only.

#include <SQLiteCpp/SQLiteCpp.h>

#include <chrono>
#include <filesystem>

namespace convoy::sim {

// With a transaction, so that all that is read is of one moment, however the run goes on meanwhile.
// `longest`: that those who write it may keep us waiting; they are in the way for moments, while a
// run begins or ends. Throws SQLite::Exception where the file is no
// database or cannot be read, StoreError where it has a log that cannot be read without writing
// beside it.
SQLite::Database open_for_reading(const std::filesystem::path& file,
                                  std::chrono::milliseconds longest);

}  // namespace convoy::sim
