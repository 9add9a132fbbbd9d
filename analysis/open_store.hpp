#pragma once

// Opens a store for reading. Internal to analysis.

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "sim/store/foreign_store.hpp"
#include "sim/store/store.hpp"

namespace convoy::analysis {

// Calls `read` with the store of a folder, as a snapshot of one moment. Throws sim::StoreError
// naming the file if SQLite fails: a foreign or damaged file.
template <class Read>
auto reading_file(const std::filesystem::path& file, Read read) {
  try {
    sim::ForeignStore store(file);
    return read(store);
  } catch (const SQLite::Exception& e) {
    throw sim::StoreError(
        fmt::format("{}: is no run store, or a damaged one ({})", file.string(), sim::what_of(e)));
  }
}
template <class Read>
auto reading(const std::filesystem::path& folder, Read read) {
  return reading_file(sim::existing_store(folder), std::move(read));
}

}  // namespace convoy::analysis
