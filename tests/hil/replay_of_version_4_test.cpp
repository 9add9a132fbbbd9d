// A run with real nodes, recorded before aggregations were tasks: refused as it is; can be replayed
// once its store is converted.

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "sim/scenario/scenario.hpp"
#include "tests/support/digests.hpp"
#include "tests/support/files.hpp"

namespace convoy {
namespace {

using test::Output;
using testing::HasSubstr;

const std::string recording = std::string(CONVOY_SOURCE) + "/tests/hil/recordings/two_agents_v4";

class ReplayOfVersion4 : public testing::Test {
 protected:
  ReplayOfVersion4() {
    std::filesystem::create_directory(folder.path() / "recorded");
    SQLite::Database database(folder.path() / "recorded" / "run.sqlite",
                              SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    database.exec(test::read_file(recording + ".sql"));
    // It was recorded with the catalogue's devices of that time, which the scenario now has as
    // files.
    base::Diagnostics problems;
    const auto scenario = sim::read_scenario(recording + ".toml", {}, problems);
    EXPECT_TRUE(scenario) << problems.str();
    SQLite::Statement update(database, "UPDATE run SET scenario_hash = ?");
    update.bind(1, scenario ? scenario->hash : "");
    update.exec();
  }

  [[nodiscard]] std::string in(const std::string& name) const {
    return (folder.path() / name).string();
  }
  [[nodiscard]] Output replay(const std::string& of, const std::string& to) const {
    return test::convoy(
        fmt::format("run {}.toml --quiet --replay {} -o {}", recording, in(of), in(to)));
  }
  // Runs the conversion; gives its exit status. The script prints its own errors.
  [[nodiscard]] int lift(const std::string& from, const std::string& to) const {
    const std::string command = fmt::format("python3 {}/tests/support/lift_store.py {} {} 2> {}",
                                            CONVOY_SOURCE, in(from), in(to), in("lift.err"));
    return std::system(command.c_str());
  }
  static bool has_python() { return std::system("python3 -c 1 2> /dev/null") == 0; }

  // The same rows, with times equal to a millionth of a second: if real activities are known
  // beforehand, SimGrid's clock makes other steps between them.
  void expect_same(const std::string& one, const std::string& other, const std::string& sql) const {
    SQLite::Database a(in(one) + "/run.sqlite", SQLite::OPEN_READONLY);
    SQLite::Database b(in(other) + "/run.sqlite", SQLite::OPEN_READONLY);
    SQLite::Statement then(a, sql);
    SQLite::Statement now(b, sql);
    for (int row = 0;; ++row) {
      const bool more = then.executeStep();
      ASSERT_EQ(more, now.executeStep()) << "row " << row << " of " << sql;
      if (!more) {
        EXPECT_GT(row, 0) << sql;
        return;
      }
      for (int i = 0; i < then.getColumnCount(); ++i) {
        const SQLite::Column x = then.getColumn(i);
        const SQLite::Column y = now.getColumn(i);
        if (x.isFloat() && y.isFloat()) {
          EXPECT_NEAR(x.getDouble(), y.getDouble(), 1e-6)
              << x.getName() << " in row " << row << " of " << sql;
        } else {
          EXPECT_EQ(x.getString(), y.getString())
              << x.getName() << " in row " << row << " of " << sql;
        }
      }
    }
  }

  test::TemporaryFolder folder;
};

TEST_F(ReplayOfVersion4, IsRefusedByName) {
  const Output output = replay("recorded", "refused");
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, HasSubstr("was written by an older Convoy"));
  EXPECT_FALSE(std::filesystem::exists(in("refused") + "/run.sqlite"));
}

TEST_F(ReplayOfVersion4, IsTheRunThatWasRecordedOnceItIsLifted) {
  if (!has_python()) GTEST_SKIP() << "there is no python3, which lifts the store";
  ASSERT_EQ(lift("recorded", "lifted"), 0) << test::read_file(in("lift.err"));
  EXPECT_NE(lift("lifted", "twice"), 0);
  EXPECT_THAT(test::read_file(in("lift.err")), HasSubstr("is a store of version 10"));
  const Output output = replay("lifted", "replayed");
  ASSERT_EQ(output.status, 0) << output.err;

  // As recorded. Node b was killed in its third task and returned later.
  expect_same("recorded", "replayed",
              "SELECT id, node, label, rate, samples, base_version, assigned_s, ended_s, outcome, "
              "aggregated_version, staleness, bytes_down, bytes_up FROM task WHERE node > 0 ORDER "
              "BY id");
  expect_same("recorded", "replayed",
              "SELECT task, activity, iteration, kind, label, node, peer, start_s, end_s, real, "
              "cause FROM activity WHERE node > 0 OR peer > 0 ORDER BY task, activity, iteration");
  expect_same("recorded", "replayed",
              "SELECT version, start_s, end_s, updates, samples, staleness_max FROM aggregation "
              "ORDER BY version");
  expect_same("recorded", "replayed",
              "SELECT time_s, kind, node FROM journal WHERE kind LIKE 'node_%' ORDER BY sequence");
  expect_same("recorded", "replayed",
              "SELECT time_s, node, present, for_good FROM presence ORDER BY rowid");
  expect_same("recorded", "replayed", "SELECT status, virtual_time_s FROM run");

  // As this version would have recorded it.
  expect_same("lifted", "replayed",
              "SELECT id, node, label, kind, base_version, assigned_s, ended_s, outcome, "
              "consumed_by, published_version, busy_s FROM task ORDER BY id");
  expect_same("lifted", "replayed", "SELECT version, task FROM aggregation ORDER BY version");
  expect_same("lifted", "replayed",
              "SELECT task, activity, label, node, start_s, end_s FROM activity ORDER BY task, "
              "activity, iteration");
  expect_same("lifted", "replayed",
              "SELECT sequence, time_s, entry, kind, node, task FROM journal ORDER BY sequence");

  // The costs up to each evaluation were not recorded then; the replay computes them, up to the
  // totals at the end. A replay of the replay has the same.
  SQLite::Database database(in("replayed") + "/run.sqlite", SQLite::OPEN_READONLY);
  const auto number = [&database](const char* sql) { return database.execAndGet(sql).getDouble(); };
  EXPECT_EQ(number("SELECT energy_j FROM evaluation ORDER BY rowid DESC LIMIT 1"),
            number("SELECT SUM(energy_j) FROM node WHERE id > 0"));
  EXPECT_EQ(number("SELECT energy_server_j FROM evaluation ORDER BY rowid DESC LIMIT 1"),
            number("SELECT energy_j FROM node WHERE id = 0"));
  EXPECT_GT(number("SELECT energy_j FROM evaluation ORDER BY rowid DESC LIMIT 1"), 0);
  ASSERT_EQ(replay("replayed", "again").status, 0);
  expect_same("replayed", "again",
              "SELECT version, exit, bytes, energy_j, energy_server_j FROM evaluation ORDER BY "
              "rowid");

  // The run kept no updates: the replay learns the real nodes' results again.
  const std::string digest = base::content_hash(test::weights_of(in("replayed")));
  const std::string cpu = test::kind_of_cpu();
  const std::map<std::string, std::string> pinned = {
      {test::zen5_as_haswell, "ebd68c30f875a173"},  // the CPU of the recording: the same weights
      {test::zen5, "27afc1a989db7d79"},
  };
  const auto here = pinned.find(cpu);
  if (here == pinned.end()) {
    GTEST_SKIP() << "weights are not pinned for this kind of CPU; the rest was compared. To pin "
                    "them, from a build whose results are right, add {\""
                 << cpu << "\", \"" << digest << "\"}";
  }
  EXPECT_EQ(digest, here->second) << "the weights are not what they were; "
                                     "tests/cli/pinned_results_test.cpp says more";
}

}  // namespace
}  // namespace convoy
