// Rows that stand for several nodes give each node what a row of its own would have given it.

#include "sim/store/node_groups.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.hpp"
#include "sim/store/foreign_store.hpp"
#include "sim/store/sql.hpp"
#include "tests/support/files.hpp"
#include "tests/support/scenario_run.hpp"

namespace convoy::sim {
namespace {

// A random fleet with its ends, once by groups and once with everything written out.
struct Case {
  std::vector<NodeRow> groups;
  std::vector<NodeEnd> ends;
  std::vector<std::string> names;
  std::vector<double> memory;
  std::vector<double> busy;  // -1: no end is known
};

Case random_case(std::uint64_t seed) {
  base::Random random({seed, 0x726f7773ULL});
  Case c;
  const auto groups = 1 + random.below(6);
  for (std::uint64_t g = 0; g < groups; ++g) {
    const auto id = static_cast<std::int64_t>(c.names.size());
    NodeRow row{.id = id, .name = fmt::format("n{}", g), .memory_bytes = 1.0 + double(g)};
    const bool is_numbered = random.below(3) > 0;
    row.span.alike = is_numbered ? static_cast<std::int64_t>(1 + random.below(9)) : 1;
    if (is_numbered) row.span.number = static_cast<std::int64_t>(random.below(5));
    for (std::int64_t i = 0; i < row.span.alike; ++i) {
      c.names.push_back(is_numbered ? fmt::format("{}-{}", row.name, *row.span.number + i)
                                    : row.name);
      c.memory.push_back(row.memory_bytes);
    }
    c.groups.push_back(std::move(row));
  }
  for (std::size_t id = 0; id < c.names.size();) {
    const std::size_t alike = std::min<std::size_t>(1 + random.below(5), c.names.size() - id);
    const double busy = random.below(4) == 0 ? -1 : random.uniform();
    if (busy >= 0) {
      c.ends.push_back({.id = static_cast<std::int64_t>(id),
                        .busy_s = busy,
                        .tasks = 3,
                        .alike = static_cast<std::int64_t>(alike)});
    }
    c.busy.insert(c.busy.end(), alike, busy);
    id += alike;
  }
  base::shuffle(c.ends, random);
  return c;
}

TEST(NodeGroups, AreAsRowsOfTheirOwn) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Case c = random_case(seed);
    const test::TemporaryFolder folder;
    {
      StoreWriter store(folder.path(), {"n", "s", 1, "", "0", "0", ""}, c.groups, StoreMode::create,
                        false);
      const std::vector<std::string> at_first =
          test::query_store(folder.path(), "SELECT name FROM node");
      EXPECT_EQ(at_first, c.names);
      store.finish({RunStatus::done, "", 100}, c.ends, {});
    }
    std::vector<std::string> expected;
    for (std::size_t i = 0; i < c.names.size(); ++i) {
      expected.push_back(fmt::format("{}|{}|{:.1f}|{}", i, c.names[i], c.memory[i],
                                     c.busy[i] < 0 ? "none" : fmt::format("{:.9f}", c.busy[i])));
    }
    EXPECT_EQ(test::query_store(folder.path(),
                                "SELECT id, name, memory_bytes, CASE WHEN busy_s IS NULL THEN "
                                "'none' ELSE printf('%.9f', busy_s) END FROM node"),
              expected)
        << seed;
    // The readers here, which do not use the view.
    read_store(folder.path(), [&](ForeignStore& store) {
      std::size_t i = 0;
      for_each_node(read_node_groups("file", store.database()),
                    [&](const NodeRow& row, const NodeEnd* end) {
                      ASSERT_LT(i, c.names.size());
                      EXPECT_EQ(row.id, static_cast<std::int64_t>(i));
                      EXPECT_EQ(row.name, c.names[i]);
                      EXPECT_EQ(row.span, NodeSpan{});
                      EXPECT_EQ(end == nullptr, c.busy[i] < 0);
                      if (end != nullptr) EXPECT_EQ(end->busy_s, c.busy[i]);
                      if (end != nullptr) EXPECT_EQ(end->id, row.id);
                      ++i;
                    });
      EXPECT_EQ(i, c.names.size());
      for (std::size_t node = 0; node < c.names.size(); ++node) {
        EXPECT_EQ(
            store.database().execAndGet("SELECT " + name_in_sql(std::to_string(node))).getString(),
            c.names[node]);
      }
      return 0;
    });
  }
}

}  // namespace
}  // namespace convoy::sim
