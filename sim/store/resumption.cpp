#include "sim/store/resumption.hpp"

#include <fmt/format.h>

#include "sim/store/reading.hpp"
#include "sim/store/store_file.hpp"

namespace convoy::sim {
namespace {

// Number of journal entries in the store of that scenario; -1 if there is none.
std::int64_t journal_entries(const std::filesystem::path& path, const std::string& hash,
                             const std::string& course) {
  if (!std::filesystem::exists(path)) return -1;
  bool seen = false;
  bool empty = true;
  std::int64_t entries = -1;
  try {
    seen = between_readers(readers_may_take, [&] {
      SQLite::Database database = open_for_writing(path);
      if (is_blank(database)) return true;
      check_store(path, database);
      if (!is_same_course(read_run(database).run, hash, course)) return true;
      empty = empty_the_log(database, readers_may_take_ms);
      entries = database.execAndGet("SELECT COUNT(*) FROM journal").getInt64();
      return true;
    });
  } catch (const std::exception&) {
    return -1;
  }
  // A store that cannot be read now must not be taken for an empty one.
  if (!seen || !empty) fail_for_readers(path);
  return entries;
}

void check_same(const std::filesystem::path& store, const RunRow& stored, const RunRow& run) {
  const std::string folder = store.parent_path().string();
  if (!is_same_course(stored, run.scenario_hash, run.course)) {
    throw StoreError(fmt::format(
        "{}: holds the run of another scenario ({}, or the same with other settings); resume "
        "with the same file and --set (only [stop] may be another), or choose another folder "
        "with -o",
        folder, stored.name));
  }
  if (stored.version != run.version) {
    throw StoreError(
        fmt::format("{}: was begun by Convoy {}, this is {}; resume with the same, "
                    "or --overwrite",
                    folder, stored.version, run.version));
  }
}

}  // namespace

// Events after the old run's end exist only in the resumption.
void settle(const std::filesystem::path& store, const std::string& scenario_hash,
            const std::string& course) {
  const std::int64_t newer = journal_entries(beside(store), scenario_hash, course);
  if (newer >= 0 && newer >= journal_entries(store, scenario_hash, course)) {
    take_place(beside(store), store, true);
  }
  remove_database(beside(store));
  remove_database(draft_of(store));
  if (std::filesystem::exists(store) && is_blank_file(store)) remove_database(store);
}

void settle_resumption(const std::filesystem::path& folder, const std::string& scenario_hash,
                       const std::string& course) {
  if (!std::filesystem::exists(folder)) return;
  const base::FolderLock lock = lock_for_writing(folder);
  settle(store_path(folder), scenario_hash, course);
}

std::optional<std::vector<JournalRow>> journal_to_resume(const std::filesystem::path& store,
                                                         const RunRow& run) {
  settle(store, run.scenario_hash, run.course);
  if (!std::filesystem::exists(store)) return std::nullopt;
  std::optional<std::vector<JournalRow>> journal;
  try {
    const bool seen = between_readers(readers_may_take, [&] {
      SQLite::Database old = open_for_writing(store);
      if (is_blank(old)) return true;
      check_store(store, old);
      check_same(store, read_run(old).run, run);
      journal = read_journal(old);
      return true;
    });
    if (!seen) fail_for_readers(store);
  } catch (const SQLite::Exception& e) {
    throw StoreError(
        fmt::format("{}: is no run store, or a damaged one ({})", store.string(), e.what()));
  }
  return journal;
}

void replace_resumed(const std::filesystem::path& store, bool durable) {
  // The old log must not be applied to the new file, even if another process still has it open.
  {
    SQLite::Database old = open_for_writing(store);
    if (!empty_the_log(old, readers_may_take_ms)) fail_for_readers(store);
  }
  take_place(beside(store), store, durable);
}

}  // namespace convoy::sim
