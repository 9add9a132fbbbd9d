#pragma once

// A store opened for reading. Internal to analysis.

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "sim/store/foreign_store.hpp"
#include "sim/store/store.hpp"

namespace convoy::analysis {

// What `read` gives of a store, or of the run in a folder: all of it is of one moment. Throws
// sim::StoreError, naming the file, where SQLite cannot go on: a file that is none of its own, or a
// damaged one.
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
