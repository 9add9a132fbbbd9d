#pragma once

// File operations for the writers of a store: opening it while others read, and replacing it so
// that a store always exists. Internal to sim/store.

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "base/folder_lock.hpp"
#include "sim/store/store.hpp"

namespace convoy::sim {

// The lock that a writer holds on the run's folder. Throws StoreError if another process has it or
// the folder is not writable.
base::FolderLock lock_for_writing(const std::filesystem::path& folder);

// File of a new run until it has all that readers need.
std::filesystem::path draft_of(const std::filesystem::path& store);
// File of a resumed run until it has come as far as the old one.
std::filesystem::path beside(const std::filesystem::path& store);

// Removes a database and its log.
void remove_database(const std::filesystem::path& path);

constexpr int readers_may_take_ms = 30'000;
constexpr std::chrono::milliseconds readers_may_take(readers_may_take_ms);

// Waits for readers, who hold the lock only for moments while a log is begun or recovered. `more`:
// SQLite flags, such as OPEN_CREATE.
SQLite::Database open_for_writing(const std::filesystem::path& path, int more = 0);

// Repeats `action`, which SQLite refuses while somebody reads, until it gives true. False if
// readers stay longer than the limit.
template <class Action>
bool between_readers(std::chrono::milliseconds longest, Action action) {
  constexpr std::chrono::milliseconds pause(25);
  const auto end = std::chrono::steady_clock::now() + longest;
  while (true) {
    try {
      if (action()) return true;
    } catch (const SQLite::Exception& e) {
      if (e.getErrorCode() != SQLITE_BUSY && e.getErrorCode() != SQLITE_LOCKED) throw;
    }
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(pause);
  }
}

// Moves the whole log into the database file; waits for readers. False if readers stay: the rest of
// the log still belongs to the file and must be neither lost nor applied to another file.
bool empty_the_log(SQLite::Database& database, int longest_ms);

// Ends WAL mode of a finished store, so that it can be read on read-only media. If readers stay,
// the store keeps its log, which only costs that advantage.
void leave_wal(SQLite::Database& database);

// Replaces `to` by `from` atomically; `from` must have an empty log. The old file is removed
// safely: a reader that has just opened it must not read it without its log nor start a log under
// its name. `durable`: also safe after a power cut.
void take_place(const std::filesystem::path& from, const std::filesystem::path& to, bool durable);

// Throws StoreError: readers do not end.
[[noreturn]] void fail_for_readers(const std::filesystem::path& store);

// True for a database that was created but has no committed transaction.
bool is_blank(SQLite::Database& database);
// The same for a file; false if the file is something else.
bool is_blank_file(const std::filesystem::path& path);

}  // namespace convoy::sim
