// Tests what the store keeps of the time series that drove the nodes.

#include "sim/run/trace_rows.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platforms/traces/signal.hpp"
#include "tests/support/files.hpp"

namespace convoy::sim {
namespace {

using platforms::Column;

std::shared_ptr<platforms::Trace> steps() {
  auto trace = std::make_shared<platforms::Trace>();
  trace->time = {0, 1, 2, 3};
  trace->values[static_cast<std::size_t>(Column::speed)] = {1, 0.5, 0.5, 1};
  trace->values[static_cast<std::size_t>(Column::power_w)] = {5, 6, 7, 8};
  return trace;
}

std::vector<std::pair<double, double>> of(const std::vector<TraceRow>& rows, std::int64_t node,
                                          const std::string& column) {
  std::vector<std::pair<double, double>> values;
  for (const TraceRow& row : rows) {
    if (row.node == node && row.column == column) values.emplace_back(row.time_s, row.value);
  }
  return values;
}

using Values = std::vector<std::pair<double, double>>;

TEST(TraceRows, AreTheChangesInVirtualTimeAsTheTraceWasUsed) {
  WorldConfig world;
  world.nodes.resize(4);
  world.nodes[1].behaviour.trace = steps();
  world.nodes[2].behaviour.trace = steps();
  world.nodes[2].behaviour.trace_use.start_s = 10;
  world.nodes[3].behaviour.trace = steps();
  world.nodes[3].behaviour.trace_use.loop = true;
  world.nodes[3].behaviour.trace_use.to_s = 2;
  const std::vector<TraceRow> rows = trace_rows(world, 5);
  EXPECT_EQ(of(rows, 0, "speed"), Values());
  EXPECT_EQ(of(rows, 1, "speed"), (Values{{0, 1}, {1, 0.5}, {3, 1}})) << "equal values once";
  EXPECT_EQ(of(rows, 1, "power_w"), (Values{{0, 5}, {1, 6}, {2, 7}, {3, 8}}));
  EXPECT_EQ(of(rows, 2, "power_w"), Values()) << "it begins after the end";
  EXPECT_EQ(of(rows, 3, "power_w"), (Values{{0, 5}, {1, 6}, {2, 5}, {3, 6}, {4, 5}}));
}

TEST(TraceRows, OfALongTraceAreThinnedOut) {
  auto trace = std::make_shared<platforms::Trace>();
  for (int i = 0; i < 50'000; ++i) {
    trace->time.push_back(i);
    trace->values[static_cast<std::size_t>(Column::speed)].push_back(i % 2 == 0 ? 1 : 0.5);
  }
  WorldConfig world;
  world.nodes.resize(2);
  world.nodes[1].behaviour.trace = trace;
  const platforms::Signal signal(trace, Column::speed, {}, 1);
  const std::vector<TraceRow> rows = trace_rows(world, 49'999);
  EXPECT_LE(rows.size(), 1'000U);
  for (const TraceRow& row : rows) EXPECT_EQ(row.value, signal.at(row.time_s).value);
}

TEST(TraceRows, AreInTheStoreOfARun) {
  const test::TemporaryFolder folder;
  const std::string run = (folder.path() / "r").string();
  const test::Output output = test::convoy(
      "run " CONVOY_SOURCE "/scenarios/replay.toml --quiet --set stop.tasks=20 -o " + run);
  ASSERT_EQ(output.status, 0) << output.err;
  SQLite::Database store(run + "/run.sqlite", SQLite::OPEN_READONLY);
  EXPECT_EQ(store.execAndGet("SELECT COUNT(DISTINCT node) FROM trace").getInt(), 10);
  EXPECT_EQ(
      store.execAndGet("SELECT COUNT(*) FROM trace, run WHERE time_s > virtual_time_s").getInt(),
      0);
  EXPECT_EQ(
      store
          .execAndGet("SELECT GROUP_CONCAT(DISTINCT column) FROM trace JOIN node ON node = id "
                      "WHERE name = 'volunteer-0'")
          .getString(),
      "available");
}

}  // namespace
}  // namespace convoy::sim
