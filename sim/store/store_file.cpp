#include "sim/store/store_file.hpp"

#include <fmt/format.h>

#include "base/files.hpp"

namespace convoy::sim {

base::FolderLock lock_for_writing(const std::filesystem::path& folder) {
  try {
    return base::FolderLock(folder, "run.lock");
  } catch (const base::FolderTaken&) {
    throw StoreError(
        fmt::format("{}: another convoy is writing there; wait for it, or choose another folder "
                    "with -o",
                    folder.string()));
  } catch (const base::UserError&) {
    throw StoreError(
        fmt::format("{}: cannot be written to; choose another folder with -o", folder.string()));
  }
}

std::filesystem::path draft_of(const std::filesystem::path& store) {
  return store.string() + ".begun";
}

std::filesystem::path beside(const std::filesystem::path& store) { return store.string() + ".new"; }

static void remove_log(const std::filesystem::path& path) {
  for (const char* suffix : {"-wal", "-shm", "-journal"})
    std::filesystem::remove(path.string() + suffix);
}

void remove_database(const std::filesystem::path& path) {
  remove_log(path);
  std::filesystem::remove(path);
}

SQLite::Database open_for_writing(const std::filesystem::path& path, int more) {
  // One thread at a time uses it (RowWriter): it needs no lock at each call.
  return {path.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX | more, readers_may_take_ms};
}

bool empty_the_log(SQLite::Database& database, int longest_ms) {
  database.setBusyTimeout(longest_ms);
  return between_readers(std::chrono::milliseconds(longest_ms), [&] {
    return database.execAndGet("PRAGMA wal_checkpoint(TRUNCATE)").getInt() == 0;
  });
}

void leave_wal(SQLite::Database& database) {
  constexpr std::chrono::milliseconds longest(500);
  database.setBusyTimeout(0);
  try {
    between_readers(longest, [&] {
      return database.execAndGet("PRAGMA journal_mode = DELETE").getString() != "wal";
    });
  } catch (const SQLite::Exception&) {  // the file already has everything
  }
}

void take_place(const std::filesystem::path& from, const std::filesystem::path& to, bool durable) {
  if (std::filesystem::exists(to)) {
    try {
      constexpr int longest_ms = 500;
      SQLite::Database old = open_for_writing(to);
      empty_the_log(old, longest_ms);
      leave_wal(old);
    } catch (const SQLite::Exception&) {  // no database, or damaged: has no readers
    }
  }
  remove_log(to);
  std::filesystem::rename(from, to);
  remove_log(from);
  if (durable) base::sync_folder(to.parent_path());
}

void fail_for_readers(const std::filesystem::path& store) {
  throw StoreError(
      fmt::format("{}: somebody keeps on reading it, so no other run can take its "
                  "place; end that (a report, sqlite3) and run `convoy run --resume`",
                  store.string()));
}

bool is_blank(SQLite::Database& database) {
  return database.execAndGet("SELECT COUNT(*) FROM sqlite_master").getInt() == 0 &&
         database.execAndGet("PRAGMA user_version").getInt() == 0;
}

// Opens for writing: after a power cut the first transaction may need a rollback.
bool is_blank_file(const std::filesystem::path& path) {
  try {
    bool blank = false;
    return between_readers(readers_may_take,
                           [&] {
                             SQLite::Database database = open_for_writing(path);
                             blank = is_blank(database);
                             return true;
                           }) &&
           blank;
  } catch (const SQLite::Exception&) {
    return false;  // another file type: reported by others
  }
}

}  // namespace convoy::sim
