// Tests which node gets work next: limits, fairness, repeatability.

#include "sim/schedule/turns.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <deque>

namespace convoy::sim {
namespace {

HowMany read(const std::string& toml, std::string* said = nullptr) {
  base::Diagnostics problems;
  const base::Value root = base::parse_toml(toml, "t.toml", problems);
  base::TableReader reader(root, "", problems);
  const HowMany many = read_at_work(reader);
  if (said != nullptr) *said = problems.str();
  return many;
}

TEST(HowMany, IsANumberOrAShare) {
  EXPECT_TRUE(read("").is_all());
  EXPECT_EQ(read("").of(7), 7);
  EXPECT_EQ(read("at_work = 3").of(2), 3);
  EXPECT_EQ(read("at_work = 2.0").of(10), 2);
  EXPECT_EQ(read("at_work = 1").of(10), 1);
  EXPECT_EQ(read("at_work = 1.0").of(10), 10);
  EXPECT_EQ(read("at_work = 0.25").of(10), 3);  // 2.5, rounded up
  EXPECT_EQ(read("at_work = 0.25").of(1), 1);   // but at least one
  for (const char* wrong : {"at_work = 0", "at_work = -0.5", "at_work = 1.5", "at_work = true"}) {
    std::string said;
    read(wrong, &said);
    EXPECT_NE(said, "") << wrong;
  }
}

TEST(Turns, WithoutALimitAllAreAskedInOrder) {
  Turns turns(1, 5, {});
  for (const NodeId node : {3, 1, 4, 2}) turns.rests(node);
  std::vector<NodeId> asked;
  while (const auto node = turns.next()) asked.push_back(*node);
  EXPECT_EQ(asked, (std::vector<NodeId>{1, 2, 3, 4}));
}

// For any events: never more nodes at work than the limit when a node is chosen; no node waits
// below the limit; the chosen node has begun no more tasks than any waiting node.
TEST(Turns, KeepTheirPromisesInAnyOrderOfEvents) {
  EXPECT_TRUE(rc::check([] {
    const int workers = *rc::gen::inRange(1, 9);
    HowMany limit;
    if (*rc::gen::arbitrary<bool>()) {
      limit.number = *rc::gen::inRange(1, 10);
    } else {
      limit.share = *rc::gen::inRange(1, 11) / 10.0;
    }
    Turns turns(*rc::gen::arbitrary<std::uint64_t>(), workers + 1, limit);
    std::vector<int> begun(workers + 1, 0);
    std::vector<bool> there(workers + 1, true);
    std::vector<bool> working(workers + 1, false);
    const auto count = [](const std::vector<bool>& of) {
      return std::count(of.begin() + 1, of.end(), true);
    };
    for (NodeId node = 1; node <= workers; ++node) turns.rests(node);
    for (int step = 0; step < 100; ++step) {
      while (const auto node = turns.next()) {
        RC_ASSERT(there[*node] && !working[*node]);
        for (NodeId other = 1; other <= workers; ++other) {
          RC_ASSERT(!there[other] || working[other] || begun[*node] <= begun[other]);
        }
        working[*node] = true;
        ++begun[*node];
        RC_ASSERT(std::size_t(count(working)) <= limit.of(count(there)));
      }
      RC_ASSERT(turns.at_work() == std::size_t(count(working)));
      // Nodes rest only because of the limit.
      bool waits = false;
      for (NodeId node = 1; node <= workers; ++node) waits |= there[node] && !working[node];
      RC_ASSERT(!waits || turns.at_work() >= limit.of(count(there)));
      const NodeId node = *rc::gen::inRange(1, workers + 1);
      if (*rc::gen::inRange(0, 4) == 0) {
        there[node] ? turns.lost(node) : turns.joined(node);
        there[node] = !there[node];
      }
      if (working[node]) turns.ended(node);
      working[node] = false;
      turns.rests(node);  // ignored for an absent node
    }
  }));
}

// Equal nodes with equal tasks: over 3,000 tasks the numbers of their tasks differ by at most one.
TEST(Turns, AreFair) {
  for (const int limit : {1, 2, 3, 6, 7}) {
    Turns turns(5, 8, {.number = limit});
    for (NodeId node = 1; node <= 7; ++node) turns.rests(node);
    std::vector<int> begun(8, 0);
    std::deque<NodeId> working;
    for (int task = 0; task < 3000; ++task) {
      while (const auto node = turns.next()) {
        ++begun[*node];
        working.push_back(*node);
      }
      EXPECT_EQ(std::ssize(working), limit);
      turns.ended(working.front());
      turns.rests(working.front());
      working.pop_front();
      const auto [least, most] = std::minmax_element(begun.begin() + 1, begun.end());
      ASSERT_LE(*most - *least, 1) << limit;
    }
  }
}

TEST(Turns, AreDrawnByTheSeed) {
  const auto order = [](std::uint64_t seed) {
    Turns turns(seed, 21, {.number = 3});
    for (NodeId node = 1; node <= 20; ++node) turns.rests(node);
    std::vector<NodeId> asked;
    while (asked.size() < 100) {
      while (const auto node = turns.next()) asked.push_back(*node);
      const NodeId first = asked[asked.size() - 3];
      turns.ended(first);
      turns.rests(first);
    }
    return asked;
  };
  EXPECT_EQ(order(1), order(1));
  EXPECT_NE(order(1), order(2));
}

}  // namespace
}  // namespace convoy::sim
