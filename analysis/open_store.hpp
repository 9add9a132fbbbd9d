#pragma once

// A store opened for reading. Internal to analysis.

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>

#include <filesystem>

#include "sim/store/store.hpp"

namespace convoy::analysis {

// What `read` gives of the run in `folder`. Throws sim::StoreError, naming the folder, where SQLite
// cannot go on: a file that is none of its own, or a damaged one.
template <class Read>
auto reading(const std::filesystem::path& folder, Read read) {
  try {
    SQLite::Database database(sim::store_path(folder), SQLite::OPEN_READONLY);
    return read(database);
  } catch (const SQLite::Exception& e) {
    throw sim::StoreError(
        fmt::format("{}: cannot be read, or is damaged ({})", folder.string(), e.what()));
  }
}

}  // namespace convoy::analysis
