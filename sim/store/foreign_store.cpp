#include "sim/store/foreign_store.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/text.hpp"
#include "sim/store/open_for_reading.hpp"
#include "sim/store/reading.hpp"

namespace convoy::sim {
namespace {

constexpr std::array tables = {"run",        "node_group", "task",     "activity", "aggregation",
                               "evaluation", "journal",    "presence", "reading",  "trace",
                               "traffic",    "memory",     "host"};

constexpr std::chrono::milliseconds writers_may_take(5'000);

constexpr int unit = 1000;  // steps between two checks
// SQLite needs less than a step per byte of a row; rows are read a few times.
constexpr std::uint64_t steps_each_byte = 8;
constexpr std::uint64_t steps_in_any_case = 10'000'000;  // a second on a slow machine
constexpr double bytes_each_second = 1 << 20;
constexpr double seconds_in_any_case = 60;
constexpr std::uint64_t shortest_text_limit = 1 << 20;

constexpr std::size_t longest_name = 4096;  // bytes

constexpr double latest_s = 9e12;  // limit: microseconds must fit into 64 bits

std::uint64_t size_of(const std::filesystem::path& file) {
  std::uint64_t bytes = 0;
  for (const char* part : {"", "-wal"}) {
    std::error_code failure;
    const auto size = std::filesystem::file_size(file.string() + part, failure);
    if (!failure) bytes += size;
  }
  return bytes;
}

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& what) {
  throw StoreError(fmt::format("{}: is damaged, or no run store: {}", file.string(), what));
}

}  // namespace

ForeignStore::ForeignStore(const std::filesystem::path& file)
    : file_(file), database_(open_for_reading(file, writers_may_take)) {
  const std::uint64_t bytes = size_of(file);
  steps_left_ = (steps_in_any_case + steps_each_byte * bytes) / unit;
  const double seconds = seconds_in_any_case + static_cast<double>(bytes) / bytes_each_second;
  end_ = std::chrono::steady_clock::now() +
         std::chrono::duration_cast<std::chrono::steady_clock::duration>(
             std::chrono::duration<double>(seconds));
  sqlite3* handle = database_.getHandle();
  // No value is longer than the file that it is in.
  sqlite3_limit(handle, SQLITE_LIMIT_LENGTH,
                static_cast<int>(std::min<std::uint64_t>(std::max(bytes, shortest_text_limit),
                                                         std::numeric_limits<int>::max())));
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_progress_handler(handle, unit, count, this);
  database_.exec("PRAGMA cell_size_check = 1");
  check_tables(file, database_);
}

StoredRun ForeignStore::run() {
  check_store(file_, database_);
  StoredRun run = read_run(database_);
  check_text(file_, "run", std::max(run.run.name.size(), run.run.schedule.size()));
  return run;
}

int ForeignStore::count(void* self) {
  auto& store = *static_cast<ForeignStore*>(self);
  if (store.steps_left_ == 0) return 1;
  --store.steps_left_;
  return std::chrono::steady_clock::now() > store.end_ ? 1 : 0;
}

void check_tables(const std::filesystem::path& file, SQLite::Database& database) {
  for (const char* table : tables) {
    SQLite::Statement known(database, "SELECT type, rootpage FROM sqlite_master WHERE name = ?");
    known.bind(1, table);
    while (known.executeStep()) {
      if (known.getColumn(0).getString() != "table" || known.getColumn(1).getInt64() <= 0) {
        fail(file, fmt::format("its \"{}\" is no table", table));
      }
    }
    SQLite::Statement columns(database, "SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 0");
    columns.bind(1, table);
    if (columns.executeStep()) {
      fail(file, fmt::format("column \"{}\" of its table \"{}\" is computed, not written down",
                             base::printable(columns.getColumn(0).getString()), table));
    }
  }
}

void refuse_file(const std::filesystem::path& file, const SQLite::Exception& failure) {
  throw StoreError(fmt::format("{}: is no run store, or a damaged one ({})", file.string(),
                               failure.getErrorCode() == SQLITE_INTERRUPT
                                   ? "reading it takes longer than a store of its size can"
                                   : base::printable(failure.what())));
}

void check_time(const std::filesystem::path& file, const char* table, double seconds) {
  if (seconds >= -1 && seconds <= latest_s) return;
  fail(file, fmt::format("its table \"{}\" speaks of the time {} s", table, seconds));
}

void check_amount(const std::filesystem::path& file, const char* table, double amount) {
  if (std::isfinite(amount) && amount >= 0) return;
  fail(file, fmt::format("its table \"{}\" has a sum of {}", table, amount));
}

void check_text(const std::filesystem::path& file, const char* table, std::size_t bytes) {
  if (bytes <= longest_name) return;
  fail(file, fmt::format("its table \"{}\" has a name of {} bytes", table, bytes));
}

void check_number(const std::filesystem::path& file, const char* table, const char* column,
                  std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value >= least && value < most) return;
  fail(file, fmt::format("its table \"{}\" has the {} {}, {} to {} were expected", table, column,
                         value, least, most - 1));
}

}  // namespace convoy::sim
