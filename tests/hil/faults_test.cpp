// Tests broken connections, by a relay and (as root) in a network namespace.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/hil/testbed_run.hpp"
#include "tests/support/proxy.hpp"

namespace convoy {
namespace {

using test::Output;
using test::Proxy;
using test::TestbedRun;
using testing::HasSubstr;

class Faults : public testing::Test, protected TestbedRun {
 protected:
  Faults() : link(port) {
    agent_port = link.port();
    sets.push_back("fleet.nodes.1.backend=sim");
    train_long();
    sets.push_back("stop.tasks=12");
    sets.push_back("schedule.cos2p.quorum=1.0");
  }

  // Waits until the agent trains.
  bool trains() {
    return test::eventually([&] {
      try {
        return query("real",
                     "SELECT COUNT(*) FROM activity WHERE node = 1 AND label = 'mask'")[0] != "0";
      } catch (const std::exception&) {
        return false;  // the store does not exist yet
      }
    });
  }
  void expect_the_whole_run_over_200_ms() {
    auto& real = coordinator("real");
    ASSERT_EQ(real.wait(200), 0) << real.output();
    EXPECT_EQ(aggregated("real")["a"], 4);
    const auto seconds = query("real",
                               "SELECT MIN(end_s - start_s) FROM activity WHERE label = "
                               "'download' AND real = 1");
    EXPECT_GE(std::stod(seconds[0]), 0.2) << "a download and its receipt cross the link twice";
    expect_replay();
  }

  Proxy link;
};

TEST_F(Faults, ALinkThatIsCutForAWhileCostsNothingButTime) {
  agent("a");
  auto& real = coordinator("real");
  ASSERT_TRUE(trains()) << real.output();
  link.set(Proxy::Link::cut);
  ASSERT_TRUE(agents["a"]->says("not connected"));
  link.set(Proxy::Link::up);
  ASSERT_EQ(real.wait(150), 0) << real.output();
  EXPECT_EQ(query("real", "SELECT COUNT(*) FROM journal WHERE kind = 'node_lost'")[0], "0")
      << real.output();
  EXPECT_EQ(aggregated("real")["a"], 4);
  expect_replay();
}

TEST_F(Faults, ALinkThatIsCutForGoodIsDoneWithout) {
  sets.push_back("hil.lost_after_s=1");
  sets.push_back("hil.rejoin_timeout_s=1");
  without_end();
  agent("a");
  auto& real = coordinator("real");
  ASSERT_TRUE(trains()) << real.output();
  link.set(Proxy::Link::cut);
  ASSERT_TRUE(real.says("lost for good")) << real.output();
  // The other nodes continue.
  ASSERT_TRUE(reaches("real",
                      "SELECT COUNT(*) FROM aggregation WHERE start_s > (SELECT MAX(time_s) FROM "
                      "presence WHERE for_good = 1)",
                      1))
      << real.output();
  expect_interrupted(real);
  EXPECT_NE(query("real", "SELECT COUNT(*) FROM journal WHERE kind = 'node_lost'")[0], "0");
  // The log names the node, the task, its time and the prediction.
  EXPECT_THAT(real.output(),
              testing::ContainsRegex("node a, task [0-9]+, [a-z]+: after .*predicted"));
  expect_replay_of_interrupted();
}

TEST_F(Faults, AHalfOpenLinkIsNoticedAndTheNodeJoinsAgain) {
  sets.push_back("hil.lost_after_s=1.5");
  without_end();
  agent("a");
  auto& real = coordinator("real");
  ASSERT_TRUE(trains()) << real.output();
  link.set(Proxy::Link::stalled);
  ASSERT_TRUE(real.says("is lost")) << real.output();
  link.set(Proxy::Link::up);
  ASSERT_TRUE(reaches("real", "SELECT COUNT(*) FROM journal WHERE kind = 'node_joined'", 1))
      << real.output();
  ASSERT_TRUE(
      reaches("real", "SELECT COUNT(*) FROM task WHERE node = 1 AND outcome = 'aggregated'", 1))
      << real.output();
  expect_interrupted(real);
  EXPECT_GT(aggregated("real")["a"], 0);
  expect_replay_of_interrupted();
}

TEST_F(Faults, ALatencyOf200MillisecondsOnlyTakesLonger) {
  sets.push_back("training.local_epochs=2");
  link.delay(0.1);
  agent("a");
  expect_the_whole_run_over_200_ms();
}

// 200 ms round trip, and losses. The namespace has only its own loopback.
TEST_F(Faults, ASlowAndLossyLinkOnlyTakesLonger) {
  const auto quietly = [](const std::string& command) {
    return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
  };
  if (::geteuid() != 0) GTEST_SKIP() << "needs root for a network namespace";
  netns = "convoy-test-" + std::to_string(::getpid());
  if (!quietly("ip netns add " + netns)) GTEST_SKIP() << "no network namespaces here";
  struct Namespace {
    std::string name;
    ~Namespace() { std::system(("ip netns del " + name).c_str()); }
  } const space{netns};
  const std::string inside = "ip netns exec " + netns + " ";
  if (!quietly(inside + "ip link set lo up") ||
      !quietly(inside + "tc qdisc add dev lo root netem delay 100ms loss 2%")) {
    GTEST_SKIP() << "no netem here";
  }
  agent_port = port;
  sets.push_back("hil.heartbeat_s=1");
  sets.push_back("training.local_epochs=2");
  sets.push_back("hil.join_timeout_s=100");
  agent("a");
  expect_the_whole_run_over_200_ms();
}

}  // namespace
}  // namespace convoy
