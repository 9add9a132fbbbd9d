// Tests split tasks of real agents over loopback: whatever happens to an agent, its link or the
// coordinator in the middle of a batch, nothing counts twice, and the run can be replayed.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>

#include "tests/hil/testbed_run.hpp"
#include "tests/support/proxy.hpp"

namespace convoy {
namespace {

using test::Output;
using test::Proxy;
using test::TestbedRun;
using testing::HasSubstr;

constexpr const char* lost = "SELECT COUNT(*) FROM journal WHERE kind = 'node_lost'";

class SplitFaults : public testing::Test, protected TestbedRun {
 protected:
  SplitFaults() : link(port) {
    agent_port = link.port();
    sets.insert(sets.end(), {"schedule.kind=splitfed", "schedule.splitfed.cut=4",
                             "model.exits=[1.0]", "training.local_epochs=6", "stop.tasks=6"});
  }

  void agents_a_and_b() {
    agent("a");
    agent_port = port;
    agent("b");
    agent_port = link.port();
  }
  // Waits until node a is in the middle of its batches, after those that are there already.
  bool trains(int more = 3) {
    const std::string count =
        "SELECT COUNT(*) FROM activity WHERE node = 1 AND label = 'backward' AND cause = ''";
    int before = 0;
    try {
      before = std::stoi(query("real", count)[0]);
    } catch (const std::exception&) {  // there is no store yet
    }
    return reaches("real", count, before + more);
  }
  void expect_same_model() const {
    EXPECT_TRUE(test::read_file(in("real") + "/model.safetensors") ==
                test::read_file(in("replay") + "/model.safetensors"));
  }
  // Each batch of a task that counts has its activities once.
  void expect_nothing_twice() const {
    EXPECT_EQ(query("real",
                    "SELECT COUNT(*) FROM (SELECT task, activity, COUNT(*) AS n FROM activity "
                    "WHERE cause = '' GROUP BY task, activity, iteration) WHERE n > 1")[0],
              "0");
  }
  void expect_whole_run(test::Program& real) {
    ASSERT_EQ(real.wait(200), 0) << real.output();
    EXPECT_EQ(query("real", lost)[0], "0") << real.output();
    EXPECT_EQ(aggregated("real")["a"], 2) << real.output() << agents["a"]->output();
    expect_nothing_twice();
    expect_replay();
    expect_same_model();
  }

  // As the agent's log says.
  int times_cut_off() {
    const std::string log = agents["a"]->output();
    int times = 0;
    for (std::size_t at = 0; (at = log.find("not connected", at)) != std::string::npos; ++at)
      ++times;
    return times;
  }

  Proxy link;
};

TEST_F(SplitFaults, AMeasuredRunIsReplayedAndComparedWithTheSimulation) {
  agents_a_and_b();
  auto& real = coordinator("real");
  expect_whole_run(real);
  EXPECT_EQ(
      query("real",
            "SELECT COUNT(*) FROM activity WHERE node = 0 AND label = 'server' AND real = 1")[0],
      "0")
      << "the server's computing takes the time of its profile";
  for (const char* label : {"forward", "activations", "gradients", "backward", "take", "upload"}) {
    EXPECT_NE(
        query("real", std::string("SELECT COUNT(*) FROM activity WHERE real = 1 AND label = '") +
                          label + "'")[0],
        "0")
        << label;
  }
  std::erase_if(sets, [](const std::string& set) { return set.ends_with("backend=hil"); });
  const Output simulated = convoy_with("-o " + in("simulated"));
  ASSERT_EQ(simulated.status, 0) << simulated.err;
  // What is learned does not depend on how long it took.
  EXPECT_TRUE(test::read_file(in("real") + "/model.safetensors") ==
              test::read_file(in("simulated") + "/model.safetensors"));
  const Output compared = test::convoy("compare " + in("simulated") + " " + in("real"));
  EXPECT_EQ(compared.status, 0) << compared.err;
  EXPECT_THAT(compared.out, HasSubstr("activations"));
}

TEST_F(SplitFaults, ARunWithoutKeptUpdatesIsReplayedByTrainingAgain) {
  sets.push_back("hil.keep_updates=false");
  agents_a_and_b();
  auto& real = coordinator("real");
  ASSERT_EQ(real.wait(200), 0) << real.output();
  expect_replay();
  expect_same_model();
}

TEST_F(SplitFaults, ALinkThatIsCutInTheMiddleOfBatchesCostsNothingButTime) {
  agents_a_and_b();
  auto& real = coordinator("real");
  for (int cuts = 0; cuts < 3; ++cuts) {
    ASSERT_TRUE(trains()) << real.output();
    link.set(Proxy::Link::cut);
    ASSERT_TRUE(test::eventually([&] { return times_cut_off() > cuts; }));
    link.set(Proxy::Link::up);
  }
  expect_whole_run(real);
}

TEST_F(SplitFaults, WhatIsDamagedOnItsWayIsSentAgain) {
  agents_a_and_b();
  auto& real = coordinator("real");
  for (int times = 0; times < 4; ++times) {
    ASSERT_TRUE(trains(2)) << real.output();
    link.damage();
  }
  expect_whole_run(real);
}

TEST_F(SplitFaults, ADistantAgentOnlyTakesLonger) {
  sets.push_back("training.local_epochs=1");
  link.delay(0.05);
  agents_a_and_b();
  auto& real = coordinator("real");
  expect_whole_run(real);
  const auto seconds =
      query("real",
            "SELECT MIN(end_s - start_s) FROM activity WHERE label = 'gradients' AND real = "
            "1 AND node = 0 AND peer = 1");
  EXPECT_GE(std::stod(seconds[0]), 0.1) << "gradients and their receipt cross the link";
}

TEST_F(SplitFaults, AHalfOpenLinkIsNoticedAndTheNodeJoinsAgain) {
  sets.push_back("hil.lost_after_s=1.5");
  without_end();
  agents_a_and_b();
  auto& real = coordinator("real");
  ASSERT_TRUE(trains()) << real.output();
  link.set(Proxy::Link::stalled);
  ASSERT_TRUE(real.says("is lost")) << real.output();
  link.set(Proxy::Link::up);
  ASSERT_TRUE(
      reaches("real",
              "SELECT COUNT(*) FROM journal WHERE kind = 'task_done' AND node = 1 AND time_s > "
              "(SELECT MAX(time_s) FROM journal WHERE kind = 'node_joined' AND node = 1)",
              1))
      << real.output();
  expect_interrupted(real);
  expect_nothing_twice();
  expect_replay_of_interrupted();
}

TEST_F(SplitFaults, AnAgentKilledInTheMiddleOfABatchIsLostAndJoinsAgain) {
  without_end();
  agents_a_and_b();
  auto& real = coordinator("real");
  ASSERT_TRUE(trains()) << real.output();
  agents["a"]->signal(SIGKILL);
  agents["a"]->wait();
  agent("a");
  ASSERT_TRUE(real.says("node a is lost")) << real.output();
  ASSERT_TRUE(
      reaches("real",
              "SELECT COUNT(*) FROM journal WHERE kind = 'task_done' AND node = 1 AND time_s > "
              "(SELECT MAX(time_s) FROM journal WHERE kind = 'node_lost' AND node = 1)",
              1))
      << real.output();
  expect_interrupted(real);
  expect_nothing_twice();
  expect_replay_of_interrupted();
}

// Its tasks of the moment fail, since the server's part of them is gone.
TEST_F(SplitFaults, ACoordinatorKilledInTheMiddleOfABatchAndResumedGoesOn) {
  sets.push_back("stop.tasks=12");
  agents_a_and_b();
  auto& real = coordinator("real");
  ASSERT_TRUE(trains()) << real.output();
  real.signal(SIGKILL);
  real.wait();
  auto& again = coordinator("real", {"--resume"});
  ASSERT_EQ(again.wait(200), 0) << again.output();
  EXPECT_GT(aggregated("real")["a"], 0);
  EXPECT_GT(aggregated("real")["b"], 0);
  expect_nothing_twice();
  expect_replay();
  expect_same_model();
}

TEST_F(SplitFaults, ATaskThatIsLateAtTheDeadlineIsGivenUpInTheMiddleOfABatch) {
  sets.insert(sets.end(), {"training.local_epochs=60", "schedule.splitfed.deadline_s=2"});
  without_end();
  agents_a_and_b();
  auto& real = coordinator("real");
  ASSERT_TRUE(reaches("real", "SELECT COUNT(*) FROM journal WHERE kind = 'cancel'", 4))
      << real.output();
  expect_interrupted(real);
  EXPECT_EQ(query("real", lost)[0], "0") << "they let go of it in time";
  expect_nothing_twice();
  expect_replay_of_interrupted();
}

TEST_F(SplitFaults, WhatOnlySimulatedNodesCanIsRefusedWithItsReason) {
  sets.emplace_back();
  for (const auto& [version, why] :
       {std::pair("v2", "one that nodes share"), std::pair("v3", "layers of its own")}) {
    sets.back() = std::string("schedule.splitfed.version=") + version;
    const Output refused = convoy_with(
        "-o " + in("real") + " --listen 127.0.0.1:" + std::to_string(port) + " --insecure");
    EXPECT_EQ(refused.status, 2) << version;
    EXPECT_THAT(refused.err, HasSubstr(why));
    EXPECT_THAT(refused.err, HasSubstr("backend = \"sim\""));
  }
}

}  // namespace
}  // namespace convoy
