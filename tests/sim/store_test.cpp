// Tests the store while others read it: during writing, and when a resumed run replaces it.

#include "sim/store/store.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <functional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "sim/store/reading.hpp"
#include "tests/support/files.hpp"
#include "tests/support/programs.hpp"

namespace convoy::sim {
namespace {

using test::TemporaryFolder;

const RunRow stored_run{"n", "fedavg", 1, "", "hash", "0.1.0", ""};

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
    StoreWriter killed(folder.path(), stored_run, {{}}, StoreMode::create);
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
  StoreWriter resumed(folder.path(), stored_run, {{}}, StoreMode::resume);
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

// Processes of their own that look at a store again and again, as a report beside a run does. Not
// threads: a process that has a store and the one that took its place open at once empties the
// index of one by way of the other, since its own locks do not keep it out.
class ReadersBeside {
 public:
  // `look`: true if it saw a store; throws for what must not be seen. Returns when each has seen
  // one.
  ReadersBeside(std::size_t count, const std::function<bool()>& look) {
    int over[2];
    int told[2];
    if (::pipe(over) != 0 || ::pipe(told) != 0) throw std::runtime_error("pipe failed");
    for (std::size_t i = 0; i < count; ++i) {
      const pid_t child = ::fork();
      if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::close(over[1]);
        read_until(over[0], told[1], look);
      }
      if (child > 0) children_.push_back(child);
    }
    ::close(over[0]);
    ::close(told[1]);
    over_ = over[1];
    told_ = told[0];
    if (children_.size() < count) throw std::runtime_error("fork failed");
    while (heard_.size() < count && hear()) {
    }
  }
  ~ReadersBeside() { refusals(); }
  ReadersBeside(const ReadersBeside&) = delete;
  ReadersBeside& operator=(const ReadersBeside&) = delete;

  // Ends them. Gives what they were refused.
  std::vector<std::string> refusals() {
    if (over_ < 0) return {};
    ::close(std::exchange(over_, -1));
    while (hear()) {
    }
    ::close(told_);
    for (const pid_t child : children_) {
      int status = 0;
      ::waitpid(child, &status, 0);
      EXPECT_EQ(status, 0) << "a reader has crashed";
    }
    std::vector<std::string> refusals;
    std::istringstream lines(heard_.substr(std::min(heard_.size(), children_.size())));
    for (std::string line; std::getline(lines, line);) refusals.push_back(line);
    return refusals;
  }

 private:
  // Of a child: a byte when it has seen a store, at the end a line for each refusal.
  [[noreturn]] static void read_until(int over, int told, const std::function<bool()>& look) {
    std::set<std::string> refusals;
    bool has_seen = false;
    const auto tell = [told](const std::string& text) {
      if (::write(told, text.data(), text.size()) != static_cast<ssize_t>(text.size())) ::_exit(1);
    };
    for (pollfd end{.fd = over, .events = POLLIN, .revents = 0}; ::poll(&end, 1, 0) == 0;) {
      try {
        const bool sees = look();
        if (sees && !std::exchange(has_seen, true)) tell(".");
      } catch (const std::exception& e) {
        refusals.insert(e.what());
      }
    }
    for (const std::string& refusal : refusals) tell(refusal + "\n");
    ::_exit(has_seen ? 0 : 1);
  }
  bool hear() {
    char part[4096];
    const ssize_t got = ::read(told_, part, sizeof part);
    if (got > 0) heard_.append(part, static_cast<std::size_t>(got));
    return got > 0;
  }

  std::vector<pid_t> children_;
  int over_ = -1;
  int told_ = -1;
  std::string heard_;
};

// A reader that opens the store repeatedly holds the lock for moments: when the log is begun,
// recovered or ended.
TEST(StoreAndReaders, NothingFailsWhileOthersComeAndGo) {
  const TemporaryFolder folder;
  StoreWriter(folder.path(), stored_run, {{}}, StoreMode::create)
      .finish({RunStatus::done, "", 1}, {}, {});
  ReadersBeside readers(2, [&] {
    bool sees = false;
    for (const auto& file : {store_path(folder.path()), store_under_way(folder.path())}) {
      try {
        SQLite::Database database(file, SQLite::OPEN_READONLY);
        SQLite::Statement all(database, "SELECT name FROM sqlite_master");
        while (all.executeStep()) sees = true;
      } catch (const SQLite::Exception&) {  // no store for a moment, or the writer has the lock
      }
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return sees;
  });
  for (int i = 0; i < 20; ++i) {
    {
      StoreWriter killed(folder.path(), stored_run, {{}}, StoreMode::overwrite);
      write_journal(killed, 20);
    }
    StoreWriter resumed(folder.path(), stored_run, {{}}, StoreMode::resume);
    ASSERT_EQ(resumed.take_old_journal().size(), 20) << i;
    write_journal(resumed, 30);
    resumed.finish({RunStatus::done, "", 1}, {}, {});
    ASSERT_EQ(journal_entries(store_path(folder.path())), 30) << i;
  }
  EXPECT_THAT(readers.refusals(), testing::IsEmpty());
}

// A report or comparison made while a run begins, goes on, ends or replaces another one finds one
// complete run: never a store without tables, never a message about damage.
TEST(StoreAndReaders, ReadersFindARunWheneverTheyCome) {
  const TemporaryFolder folder;
  StoreWriter(folder.path(), stored_run, {{}}, StoreMode::create)
      .finish({RunStatus::done, "", 1}, {}, {});
  ReadersBeside readers(2, [&] {
    if (read_run(folder.path()).run.name != stored_run.name)
      throw std::runtime_error("another run");
    if (read_recording(folder.path()).nodes.size() != 1) throw std::runtime_error("other nodes");
    return true;
  });
  for (int round = 0; round < 12; ++round) {
    StoreWriter writer(folder.path(), stored_run, {{}}, StoreMode::overwrite);
    write_journal(writer, 200);
    writer.commit();
    writer.finish({RunStatus::done, "", 1}, {}, {});
  }
  EXPECT_THAT(readers.refusals(), testing::IsEmpty());
}

// They are written many at once; what is left, one by one.
TEST(Store, RowsAreReadAsTheyWereAddedHoweverMany) {
  const TemporaryFolder folder;
  std::vector<std::string> written;
  {
    StoreWriter store(folder.path(), stored_run, {{}}, StoreMode::create);
    for (std::int64_t i = 0; i < 101; ++i) {
      JournalRow row{i, 0.1 * static_cast<double>(i), i % 3 == 0, fmt::format("kind-{}", i)};
      row.detail = std::string(static_cast<std::size_t>(i), 'd');
      if (i % 2 == 0) row.because = i / 2;
      written.push_back(fmt::format("{} {:.17g} {} {} {} {}", i, row.time_s,
                                    row.is_order ? "order" : "event", row.kind, row.detail,
                                    i % 2 == 0 ? std::to_string(i / 2) : "none"));
      store.add(std::move(row));
      if (i == 37) store.commit();
    }
    store.finish({RunStatus::done, "", 1}, {}, {});
  }
  std::vector<std::string> found;
  SQLite::Database database(store_path(folder.path()), SQLite::OPEN_READONLY);
  SQLite::Statement rows(database, "SELECT * FROM journal ORDER BY rowid");
  while (rows.executeStep()) {
    const SQLite::Column because = rows.getColumn("because");
    found.push_back(
        fmt::format("{} {:.17g} {} {} {} {}", rows.getColumn("sequence").getInt64(),
                    rows.getColumn("time_s").getDouble(), rows.getColumn("entry").getString(),
                    rows.getColumn("kind").getString(), rows.getColumn("detail").getString(),
                    because.isNull() ? "none" : because.getString()));
  }
  EXPECT_EQ(found, written);
}

// Also in the midst of many at once: none of them is written.
TEST(Store, ARowThatIsRefusedFailsTheRun) {
  const TemporaryFolder folder;
  StoreWriter store(folder.path(), stored_run, {{}}, StoreMode::create);
  for (const std::int64_t sequence : {0, 1, 2}) store.add(JournalRow{.sequence = sequence});
  store.commit();
  for (std::int64_t i = 3; i < 70; ++i) store.add(JournalRow{.sequence = i == 20 ? 1 : i});
  EXPECT_THAT([&] { store.commit(); },
              testing::ThrowsMessage<std::runtime_error>(testing::HasSubstr("cannot be written")));
  EXPECT_EQ(journal_entries(store_path(folder.path())), 3);
}

TEST(StoreAndReaders, OverwritingForgetsAResumptionThatNobodyGoesOnWith) {
  const TemporaryFolder folder;
  {
    StoreWriter first(folder.path(), stored_run, {{}}, StoreMode::create);
    write_journal(first, 10);
  }
  {
    StoreWriter killed(folder.path(), stored_run, {{}}, StoreMode::resume);
    write_journal(killed, 5);
  }
  ASSERT_TRUE(std::filesystem::exists(folder.path() / "run.sqlite.new"));
  StoreWriter anew(folder.path(), stored_run, {{}}, StoreMode::overwrite);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "run.sqlite.new"));
  EXPECT_EQ(store_under_way(folder.path()), store_path(folder.path()));
}

TEST(StoreAndReaders, OnlyOneWritesAtATime) {
  const TemporaryFolder folder;
  {
    StoreWriter first(folder.path(), stored_run, {{}}, StoreMode::create);
    for (const StoreMode mode : {StoreMode::create, StoreMode::overwrite, StoreMode::resume}) {
      EXPECT_THAT([&] { StoreWriter(folder.path(), stored_run, {{}}, mode); },
                  testing::ThrowsMessage<StoreError>(
                      testing::HasSubstr("another convoy is writing there")));
    }
    write_journal(first, 3);
  }
  EXPECT_EQ(journal_entries(store_path(folder.path())), 3);
  StoreWriter second(folder.path(), stored_run, {{}}, StoreMode::overwrite);
}

TEST(Store, WhatANodeDidStandsUnderItsName) {
  const TemporaryFolder folder;
  StoreWriter store(folder.path(), stored_run, {{0, "server"}, {1, "worker"}}, StoreMode::create);
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
    StoreWriter store(folder.path(), stored_run, {{}}, mode);
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
  settle_resumption(folder.path(), stored_run.scenario_hash, "");
  EXPECT_EQ(there(), 10);
  EXPECT_TRUE(is_alone());
}

TEST_F(Resumption, ThatWasKilledBeyondTheRunsEndIsGoneOnWith) {
  write(StoreMode::resume, 12, false);
  EXPECT_EQ(there(), 10);
  StoreWriter again(folder.path(), stored_run, {{}}, StoreMode::resume);
  EXPECT_EQ(again.take_old_journal().size(), 12);
}

TEST_F(Resumption, ThatWasKilledOfAnotherScenarioIsForgotten) {
  write(StoreMode::resume, 12, false);
  settle_resumption(folder.path(), "of another", "");
  EXPECT_EQ(there(), 10);
  EXPECT_TRUE(is_alone());
}

TEST_F(Resumption, IsByTheSameConvoyOfTheSameScenario) {
  RunRow other = stored_run;
  other.version = "0.2.0";
  const auto resume = [&] { StoreWriter(folder.path(), other, {{}}, StoreMode::resume); };
  EXPECT_THAT(resume, testing::ThrowsMessage<StoreError>(testing::AllOf(
                          testing::HasSubstr("was begun by Convoy 0.1.0, this is 0.2.0"),
                          testing::HasSubstr("--overwrite"))));
  other = stored_run;
  other.scenario_hash = "of another";
  EXPECT_THAT(resume, testing::ThrowsMessage<StoreError>(
                          testing::HasSubstr("holds the run of another scenario")));
  EXPECT_EQ(there(), 10);
  EXPECT_TRUE(is_alone());
}

}  // namespace
}  // namespace convoy::sim
