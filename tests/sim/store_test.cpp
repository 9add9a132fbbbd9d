// Tests the store while others read it: during writing, and when a resumed run replaces it.

#include "sim/store/store.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "sim/store/reading.hpp"
#include "tests/support/files.hpp"
#include "tests/support/programs.hpp"

namespace convoy::sim {
namespace {

using test::TemporaryFolder;

const RunRow run{"n", "fedavg", 1, "", "hash", "0.1.0", ""};

void write_journal(StoreWriter& store, std::int64_t entries) {
  for (std::int64_t i = 0; i < entries; ++i) {
    store.add(JournalRow{i, static_cast<double>(i), false, "timer_fired"});
  }
  store.commit();
}

std::int64_t journal_entries(const std::filesystem::path& file) {
  SQLite::Database database(file, SQLite::OPEN_READONLY);
  return database.execAndGet("SELECT COUNT(*) FROM journal").getInt64();
}

TEST(StoreAndReaders, AResumedRunTakesThePlaceOfOneThatIsBeingRead) {
  const TemporaryFolder folder;
  {
    StoreWriter killed(folder.path(), run, {{}}, StoreMode::create);
    write_journal(killed, 1000);
    // A reader, such as a report, keeps the written rows in the log.
    SQLite::Database reader(store_path(folder.path()), SQLite::OPEN_READONLY);
    reader.exec("BEGIN; SELECT COUNT(*) FROM journal");
    std::filesystem::copy(folder.path(), folder.path() / "copy");
  }
  // As after a kill: with a log.
  for (const char* suffix : {"", "-wal", "-shm"}) {
    const std::string name = "run.sqlite" + std::string(suffix);
    std::filesystem::copy_file(folder.path() / "copy" / name, folder.path() / name,
                               std::filesystem::copy_options::overwrite_existing);
  }
  ASSERT_GT(std::filesystem::file_size(folder.path() / "run.sqlite-wal"), 10'000);
  SQLite::Database reader(store_path(folder.path()), SQLite::OPEN_READWRITE);
  reader.exec("BEGIN");
  ASSERT_EQ(reader.execAndGet("SELECT COUNT(*) FROM journal").getInt64(), 1000);
  // Another process writes into the log, so that the reader keeps something there.
  {
    SQLite::Database other(store_path(folder.path()), SQLite::OPEN_READWRITE);
    other.exec("INSERT INTO host VALUES ('a', 'b')");
  }
  StoreWriter resumed(folder.path(), run, {{}}, StoreMode::resume);
  EXPECT_EQ(resumed.take_old_journal().size(), 1000);
  EXPECT_EQ(store_under_way(folder.path()).filename(), "run.sqlite.new");
  write_journal(resumed, 3000);
  std::jthread goes([&reader] {
    for (int i = 0; i < 30; ++i) test::nap();
    reader.exec("COMMIT");
  });
  resumed.finish({RunStatus::done, "", 1}, {}, {});  // waits for the reader
  EXPECT_EQ(journal_entries(store_path(folder.path())), 3000);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "run.sqlite.new"));
  EXPECT_EQ(store_under_way(folder.path()), store_path(folder.path()));
}

// A reader that opens the store repeatedly holds the lock for moments: when the log is begun,
// recovered or ended.
TEST(StoreAndReaders, NothingFailsWhileOthersComeAndGo) {
  const TemporaryFolder folder;
  std::atomic<int> looks = 0;
  std::vector<std::jthread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        for (const auto& file : {store_path(folder.path()), store_under_way(folder.path())}) {
          try {
            SQLite::Database database(file, SQLite::OPEN_READONLY);
            SQLite::Statement all(database, "SELECT name FROM sqlite_master");
            while (all.executeStep()) ++looks;
          } catch (const SQLite::Exception&) {  // no store yet, or the writer has the lock
          }
          std::this_thread::sleep_for(std::chrono::microseconds(200));
        }
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    {
      StoreWriter killed(folder.path(), run, {{}}, StoreMode::overwrite);
      write_journal(killed, 20);
    }
    StoreWriter resumed(folder.path(), run, {{}}, StoreMode::resume);
    ASSERT_EQ(resumed.take_old_journal().size(), 20) << i;
    write_journal(resumed, 30);
    resumed.finish({RunStatus::done, "", 1}, {}, {});
    ASSERT_EQ(journal_entries(store_path(folder.path())), 30) << i;
  }
  readers.clear();
  EXPECT_GT(looks, 0);
}

// A report or comparison made while a run begins, goes on, ends or replaces another one finds one
// complete run: never a store without tables, never a message about damage.
TEST(StoreAndReaders, ReadersFindARunWheneverTheyCome) {
  const TemporaryFolder folder;
  StoreWriter(folder.path(), run, {{}}, StoreMode::create).finish({RunStatus::done, "", 1}, {}, {});
  std::atomic<bool> over = false;
  std::atomic<int> looks = 0;
  std::mutex mutex;
  std::set<std::string> refusals;
  std::vector<std::jthread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      while (!over) {
        try {
          EXPECT_EQ(read_run(folder.path()).run.name, run.name);
          EXPECT_EQ(read_recording(folder.path()).nodes.size(), 1U);
        } catch (const std::exception& e) {
          const std::lock_guard lock(mutex);
          refusals.insert(e.what());
        }
        ++looks;
      }
    });
  }
  for (int round = 0; round < 12; ++round) {
    StoreWriter writer(folder.path(), run, {{}}, StoreMode::overwrite);
    write_journal(writer, 200);
    writer.commit();
    writer.finish({RunStatus::done, "", 1}, {}, {});
  }
  over = true;
  readers.clear();
  EXPECT_THAT(refusals, testing::IsEmpty());
  EXPECT_GT(looks, 10);
}

TEST(StoreAndReaders, OverwritingForgetsAResumptionThatNobodyGoesOnWith) {
  const TemporaryFolder folder;
  {
    StoreWriter first(folder.path(), run, {{}}, StoreMode::create);
    write_journal(first, 10);
  }
  {
    StoreWriter killed(folder.path(), run, {{}}, StoreMode::resume);
    write_journal(killed, 5);
  }
  ASSERT_TRUE(std::filesystem::exists(folder.path() / "run.sqlite.new"));
  StoreWriter anew(folder.path(), run, {{}}, StoreMode::overwrite);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "run.sqlite.new"));
  EXPECT_EQ(store_under_way(folder.path()), store_path(folder.path()));
}

TEST(StoreAndReaders, OnlyOneWritesAtATime) {
  const TemporaryFolder folder;
  {
    StoreWriter first(folder.path(), run, {{}}, StoreMode::create);
    for (const StoreMode mode : {StoreMode::create, StoreMode::overwrite, StoreMode::resume}) {
      EXPECT_THAT([&] { StoreWriter(folder.path(), run, {{}}, mode); },
                  testing::ThrowsMessage<StoreError>(
                      testing::HasSubstr("another convoy is writing there")));
    }
    write_journal(first, 3);
  }
  EXPECT_EQ(journal_entries(store_path(folder.path())), 3);
  StoreWriter second(folder.path(), run, {{}}, StoreMode::overwrite);
}

TEST(Store, WhatANodeDidStandsUnderItsName) {
  const TemporaryFolder folder;
  StoreWriter store(folder.path(), run, {{0, "server"}, {1, "worker"}}, StoreMode::create);
  store.finish({RunStatus::done, "", 100}, {{1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}, {});
  const std::vector<std::string> columns = {
      "busy_s",   "communicating_s", "waiting_s",         "away_s",
      "bytes_in", "bytes_out",       "peak_memory_bytes", "energy_j",
      "tasks",    "tasks_failed",    "memory_waits",      "memory_wait_s"};
  SQLite::Database database(store_path(folder.path()), SQLite::OPEN_READONLY);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::string query = "SELECT " + columns[i] + " FROM node WHERE name = 'worker'";
    EXPECT_EQ(database.execAndGet(query).getDouble(), static_cast<double>(i + 1)) << columns[i];
  }
}

// If a resumption is interrupted, the store of the run that had come further stays.
class Resumption : public testing::Test {
 protected:
  Resumption() { write(StoreMode::create, 10); }

  // A run or a resumption with this number of entries; `ends`: interrupted, else killed.
  void write(StoreMode mode, std::int64_t entries, bool ends = true) const {
    StoreWriter store(folder.path(), run, {{}}, mode);
    write_journal(store, entries);
    if (ends) store.finish({RunStatus::stopped, "", 1}, {}, {});
  }
  [[nodiscard]] std::int64_t there() const { return journal_entries(store_path(folder.path())); }
  [[nodiscard]] bool is_alone() const {
    return !std::filesystem::exists(folder.path() / "run.sqlite.new");
  }

  TemporaryFolder folder;
};

TEST_F(Resumption, ThatWasInterruptedBeforeTheRunsEndLeavesTheRun) {
  write(StoreMode::resume, 9);
  EXPECT_EQ(there(), 10);
  EXPECT_TRUE(is_alone());
  write(StoreMode::resume, 10);
  EXPECT_EQ(there(), 10);
  write(StoreMode::resume, 12);
  EXPECT_EQ(there(), 12);
  EXPECT_TRUE(is_alone());
}

TEST_F(Resumption, ThatWasKilledBeforeTheRunsEndIsForgotten) {
  write(StoreMode::resume, 9, false);
  ASSERT_FALSE(is_alone());
  settle_resumption(folder.path(), run.scenario_hash, "");
  EXPECT_EQ(there(), 10);
  EXPECT_TRUE(is_alone());
}

TEST_F(Resumption, ThatWasKilledBeyondTheRunsEndIsGoneOnWith) {
  write(StoreMode::resume, 12, false);
  EXPECT_EQ(there(), 10);
  StoreWriter again(folder.path(), run, {{}}, StoreMode::resume);
  EXPECT_EQ(again.take_old_journal().size(), 12);
}

TEST_F(Resumption, ThatWasKilledOfAnotherScenarioIsForgotten) {
  write(StoreMode::resume, 12, false);
  settle_resumption(folder.path(), "of another", "");
  EXPECT_EQ(there(), 10);
  EXPECT_TRUE(is_alone());
}

TEST_F(Resumption, IsByTheSameConvoyOfTheSameScenario) {
  RunRow other = run;
  other.version = "0.2.0";
  const auto resume = [&] { StoreWriter(folder.path(), other, {{}}, StoreMode::resume); };
  EXPECT_THAT(resume, testing::ThrowsMessage<StoreError>(testing::AllOf(
                          testing::HasSubstr("was begun by Convoy 0.1.0, this is 0.2.0"),
                          testing::HasSubstr("--overwrite"))));
  other = run;
  other.scenario_hash = "of another";
  EXPECT_THAT(resume, testing::ThrowsMessage<StoreError>(
                          testing::HasSubstr("holds the run of another scenario")));
  EXPECT_EQ(there(), 10);
  EXPECT_TRUE(is_alone());
}

}  // namespace
}  // namespace convoy::sim
