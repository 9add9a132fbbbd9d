#pragma once

// A store's file as those who write it handle it: opened beside whoever reads it, and put in the
// place of another so that one of the two is always there. Internal to sim/store.

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "base/folder_lock.hpp"
#include "sim/store/store.hpp"

namespace convoy::sim {

// For as long as a process writes to the run's folder. Throws StoreError where another one does, or
// nobody may.
base::FolderLock lock_for_writing(const std::filesystem::path& folder);

// Where a run is put down that begins, until it has all that readers ask of it.
std::filesystem::path draft_of(const std::filesystem::path& store);
// Where a resumed run is written until it has come as far as the one before it.
std::filesystem::path beside(const std::filesystem::path& store);

// With its log.
void remove_database(const std::filesystem::path& path);

constexpr int readers_may_take_ms = 30'000;
constexpr std::chrono::milliseconds readers_may_take(readers_may_take_ms);

// Waits for those who read it: they hold the lock for moments, while a log is begun or taken up.
// `more`: flags of SQLite, such as OPEN_CREATE.
SQLite::Database open_for_writing(const std::filesystem::path& path, int more = 0);

// Does what SQLite may refuse at once while somebody is reading, without waiting, until `action`
// gives true. False where they stay for longer than that.
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

// All of it into the file itself; waits for those who are reading. False where somebody keeps on:
// what is left in the log belongs to the file, and must neither be lost with it nor come over
// another.
bool empty_the_log(SQLite::Database& database, int longest_ms);

// A file that will not be written any more needs no log: it can be read where nobody may write. If
// readers stay, the store stays as it is, which is as good but for that.
void leave_wal(SQLite::Database& database);

// `from`, whose log is empty, becomes `to`, at once: one of them is always there. What stands at
// `to` goes; who opens it just before must neither read it without its log nor begin one in its
// name. `durable`: also after a power cut.
void take_place(const std::filesystem::path& from, const std::filesystem::path& to, bool durable);

// Throws StoreError: somebody keeps on reading.
[[noreturn]] void fail_for_readers(const std::filesystem::path& store);

// A database that was opened, but killed before its first transaction.
bool is_blank(SQLite::Database& database);
// The same of a file; false where it is something else.
bool is_blank_file(const std::filesystem::path& path);

}  // namespace convoy::sim
