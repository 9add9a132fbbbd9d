// Tests split schedules whose tasks do not all have room at the server at once: the key `memory`,
// and what the checks before a run say.

#include <gmock/gmock.h>

#include <set>

#include "sim/run/preflight.hpp"
#include "tests/support/scenario_run.hpp"

namespace convoy::sim {
namespace {

using test::ScenarioRun;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr int devices = 20;

// The server is a small device.
std::string scenario_of(const std::string& kind, const std::string& keys) {
  return R"(
name = "full"
seed = 3
[fleet]
server = { device = "jetson-nano", link = "gigabit", concurrent_computes = 0 }
[[fleet.nodes]]
device = "jetson-orin-nano-8gb"
count = 20
link = "gigabit"
[model]
architecture = "resnet18"
[data]
samples = 2560
[training]
learn = false
batch = 64
[schedule]
kind = ")" +
         kind + "\"\n[schedule." + kind + "]\n" + keys + R"(
[stop]
rounds = 1
)";
}

// How many have room at once, by the checks before a run; 0: they do not say.
int room_at_once(const std::string& toml, const std::string& what_others_do) {
  for (const std::string& text : preflight(test::read_or_fail(toml)).warnings) {
    const std::size_t at = text.find(" of the 20 tasks that are at work at once have room");
    if (at == std::string::npos) continue;
    EXPECT_THAT(text, HasSubstr("server has "));
    EXPECT_THAT(text, HasSubstr(": the others " + what_others_do));
    return std::stoi(text.substr(text.rfind(' ', at - 1)));
  }
  return 0;
}

TEST(FullServer, TasksWaitForRoomAndAllEnd) {
  const std::string toml = scenario_of("splitfed", "");
  const int room = room_at_once(toml, "wait until those before them have ended");
  EXPECT_GE(room, 1);
  EXPECT_LT(room, devices);
  const ScenarioRun run(toml);
  EXPECT_EQ(run.result().status, RunStatus::done) << run.result().cause;
  EXPECT_EQ(run.summary().tasks, devices);
  EXPECT_EQ(run.summary().tasks_failed, 0);
  const NodeSummary& server = run.summary().nodes[0];
  EXPECT_EQ(server.usage.memory_waits, devices - room);
  EXPECT_GT(server.usage.memory_wait_s, 0);
  EXPECT_LE(server.usage.peak_memory, server.memory_bytes);
  EXPECT_GT(server.usage.peak_memory, server.memory_bytes * room / (room + 2.0));
  // The store has them, by task and by node.
  const auto stored = [&](const std::string& query) {
    return std::stod(test::query_store(run.folder(), "SELECT " + query).at(0));
  };
  EXPECT_EQ(stored("memory_waits FROM node WHERE id = 0"), devices - room);
  EXPECT_EQ(stored("SUM(memory_waits) FROM node"), devices - room);
  EXPECT_TIME(stored("memory_wait_s FROM node WHERE id = 0"), server.usage.memory_wait_s);
  EXPECT_TIME(stored("SUM(memory_wait_s) FROM task"), server.usage.memory_wait_s);
  EXPECT_EQ(stored("COUNT(*) FROM task WHERE memory_wait_s > 0"), devices - room);
  EXPECT_TIME(stored("MAX(ABS(memory_wait_s - (SELECT MIN(ready_s) FROM activity WHERE task = "
                     "task.id) + assigned_s)) FROM task WHERE kind = 'update'"),
              0);
  EXPECT_THAT(run.summary().remarks, Contains(HasSubstr("work waited for memory: on server (")));
  // Equal tasks: they begin in the order of the nodes, as the tasks before them end.
  std::multiset<double> ends;
  for (const test::StoredActivity& a : run.activities("join")) ends.insert(a.end_s);
  std::vector<double> begins;
  for (const test::StoredActivity& a : run.activities("download")) begins.push_back(a.start_s);
  ASSERT_EQ(begins.size(), devices);
  std::sort(begins.begin(), begins.end());
  auto end = ends.begin();
  for (int i = 0; i < devices; ++i) {
    if (i < room) {
      EXPECT_EQ(begins[static_cast<std::size_t>(i)], 0);
    } else {
      const double ended = *end++;
      EXPECT_TIME(begins[static_cast<std::size_t>(i)], ended);
    }
  }
}

TEST(FullServer, TasksWithoutRoomAreRefused) {
  const std::string toml = scenario_of("splitfed", "memory = \"refuse\"");
  const int room = room_at_once(toml, "are refused");
  const ScenarioRun run(toml);
  EXPECT_EQ(run.result().status, RunStatus::done) << run.result().cause;
  EXPECT_EQ(run.summary().tasks, room);
  EXPECT_EQ(run.summary().nodes[0].usage.memory_waits, 0);
  EXPECT_THAT(run.summary().failures, ElementsAre(Pair("out_of_memory", devices - room)));
  EXPECT_THAT(run.summary().remarks, Contains(HasSubstr("was needed on server, where ")));
  for (const std::string& row : test::query_store(
           run.folder(), "SELECT time_s, detail FROM journal WHERE kind = 'task_failed'")) {
    EXPECT_THAT(row, testing::StartsWith("0"));
    EXPECT_THAT(row, HasSubstr("|out_of_memory needed="));
  }
}

// v2 has the server's part once, however many work at it: all have room. One batch steps it at a
// time.
TEST(FullServer, ASharedPartCountsOnce) {
  std::string toml = scenario_of("splitfed", "version = \"v2\"");
  EXPECT_THAT([&] { require_runnable(test::read_or_fail(toml)); },
              testing::ThrowsMessage<base::UserError>(
                  HasSubstr("fleet.server.concurrent_computes: the server's part")));
  const std::string at_once = ", concurrent_computes = 0";
  toml.erase(toml.find(at_once), at_once.size());
  EXPECT_EQ(room_at_once(toml, ""), 0);
  const ScenarioRun run(toml);
  EXPECT_EQ(run.summary().tasks, devices);
  EXPECT_EQ(run.summary().tasks_failed, 0);
}

// One at a time.
TEST(FullServer, SequentialSplitLearningNeverWaits) {
  const std::string toml = scenario_of("splitlearning", "");
  EXPECT_EQ(room_at_once(toml, ""), 0);
  const ScenarioRun run(toml);
  EXPECT_EQ(run.summary().nodes[0].usage.memory_waits, 0);
  EXPECT_EQ(run.summary().tasks_failed, 0);
}

}  // namespace
}  // namespace convoy::sim
