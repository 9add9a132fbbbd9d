#pragma once

// A store opened for reading. Internal to analysis.

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "sim/store/open_for_reading.hpp"
#include "sim/store/store.hpp"

namespace convoy::analysis {

// What `read` gives of a store, or of the run in a folder. Throws sim::StoreError, naming the file,
// where SQLite cannot go on: a file that is none of its own, or a damaged one.
template <class Read>
auto reading_file(const std::filesystem::path& file, Read read) {
  try {
    constexpr int longest_ms = 5'000;  // that a writer may keep us waiting
    SQLite::Database database = sim::open_for_reading(file, longest_ms);
    return read(database);
  } catch (const SQLite::Exception& e) {
    throw sim::StoreError(
        fmt::format("{}: cannot be read, or is damaged ({})", file.string(), e.what()));
  }
}
template <class Read>
auto reading(const std::filesystem::path& folder, Read read) {
  return reading_file(sim::store_path(folder), std::move(read));
}

}  // namespace convoy::analysis
