#include "engine/data/partition.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <ostream>
#include <random>
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

TEST(Partition, NobodyHasFewerThanTheLeast) {
  const std::uint32_t seed = std::random_device()();
  std::cerr << "seed " << seed << "\n";
  std::mt19937 random(seed);
  for (int trial = 0; trial < 200; ++trial) {
    const int classes = 2 + static_cast<int>(random() % 20);
    const int nodes = 1 + static_cast<int>(random() % 120);
    const auto all = labels(static_cast<int>(random() % 3000), classes);
    PartitionOptions options{random() % 2 == 0 ? PartitionKind::dirichlet : PartitionKind::sizes,
                             std::pow(10.0, -3 + static_cast<double>(random() % 50) / 10)};
    options.least = static_cast<std::int64_t>(random() % 20);
    PartitionReport report;
    const auto parts = partition(all, classes, nodes, options, random(), &report);
    const auto least = std::min<std::int64_t>(options.least, static_cast<int>(all.size()) / nodes);
    std::set<std::int64_t> seen;
    for (const auto& part : parts) {
      EXPECT_GE(static_cast<std::int64_t>(part.size()), least)
          << nodes << " nodes, alpha " << options.alpha;
      EXPECT_TRUE(std::is_sorted(part.begin(), part.end()));
      seen.insert(part.begin(), part.end());
    }
    EXPECT_EQ(seen.size(), all.size()) << "a sample is lost or there twice";
    EXPECT_EQ(report.moved > 0, report.short_nodes > 0);
    EXPECT_LE(report.draws, redraws);
  }
}

TEST(Partition, ADrawThatGivesEnoughIsTakenAsItIs) {
  // If a draw gives every node enough, `least` does not change the result.
  const std::vector<int> all = labels(5000, 10);
  PartitionOptions options{PartitionKind::dirichlet, 1.0};
  options.least = 0;
  const auto free = partition(all, 10, 8, options, 3);
  options.least = 1;
  PartitionReport report;
  EXPECT_EQ(partition(all, 10, 8, options, 3, &report), free);
  EXPECT_EQ(report.draws, 1);
  EXPECT_EQ(report.moved, 0);
}

// Shares of the classes within a part follow Dirichlet(alpha) over nodes: the mean share of a class
// at a node is 1 / nodes, its variance (1 / n)(1 - 1 / n) / (n alpha + 1) (of the symmetric
// Dirichlet distribution; Johnson and Kotz).
TEST(Partition, DirichletSharesHaveTheirDistribution) {
  const std::uint64_t seed = std::random_device()();
  std::cerr << "seed " << seed << "\n";
  constexpr int classes = 10;
  constexpr int nodes = 8;
  constexpr int each = 1000;  // samples per class
  const std::vector<int> all = labels(classes * each, classes);
  for (const double alpha : {0.1, 1.0, 10.0}) {
    PartitionOptions options{PartitionKind::dirichlet, alpha};
    options.least = 0;
    double sum = 0;
    double squares = 0;
    double between = 0;  // products of the shares of two classes at one node
    int count = 0;
    constexpr int draws = 300;
    for (int draw = 0; draw < draws; ++draw) {
      const auto parts =
          partition(all, classes, nodes, options, seed + static_cast<unsigned>(draw));
      for (const auto& part : parts) {
        std::vector<double> shares(classes, 0);
        for (const auto i : part) shares[static_cast<std::size_t>(all[i])] += 1.0 / each;
        for (const double s : shares) {
          sum += s;
          squares += s * s;
          ++count;
        }
        between += shares[0] * shares[1];
      }
    }
    const double mean = 1.0 / nodes;
    const double variance = mean * (1 - mean) / (nodes * alpha + 1);
    EXPECT_NEAR(sum / count, mean, 1e-12) << alpha;
    // 24,000 shares, those of a class not independent: 5 sigma are about 6 %.
    EXPECT_NEAR(squares / count - mean * mean, variance, 0.06 * variance) << alpha;
    // Each class is drawn separately: the shares of two classes are not correlated.
    EXPECT_NEAR(between / (draws * nodes), mean * mean, 5 * variance / std::sqrt(draws * nodes))
        << alpha;
  }
}

TEST(Partition, ShardsAreOfTheLabelsInTheirOrder) {
  const std::uint64_t seed = std::random_device()();
  std::cerr << "seed " << seed << "\n";
  std::mt19937_64 random(seed);
  for (int trial = 0; trial < 50; ++trial) {
    const int classes = 2 + static_cast<int>(random() % 10);
    const int nodes = 1 + static_cast<int>(random() % 20);
    const int shards = 1 + static_cast<int>(random() % 4);
    const int pieces = nodes * shards;
    // Each piece has one class: a node has at most as many classes as pieces, and of each class a
    // multiple of a piece.
    const int size = 1 + static_cast<int>(random() % 9);
    const int per_class = size * (1 + static_cast<int>(random() % 5));
    std::vector<int> all;
    for (int i = 0; i < pieces * size; ++i) all.push_back((i / per_class) % classes);
    std::shuffle(all.begin(), all.end(), random);
    std::vector<int> of_class(static_cast<std::size_t>(classes));
    for (const int label : all) ++of_class[static_cast<std::size_t>(label)];
    PartitionOptions options{PartitionKind::shards};
    options.shards = shards;
    const auto parts = partition(all, classes, nodes, options, random());
    std::vector<int> pieces_of_class(static_cast<std::size_t>(classes));
    for (const auto& part : parts) {
      ASSERT_EQ(part.size(), static_cast<std::size_t>(shards * size));
      std::map<int, int> counts;
      for (const auto i : part) ++counts[all[static_cast<std::size_t>(i)]];
      EXPECT_LE(counts.size(), static_cast<std::size_t>(shards));
      for (const auto& [label, count] : counts) {
        EXPECT_EQ(count % size, 0) << "a piece of two classes";
        pieces_of_class[static_cast<std::size_t>(label)] += count / size;
      }
    }
    for (int c = 0; c < classes; ++c) {
      EXPECT_EQ(pieces_of_class[static_cast<std::size_t>(c)] * size,
                of_class[static_cast<std::size_t>(c)]);
    }
  }
}

TEST(Partition, WhoGetsWhichShardsIsDrawn) {
  const std::vector<int> all = labels(100, 10);  // ten samples per class: a piece is a whole class
  std::set<std::set<int>> of_the_first;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto parts = partition(all, 10, 5, {PartitionKind::shards, 1, 2}, seed);
    std::set<int> classes;
    for (const auto i : parts[0]) classes.insert(all[static_cast<std::size_t>(i)]);
    EXPECT_EQ(classes.size(), 2);
    of_the_first.insert(classes);
  }
  EXPECT_GT(of_the_first.size(), 20) << "of 45 pairs, of which 50 draws give some 30";
}

TEST(Partition, UnequalSizesKeepTheMixOfTheClasses) {
  const std::vector<int> all = labels(20'000, 4);
  PartitionOptions options{PartitionKind::sizes, 0.5};
  for (const auto& part : partition(all, 4, 6, options, 9)) {
    if (part.size() < 1000) continue;
    std::vector<double> counts(4);
    for (const auto i : part) counts[static_cast<std::size_t>(all[i])] += 1;
    for (const double c : counts) {
      // 6 sigma of a multinomial draw.
      EXPECT_NEAR(c / static_cast<double>(part.size()), 0.25,
                  6 * std::sqrt(0.1875 / static_cast<double>(part.size())));
    }
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
