// Tests reading a store into memory: a complete one, one in progress, and files that are no stores.

#include "analysis/tables.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/files.hpp"
#include "tests/support/hand_made_store.hpp"

namespace convoy::analysis {
namespace {

using test::HandMadeStore;
using test::TemporaryFolder;
using testing::ElementsAre;

TEST(Tables, ATailSeesEveryRowOnce) {
  const TemporaryFolder folder;
  sim::NodeRow server;
  sim::NodeRow worker;
  worker.id = 1;
  sim::StoreWriter store(folder.path() / "run", {"n", "fedavg", 1, "", "0", "0", ""},
                         {server, worker}, sim::StoreMode::create);
  store.commit();
  StoreTail tail(folder.path() / "run");
  EXPECT_TRUE(tail.next().tasks.empty());
  const auto add = [&store](std::int64_t id) {
    sim::TaskRow task;
    task.id = id;
    task.node = 1;
    store.add(task);
    sim::ActivityRow activity;
    activity.label = "train";
    activity.task = id;
    store.add(activity);
  };
  const auto ids = [](const RunTables& rows) {
    std::vector<std::int64_t> all;
    for (const sim::TaskRow& task : rows.tasks) all.push_back(task.id);
    return all;
  };
  add(1);  // the instant 0 is not over yet
  add(3);
  store.commit();
  EXPECT_THAT(ids(tail.next()), ElementsAre(1, 3));
  add(0);
  store.commit();
  const RunTables rows = tail.next();
  EXPECT_THAT(ids(rows), ElementsAre(0));
  EXPECT_EQ(rows.activities.size(), 1);
  EXPECT_EQ(rows.labels[rows.activities[0].label], "train");
  EXPECT_FALSE(rows.ended_s.has_value());
  add(2);
  add(4);
  store.finish({sim::RunStatus::done, "", 7}, {}, {});
  EXPECT_THAT(ids(tail.next()), ElementsAre(2, 4));
  EXPECT_TRUE(tail.next().tasks.empty());
}

TEST(Tables, WhatIsNoStoreIsRefused) {
  const TemporaryFolder folder;
  const auto says = [&](const std::string& content) {
    folder.write("run.sqlite", content);
    try {
      read_tables(folder.path());
    } catch (const sim::StoreError& e) {
      return std::string(e.what());
    }
    return std::string("nothing");
  };
  EXPECT_THAT(says("not a database, but long enough to be looked at"),
              testing::HasSubstr("is no run store"));
  HandMadeStore store(folder.path() / "whole");
  store.node(0, "server").node(1, "a");
  for (int i = 0; i < 200; ++i) store.task(i, 1, i, i + 1, 0);
  const std::string whole = test::read_file(store.write() / "run.sqlite");
  EXPECT_THAT(says(whole.substr(0, whole.size() / 3)), testing::HasSubstr("damaged"));
  std::string newer = whole;
  newer[63] = 99;  // user_version, big-endian at byte 60
  EXPECT_THAT(says(newer), testing::HasSubstr("newer Convoy"));
}

// A store is somebody's file: ids become indices, and counts are summed.
TEST(Tables, TrafficIsReadAndChecked) {
  const TemporaryFolder folder;
  HandMadeStore store(folder.path() / "run");
  store.node(0, "server").node(1, "a");
  store.traffic("upload", "update", 1, 0, 2, 60).broken_off = 1;
  const std::filesystem::path run = store.write();
  const RunTables tables = read_tables(run);
  ASSERT_EQ(tables.traffic.size(), 1);
  EXPECT_EQ(tables.traffic[0].artifact, "update");
  EXPECT_EQ(tables.traffic[0].transfers, 2);
  EXPECT_EQ(tables.traffic[0].broken_off, 1);
  const auto refused = [&](const std::string& change) {
    {
      SQLite::Database database(run / "run.sqlite", SQLite::OPEN_READWRITE);
      database.exec("UPDATE traffic SET " + change);
    }
    EXPECT_THROW(read_tables(run), sim::StoreError) << change;
    SQLite::Database database(run / "run.sqlite", SQLite::OPEN_READWRITE);
    database.exec(
        "UPDATE traffic SET node = 1, peer = 0, transfers = 2, bytes = 60, broken_off = 1");
  };
  refused("node = 2");
  refused("peer = -1");
  refused("transfers = -1");
  refused("broken_off = 9223372036854775807");
  refused("bytes = -1");
  refused("bytes = 9e999");
  EXPECT_EQ(read_tables(run).traffic.size(), 1);
  SQLite::Database(run / "run.sqlite", SQLite::OPEN_READWRITE).exec("DROP TABLE traffic");
  EXPECT_TRUE(read_tables(run).traffic.empty()) << "a store of before";
}

}  // namespace
}  // namespace convoy::analysis
