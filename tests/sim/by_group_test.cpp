// Values by groups of nodes behave as one value for each node, whatever is done to them.

#include "sim/task/by_group.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.hpp"
#include "sim/task/node_name.hpp"

namespace convoy::sim {
namespace {

using testing::ElementsAreArray;

std::vector<int> all(const ByGroup<int>& values) { return {values.begin(), values.end()}; }

void expect_same(const ByGroup<int>& values, const std::vector<int>& plain) {
  ASSERT_EQ(values.size(), plain.size());
  EXPECT_THAT(all(values), ElementsAreArray(plain));
  std::size_t seen = 0;
  for (std::size_t g = 0; g < values.group_count(); ++g) {
    const auto group = values.group(g);
    ASSERT_EQ(group.first, seen);
    ASSERT_GT(group.end, group.first);
    seen = group.end;
  }
  EXPECT_EQ(seen, plain.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_EQ(values[i], plain[i]);
    EXPECT_EQ(*values.group_of(i).value, plain[i]);
  }
}

// Copies are taken and changed meanwhile: neither side may see what the other does.
TEST(ByGroup, IsAsOneValueForEach) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    base::Random random({seed, 0x6772ULL});
    ByGroup<int> values;
    std::vector<int> plain;
    ByGroup<int> copy;
    std::vector<int> plain_copy;
    for (int step = 0; step < 60; ++step) {
      const int value = static_cast<int>(random.below(4));
      switch (random.below(8)) {
        case 0: {
          const std::size_t count = random.below(6);
          values.append(value, count);
          plain.insert(plain.end(), count, value);
          break;
        }
        case 1:
          values.push_back(value);
          plain.push_back(value);
          break;
        case 2:
          values.add(value);
          plain.push_back(value);
          break;
        case 3:
          if (plain.empty()) break;
          values.repeat_last();
          plain.push_back(plain.back());
          break;
        case 4: {
          const std::size_t nodes = random.below(plain.size() + 3);
          values.resize(nodes);
          plain.resize(nodes);
          break;
        }
        case 5:
          copy = values;
          plain_copy = plain;
          break;
        case 6:
          values.change_all([](int& each) { each += 10; });
          for (int& each : plain) each += 10;
          break;
        default:
          if (plain.empty()) break;
          const std::size_t node = random.below(plain.size());
          values[node] = value;
          plain[node] = value;
      }
      expect_same(values, plain);
      expect_same(copy, plain_copy);
    }
  }
}

TEST(ByGroup, KeepsOneValueForAMillion) {
  ByGroup<std::string> values;
  values.push_back("server");
  values.append("worker", 1'000'000);
  EXPECT_EQ(values.group_count(), 2);
  const std::string& last = std::as_const(values)[1'000'000];
  values[500'000] = "other";
  EXPECT_EQ(values.group_count(), 4);
  EXPECT_EQ(&last, &std::as_const(values)[1]) << "a reference outlives changes of other nodes";
  EXPECT_EQ(std::as_const(values)[500'000], "other");
}

TEST(NodeName, IsWrittenOrFollowsFromThePlace) {
  EXPECT_EQ(NodeName("server").of(0), "server");
  EXPECT_EQ(NodeName("orin-7").of(12), "orin-7");
  const NodeName numbered = NodeName::numbered("orin", 3, 10);
  EXPECT_EQ(numbered.of(10), "orin-3");
  EXPECT_EQ(numbered.of(1'000'010), "orin-1000003");
  EXPECT_EQ(numbered.number(11), 4);
  EXPECT_EQ(NodeName("orin-7").number(12), std::nullopt);
}

}  // namespace
}  // namespace convoy::sim
