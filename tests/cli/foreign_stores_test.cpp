// Tests stores made by somebody else, or damaged: with any content `report`, `compare`, `export`
// and `--replay` end with a status and a message.

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>

#include "base/text.hpp"
#include "tests/support/files.hpp"
#include "tests/support/hand_made_store.hpp"
#include "tests/support/programs.hpp"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using test::HandMadeStore;
using test::Program;
using test::TemporaryFolder;
using testing::HasSubstr;

constexpr int nodes = 4;

// A run with two rounds of three workers.
fs::path sound_store(const fs::path& folder) {
  HandMadeStore store(folder);
  store.node(0, "server").node(1, "a", "hil").node(2, "b").node(3, "c");
  std::int64_t task = 0;
  for (int round = 0; round < 2; ++round) {
    const double begun = 10.0 * round;
    for (std::int64_t node = 1; node < nodes; ++node, ++task) {
      store.order("assign", begun, node, task);
      store.transfer(0, node, "download", begun, 1).task = task;
      sim::ActivityRow& train = store.compute(node, "train", begun + 1, 5);
      train.task = task;
      train.real = node == 1;
      if (node == 1) train.predicted_s = 4;
      store.transfer(node, 0, "upload", begun + 6, 1).task = task;
      store.task(task, node, begun, begun + 7, round + 1).samples = 10;
      store.event("task_done", begun + 7, node, task);
    }
    store.order("aggregate", begun + 7);
    store.aggregation(round + 1, begun + 7, begun + 8);
    store.evaluation(round + 1, begun + 8, 0.5 + 0.1 * round);
  }
  store.event("node_lost", 18, 2).event("node_joined", 19, 2);
  for (std::int64_t node = 0; node < nodes; ++node) store.node_end(node).energy_j = 5;
  store.end.virtual_time_s = 20;
  store.run.scenario = "[training]\nlearn = true\n[stop]\nvirtual_time_s = 20\n";
  return store.write();
}

class ForeignStores : public testing::Test {
 protected:
  void change(const std::string& sql) const {
    SQLite::Database database(store() / "run.sqlite", SQLite::OPEN_READWRITE);
    database.exec("PRAGMA writable_schema = 1");
    database.exec(sql);
  }
  void make() const {
    fs::remove_all(store());
    sound_store(store());
  }
  [[nodiscard]] fs::path store() const { return folder_.path() / "run"; }

  struct Result {
    int status = 0;
    std::string output;
  };
  [[nodiscard]] Result convoy(const std::vector<std::string>& arguments) const {
    Program program(CONVOY_BINARY, arguments, folder_.path() / "log");
    constexpr double longest_s = 300;  // limit for work that takes seconds on an idle machine
    const int status = program.wait(longest_s);
    return {status, program.output()};
  }
  [[nodiscard]] std::vector<Result> all_verbs() const {
    const std::string run = store().string();
    const std::string out = (folder_.path() / "out").string();
    return {convoy({"report", run, "-o", out + ".html"}),
            convoy({"compare", run}),
            convoy({"compare", "--json", run}),
            convoy({"export", run, "--format", "csv", "-o", out + "-csv"}),
            convoy({"export", run, "--format", "perfetto", "-o", out + ".json"}),
            convoy({"export", run, "--format", "colext", "-o", out + "-colext"})};
  }
  // Each verb refuses the store with a reason, or does not need the changed part.
  void expect_refused(const std::string& sql, const std::string& why) const {
    make();
    change(sql);
    int refused = 0;
    for (const Result& result : all_verbs()) {
      EXPECT_TRUE(result.status == 0 || result.status == 2) << sql << ": " << result.status << "\n"
                                                            << result.output;
      if (result.status != 2) continue;
      ++refused;
      EXPECT_THAT(result.output, HasSubstr(why)) << sql;
      EXPECT_THAT(result.output, HasSubstr("run.sqlite")) << sql;
    }
    EXPECT_GE(refused, 4) << sql;
  }

  TemporaryFolder folder_;
};

// Names and texts of a store that somebody else made, on a terminal.
TEST_F(ForeignStores, NoEscapeOfATextReachesATerminal) {
  // ESC, CSI as one character, DEL, a mark that turns the writing round.
  const std::string evil =
      "'x' || char(27) || '[31m' || char(155) || '2J' || char(127) || char(8238)";
  make();
  change("UPDATE run SET schedule = " + evil + ", name = " + evil +
         ", status = 'failed', cause = " + evil);
  change("UPDATE node_group SET name = " + evil + " WHERE id = 2");
  for (const Result& result : all_verbs()) {
    EXPECT_EQ(result.status, 0) << result.output;
    for (const char* raw : {"\x1b", "\xc2\x9b", "\x7f", "\xe2\x80\xae"}) {
      EXPECT_EQ(result.output.find(raw), std::string::npos) << base::escaped(result.output);
    }
  }
  const std::string store = (folder_.path() / "run").string();
  EXPECT_THAT(convoy({"compare", store}).output, HasSubstr("\\x1b[31m"));
  const Result json = convoy({"compare", "--json", store});
  const auto read =
      nlohmann::json::parse(json.output.substr(json.output.find('{')), nullptr, false);
  ASSERT_FALSE(read.is_discarded()) << json.output;
  EXPECT_EQ(read.at("runs").at(0).at("schedule"), "x\x1b[31m\xc2\x9b\x32J\x7f\xe2\x80\xae");
  // What is typed, too.
  const Result set = convoy({"check", CONVOY_SOURCE "/scenarios/quickstart.toml", "--set",
                             "schedule.kind=\x1b[31mred\xc2\x9b"});
  EXPECT_EQ(set.status, 2);
  EXPECT_EQ(set.output.find('\x1b'), std::string::npos) << base::escaped(set.output);
  EXPECT_EQ(set.output.find("\xc2\x9b"), std::string::npos) << base::escaped(set.output);
}

TEST_F(ForeignStores, ASoundOneIsRead) {
  make();
  for (const Result& result : all_verbs()) EXPECT_EQ(result.status, 0) << result.output;
}

TEST_F(ForeignStores, IdsOutOfRangeAreNamed) {
  expect_refused("UPDATE activity SET node = 4 WHERE rowid = 3", "\"activity\" has the node 4");
  expect_refused("UPDATE activity SET peer = -7 WHERE peer IS NOT NULL",
                 "\"activity\" has the node -7");
  expect_refused("UPDATE task SET node = 4611686018427387904", "\"task\" has the node 46116860184");
  expect_refused("UPDATE journal SET node = 1000000 WHERE kind = 'node_lost'",
                 "\"journal\" has the node 1000000");
  expect_refused("UPDATE node_group SET id = 30 WHERE id = 3",
                 "\"node_group\" has the id 30, 3 to 3");
  expect_refused("DELETE FROM node_group WHERE id = 1", "\"node_group\" has the id 2, 1 to 1");
  expect_refused("UPDATE node_group SET alike = 0 WHERE id = 1", "\"node_group\" has the alike 0");
  expect_refused("UPDATE node_group SET alike = 1000000000000 WHERE id = 3",
                 "\"node_group\" has the alike 1000000000000");
  expect_refused("UPDATE node_group SET number = -1 WHERE id = 3",
                 "\"node_group\" has the number -1");
  expect_refused("DELETE FROM node_group", "0 to -1 were expected");
  expect_refused("INSERT INTO reading (wall_s, time_s, node) VALUES (0, 0, 99)",
                 "\"reading\" has the node 99");
}

TEST_F(ForeignStores, TimesThatAreNoneAreNamed) {
  expect_refused("UPDATE activity SET end_s = 9e999", "\"activity\" speaks of the time inf s");
  expect_refused("UPDATE task SET assigned_s = -9e999", "\"task\" speaks of the time -inf s");
  expect_refused("UPDATE activity SET memory_asked_s = 9e999",
                 "\"activity\" speaks of the time inf s");
  expect_refused("UPDATE run SET virtual_time_s = 1e300", "\"run\" speaks of the time");
  expect_refused("UPDATE aggregation SET end_s = 1e15", "\"aggregation\" speaks of the time");
  expect_refused("UPDATE task SET base_version = 9223372036854775807", "base_version 9223372036");
}

TEST_F(ForeignStores, SumsAndNamesThatAreNoneAreNamed) {
  expect_refused("UPDATE node_group SET busy_s = 9e999 WHERE id = 1",
                 "\"node_group\" speaks of the time inf s");
  expect_refused("UPDATE node_group SET energy_j = -1 WHERE id = 1",
                 "\"node_group\" has a sum of -1");
  expect_refused("UPDATE task SET memory_wait_s = -1", "\"task\" has a sum of -1");
  expect_refused("UPDATE run SET name = printf('%.*c', 50000000, 'x')",
                 "\"run\" has a name of 50000000 bytes");
  expect_refused("UPDATE node_group SET name = printf('%.*c', 5000000, 'x') WHERE id = 1",
                 "\"node_group\" has a name of 5000000 bytes");
}

TEST_F(ForeignStores, NamesThatAreNoTextAreShownAsFarAsTheyAre) {
  make();
  change(
      "UPDATE run SET name = CAST(X'ff41' AS TEXT); UPDATE node_group SET name = CAST(X'41ff' AS "
      "TEXT)");
  for (const Result& result : all_verbs()) EXPECT_EQ(result.status, 0) << result.output;
}

TEST_F(ForeignStores, AnAbsurdStalenessCostsNothing) {
  make();
  change("UPDATE task SET staleness = 30000000000 WHERE id = 1");
  for (const Result& result : all_verbs()) EXPECT_EQ(result.status, 0) << result.output;
}

TEST_F(ForeignStores, WhatIsNoTableIsRefused) {
  const std::string endless =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS sequence, 0.0 "
      "AS time_s, 'event' AS entry, 'x' AS kind, 0 AS node, 0 AS task, '' AS detail FROM n";
  expect_refused("DROP TABLE journal; CREATE VIEW journal AS " + endless, "is no");
  for (const char* table : {"node_group", "task", "activity", "aggregation", "evaluation",
                            "reading", "trace", "traffic", "memory"}) {
    expect_refused(fmt::format("DROP TABLE {0}; CREATE VIEW {0} AS {1}", table, endless),
                   fmt::format("its \"{}\" is no table", table));
  }
  expect_refused("ALTER TABLE activity ADD COLUMN much TEXT AS (hex(zeroblob(1000000000)))",
                 "is computed");
}

// Pages of a tree that refer to each other: a small file with more rows than can ever be read.
TEST_F(ForeignStores, ATreeThatIsAllOnePageIsNotReadForEver) {
  fs::create_directories(store());
  HandMadeStore many(folder_.path() / "many");
  many.node(0, "server").node(1, "a");
  for (int i = 0; i < 40'000; ++i) many.event("timer_fired", 0, 1, i);
  fs::copy(many.write() / "run.sqlite", store() / "run.sqlite");
  change("VACUUM");
  std::int64_t root = 0;
  std::size_t page = 0;
  {
    SQLite::Database database(store() / "run.sqlite", SQLite::OPEN_READONLY);
    root = database.execAndGet("SELECT rootpage FROM sqlite_master WHERE name = 'journal'");
    page = static_cast<std::size_t>(database.execAndGet("PRAGMA page_size").getInt());
  }
  std::string bytes = test::read_file(store() / "run.sqlite");
  // In an interior page (type 5) a cell begins with the number of the page below. First all
  // references two levels down are set to the first such page; then the upper ones refer to an
  // interior page.
  const auto at = [&](std::int64_t number) { return static_cast<std::size_t>(number - 1) * page; };
  const auto big = [&](std::size_t place) {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      value = value << 8U | static_cast<unsigned char>(bytes[place + static_cast<std::size_t>(i)]);
    }
    return value;
  };
  ASSERT_EQ(bytes[at(root)], 5) << "the journal is too small to have levels";
  const auto cells = [&](std::int64_t number) {
    std::vector<std::size_t> places;
    const std::size_t head = at(number);
    const std::size_t count = static_cast<unsigned char>(bytes[head + 3]) * 256U +
                              static_cast<unsigned char>(bytes[head + 4]);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t pointer = head + 12 + 2 * i;
      places.push_back(head + static_cast<unsigned char>(bytes[pointer]) * 256U +
                       static_cast<unsigned char>(bytes[pointer + 1]));
    }
    return places;
  };
  const auto places = cells(root);
  ASSERT_GT(places.size(), 100U);
  // Puts a copy of the root in the place of one of its leaves, which thus becomes its own parent,
  // 12 times.
  std::vector<std::int64_t> below;
  for (const std::size_t cell : places) below.push_back(big(cell));
  for (int level = 0; level < 12; ++level) {
    const auto upper = level == 0 ? root : below[static_cast<std::size_t>(level)];
    const auto lower = below[static_cast<std::size_t>(level) + 1];
    if (level > 0) bytes.replace(at(upper), page, bytes.substr(at(root), page));
    for (const std::size_t cell : places) {
      const std::size_t place = at(upper) + (cell - at(root));
      for (int i = 0; i < 4; ++i) {
        bytes[place + static_cast<std::size_t>(i)] = static_cast<char>(
            static_cast<std::uint64_t>(lower) >> (8U * (3U - static_cast<unsigned>(i))));
      }
    }
  }
  std::ofstream(store() / "run.sqlite", std::ios::binary) << bytes;
  for (const char* format : {"csv", "perfetto", "colext"}) {
    const Result result = convoy(
        {"export", store().string(), "--format", format, "-o", (folder_.path() / "x").string()});
    EXPECT_EQ(result.status, 2) << result.output;
  }
  const Result result = convoy({"report", store().string(), "-o", folder_.path() / "r.html"});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.output, HasSubstr("run.sqlite"));
}

// --- at random -----------------------------------------------------------------------------------

class Mutations {
 public:
  explicit Mutations(std::uint64_t seed) : random_(seed) {}

  // Adds one random fault.
  void apply(const fs::path& file) {
    if (pick(6) == 0) return damage(file);
    try {
      SQLite::Database database(file, SQLite::OPEN_READWRITE);
      database.exec("PRAGMA ignore_check_constraints = 1");
      const std::string table = tables_.at(pick(tables_.size()));
      switch (pick(8)) {
        case 0:
          database.exec(fmt::format("DELETE FROM {} WHERE rowid % {} = 0", table, 1 + pick(4)));
          break;
        case 1:
          if (pick(4) == 0) database.exec("DROP TABLE " + table);
          break;
        case 2:
          if (table != "node_group" && table != "aggregation" && table != "journal" &&
              table != "host") {
            database.exec(fmt::format("INSERT INTO {0} SELECT * FROM {0}", table));
          }
          break;
        default: {
          std::vector<std::string> columns;
          SQLite::Statement all(database, "SELECT name FROM pragma_table_info('" + table + "')");
          while (all.executeStep()) columns.push_back(all.getColumn(0).getString());
          if (columns.empty()) break;
          const std::string where =
              pick(3) == 0 ? "" : fmt::format(" WHERE rowid % {} = {}", 1 + pick(5), pick(2));
          database.exec(fmt::format("UPDATE OR IGNORE {} SET {} = {}{}", table,
                                    columns.at(pick(columns.size())),
                                    values_.at(pick(values_.size())), where));
        }
      }
    } catch (const SQLite::Exception&) {
      // The store is already damaged, or the column rejects the value.
    }
  }

 private:
  std::size_t pick(std::size_t count) { return random_() % count; }

  void damage(const fs::path& file) {
    std::string bytes = test::read_file(file);
    if (bytes.empty()) return;
    if (pick(8) == 0) {
      bytes.resize(pick(bytes.size()));
    } else {
      for (std::size_t i = 0; i < 1 + pick(40); ++i) {
        bytes[pick(bytes.size())] = static_cast<char>(random_());
      }
    }
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
  }

  std::mt19937_64 random_;
  std::vector<std::string> tables_ = {
      "run",      "node_group", "task",  "activity", "aggregation", "evaluation", "journal",
      "presence", "reading",    "trace", "traffic",  "memory",      "host"};
  std::vector<std::string> values_ = {"-1",
                                      "0",
                                      "3",
                                      "4",
                                      "2147483648",
                                      "30000000000",
                                      "9223372036854775807",
                                      "(-9223372036854775807 - 1)",
                                      "0.5",
                                      "-0.5",
                                      "1e15",
                                      "1e300",
                                      "9e999",
                                      "-9e999",
                                      "NULL",
                                      "''",
                                      "'text'",
                                      "x'00ff80'",
                                      "zeroblob(100000)",
                                      "'node_lost'",
                                      "'assign'",
                                      "'a=[' || hex(zeroblob(5000))",
                                      "'x' || char(27)"};
};

int rounds(int usual) {
  const char* factor = std::getenv("CONVOY_RANDOM_ROUNDS");  // NOLINT(concurrency-mt-unsafe)
  return usual * (factor == nullptr ? 1 : std::max(1, std::atoi(factor)));
}

TEST_F(ForeignStores, WhateverIsInThemTheVerbsEnd) {
  const std::uint64_t first = std::random_device()();
  int read = 0;
  for (int round = 0; round < rounds(12); ++round) {
    const std::uint64_t seed = first + static_cast<std::uint64_t>(round);
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    make();
    Mutations mutations(seed);
    for (std::uint64_t i = 0; i < 1 + seed % 3; ++i) mutations.apply(store() / "run.sqlite");
    for (const Result& result : all_verbs()) {
      EXPECT_TRUE(result.status == 0 || result.status == 1 || result.status == 2)
          << result.status << "\n"
          << result.output;
      if (result.status == 0) ++read;
      if (result.status != 0) {
        EXPECT_THAT(result.output, HasSubstr("convoy:"));
      }
    }
  }
  EXPECT_GT(read, 0);
}

// A run with two nodes, one of them real, as a real run would be recorded.
class ForeignRecordings : public ForeignStores {
 protected:
  ForeignRecordings() {
    scenario_ = folder_.write("s.toml", R"(
seed = 2
[fleet]
[[fleet.nodes]]
name = "a"
device = "jetson-agx-orin-32gb"
backend = "hil"
[[fleet.nodes]]
name = "b"
device = "jetson-orin-nano-8gb"
[model]
architecture = "mlp"
[data]
samples = 200
test_samples = 20
[training]
learn = true
local_steps = 1
[schedule]
kind = "fedavg"
[hil]
missing = "simulate"
join_timeout_s = 0.05
keep_updates = false
[stop]
tasks = 8
virtual_time_s = 100000
)");
    recorded_ = folder_.path() / "recorded";
    const Result result = convoy({"run", scenario_, "-o", recorded_, "--quiet", "--insecure",
                                  "--listen", "127.0.0.1:" + std::to_string(test::free_port())});
    EXPECT_EQ(result.status, 0) << result.output;
    SQLite::Database database(recorded_ / "run.sqlite", SQLite::OPEN_READWRITE);
    database.exec("UPDATE node_group SET backend = 'hil' WHERE name = 'a'");
    database.exec(
        "UPDATE activity SET real = 1, predicted_s = 1 WHERE node = 1 OR (node = 0 AND peer = 1)");
    database.exec("INSERT INTO presence VALUES (-1, 1, 1, 0)");
  }
  void make_recording() const {
    fs::remove_all(store());
    fs::create_directories(store());
    fs::copy(recorded_ / "run.sqlite", store() / "run.sqlite");
  }
  [[nodiscard]] Result replay() const {
    fs::remove_all(folder_.path() / "replayed");
    return convoy(
        {"run", scenario_, "--quiet", "-o", folder_.path() / "replayed", "--replay", store()});
  }
  std::string scenario_;
  fs::path recorded_;
};

TEST_F(ForeignRecordings, AreReplayedOrRefused) {
  make_recording();
  const Result sound = replay();
  ASSERT_EQ(sound.status, 0) << sound.output;
  for (const auto& [sql, why] : std::vector<std::pair<std::string, std::string>>{
           {"UPDATE presence SET node = 77", "\"presence\" has the node 77"},
           {"UPDATE activity SET node = -2", "\"activity\" has the node -2"},
           {"UPDATE activity SET end_s = 9e999", "\"activity\" speaks of the time"},
           {"UPDATE node_group SET samples = 9223372036854775807",
            "\"node_group\" has the samples"},
           {"UPDATE node_group SET id = 55 WHERE id = 2", "\"node_group\" has the id 55"},
           {"INSERT INTO node_group SELECT 3, 'x', device, mode, link, backend, memory_bytes, "
            "samples, batch, data, 1, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM node_group "
            "WHERE id = "
            "2",
            "4 nodes, its scenario 3"}}) {
    make_recording();
    change(sql);
    const Result result = replay();
    EXPECT_EQ(result.status, 2) << sql << result.output;
    EXPECT_THAT(result.output, HasSubstr(why));
  }
}

// Of data that a device alone has the number is known: any large one, and no update to go with it.
TEST_F(ForeignRecordings, OfDataThatNobodyHasAreRefused) {
  make_recording();
  change("UPDATE node_group SET samples = 1000000 WHERE id = 1");
  const Result result = replay();
  EXPECT_EQ(result.status, 2) << result.output;
  EXPECT_THAT(result.output, HasSubstr("node a learned from data of its own, and its updates"));
  // Also where they are as many as the scenario would have assigned.
  make_recording();
  change("UPDATE node_group SET data = 'own' WHERE id = 1");
  const Result as_many = replay();
  EXPECT_EQ(as_many.status, 2) << as_many.output;
  EXPECT_THAT(as_many.output, HasSubstr("node a learned from data of its own, and its updates"));
}

TEST_F(ForeignRecordings, WhateverIsInThemAReplayEnds) {
  const std::uint64_t first = std::random_device()();
  for (int round = 0; round < rounds(6); ++round) {
    const std::uint64_t seed = first + static_cast<std::uint64_t>(round);
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    make_recording();
    Mutations mutations(seed);
    for (std::uint64_t i = 0; i < 1 + seed % 3; ++i) mutations.apply(store() / "run.sqlite");
    const Result result = replay();
    EXPECT_TRUE(result.status == 0 || result.status == 1 || result.status == 2)
        << result.status << "\n"
        << result.output;
    if (result.status != 0) {
      EXPECT_THAT(result.output, HasSubstr("convoy:"));
    }
  }
}

}  // namespace
}  // namespace convoy
