#include "engine/data/partition.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <set>

namespace convoy::engine {

std::ostream& operator<<(std::ostream& out, PartitionKind kind) {
  return out << "kind " << static_cast<int>(kind);
}

namespace {

std::vector<int> labels(int count, int classes) {
  std::vector<int> all(count);
  for (int i = 0; i < count; ++i) all[i] = i % classes;
  return all;
}

class Partitions : public testing::TestWithParam<PartitionKind> {};

TEST_P(Partitions, GiveEverySampleToExactlyOneNodeAndDependOnTheSeedAlone) {
  const std::vector<int> all = labels(1009, 10);
  const PartitionOptions options{GetParam(), 0.3, 2};
  const auto parts = partition(all, 10, 16, options, 5);
  std::set<std::int64_t> seen;
  std::size_t count = 0;
  for (const auto& part : parts) {
    EXPECT_TRUE(std::is_sorted(part.begin(), part.end()));
    count += part.size();
    seen.insert(part.begin(), part.end());
  }
  EXPECT_EQ(count, all.size());
  EXPECT_EQ(seen.size(), all.size());
  EXPECT_EQ(parts, partition(all, 10, 16, options, 5));
  EXPECT_NE(parts, partition(all, 10, 16, options, 6));
}

INSTANTIATE_TEST_SUITE_P(Kinds, Partitions,
                         testing::Values(PartitionKind::iid, PartitionKind::dirichlet,
                                         PartitionKind::shards, PartitionKind::sizes));

TEST(Partition, IidSizesDifferByOneAtMost) {
  for (const auto& part : partition(labels(1000, 10), 10, 16, {}, 1)) {
    EXPECT_GE(part.size(), 62);
    EXPECT_LE(part.size(), 63);
  }
}

TEST(Partition, ShardsHoldFewClasses) {
  const std::vector<int> all = labels(1600, 10);
  for (const auto& part : partition(all, 10, 16, {PartitionKind::shards, 1, 2}, 1)) {
    std::set<int> classes;
    for (const auto i : part) classes.insert(all[i]);
    EXPECT_LE(classes.size(), 4);
    EXPECT_EQ(part.size(), 100);
  }
}

TEST(Partition, ASmallAlphaIsMoreUnequalThanALargeOne) {
  const auto spread = [](double alpha) {
    std::size_t least = 1000;
    std::size_t most = 0;
    for (const auto& part :
         partition(labels(1000, 10), 10, 10, {PartitionKind::dirichlet, alpha, 2}, 3)) {
      least = std::min(least, part.size());
      most = std::max(most, part.size());
    }
    return most - least;
  };
  EXPECT_GT(spread(0.1), 3 * spread(100));
}

}  // namespace
}  // namespace convoy::engine
