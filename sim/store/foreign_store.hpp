#pragma once

// A store opened for reading that anybody may have made. It has the tables of a store and no views
// in their place, and reading it ends: no table gives more than its file can hold.

#include <SQLiteCpp/SQLiteCpp.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <utility>

#include "sim/store/store.hpp"

namespace convoy::sim {

class ForeignStore {
 public:
  // As it is at this moment, for as long as it is open (open_for_reading.hpp). Throws
  // SQLite::Exception, and StoreError where what should be a table is none.
  explicit ForeignStore(const std::filesystem::path& file);
  ForeignStore(const ForeignStore&) = delete;
  ForeignStore& operator=(const ForeignStore&) = delete;

  [[nodiscard]] SQLite::Database& database() { return database_; }
  // Of that moment as well. Throws StoreError where it is none of this version.
  StoredRun run();

 private:
  static int count(void* self);

  std::filesystem::path file_;
  SQLite::Database database_;
  std::uint64_t steps_left_;  // of SQLite's own machine, in units of `unit`
  std::chrono::steady_clock::time_point end_;
};

// Throws StoreError where one of the store's tables is there as something else: a view, a virtual
// table, or with columns that are computed as they are read.
void check_tables(const std::filesystem::path& file, SQLite::Database& database);

// Throws StoreError: SQLite cannot go on with it, it is no run store or a damaged one.
[[noreturn]] void refuse_file(const std::filesystem::path& file, const SQLite::Exception& failure);

// What `read` gives of a store, or of the run in a folder: all of it is of one moment. Throws
// StoreError as refuse_file() does.
template <class Read>
auto read_store_file(const std::filesystem::path& file, Read read) {
  try {
    ForeignStore store(file);
    return read(store);
  } catch (const SQLite::Exception& e) {
    refuse_file(file, e);
  }
}
template <class Read>
auto read_store(const std::filesystem::path& folder, Read read) {
  return read_store_file(existing_store(folder), std::move(read));
}

// Checks of what was read; each throws StoreError naming the file, the table and the value.
// Virtual seconds; -1 stands for "never", and for how a run began.
void check_time(const std::filesystem::path& file, const char* table, double seconds);
// What was summed up over a run: finite, at least 0.
void check_amount(const std::filesystem::path& file, const char* table, double amount);
// The bytes of a name: pages and tables have it many times.
void check_text(const std::filesystem::path& file, const char* table, std::size_t bytes);
// `most`: the first that there is no more.
void check_number(const std::filesystem::path& file, const char* table, const char* column,
                  std::int64_t value, std::int64_t least, std::int64_t most);
// Versions, and the distance between two.
constexpr std::int64_t most_versions = 1'000'000'000'000'000;

}  // namespace convoy::sim
