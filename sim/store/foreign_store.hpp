#pragma once

// A store opened for reading that may come from anybody. Checks that its tables are real tables,
// not views, and that reading ends: no table may give more rows than its file can hold.

#include <SQLiteCpp/SQLiteCpp.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <utility>

#include "base/non_copyable.hpp"
#include "sim/store/store.hpp"

namespace convoy::sim {

class ForeignStore : base::NonCopyable {
 public:
  // Opens a snapshot of this moment (open_for_reading.hpp). Throws SQLite::Exception, or StoreError
  // if a table of the store is not a real table.
  explicit ForeignStore(const std::filesystem::path& file);

  [[nodiscard]] SQLite::Database& database() { return database_; }
  // The run in the snapshot. Throws StoreError if the store has another version.
  StoredRun run();

 private:
  static int count(void* self);

  std::filesystem::path file_;
  SQLite::Database database_;
  std::uint64_t steps_left_;  // of SQLite's virtual machine, in units of `unit`
  std::chrono::steady_clock::time_point end_;
};

// Throws StoreError if a table of the store is a view, a virtual table, or has generated columns.
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

// Checks of values read; each throws StoreError naming the file, the table and the value.
// Virtual seconds; -1 stands for "never" and for the start of a run.
void check_time(const std::filesystem::path& file, const char* table, double seconds);
// A sum over a run: finite, at least 0.
void check_amount(const std::filesystem::path& file, const char* table, double amount);
// Limits the length of a name in bytes, since pages and tables repeat names often.
void check_text(const std::filesystem::path& file, const char* table, std::size_t bytes);
// Checks that a number is in [`least`, `most`).
void check_number(const std::filesystem::path& file, const char* table, const char* column,
                  std::int64_t value, std::int64_t least, std::int64_t most);
// Limit for versions and for the staleness.
constexpr std::int64_t most_versions = 1'000'000'000'000'000;

}  // namespace convoy::sim
