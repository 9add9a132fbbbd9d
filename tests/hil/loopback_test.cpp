// Tests runs with real agents over loopback: they give the simulation's results, can be replayed
// and resumed, and continue whatever happens to an agent.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "tests/hil/idx_file.hpp"
#include "tests/hil/testbed_run.hpp"
#include "tests/support/proxy.hpp"
#include "tests/support/seed.hpp"

namespace convoy {
namespace {

using test::Entry;
using test::idx;
using test::Output;
using test::Proxy;
using test::TestbedRun;
using testing::HasSubstr;

class Loopback : public testing::Test, protected TestbedRun {
 protected:
  void expect_same_run(const std::string& one, const std::string& other, double hair_s) const {
    const std::vector<Entry> a = journal(one);
    const std::vector<Entry> b = journal(other);
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      ASSERT_EQ(a[i].kind, b[i].kind) << "entry " << i;
      ASSERT_EQ(a[i].node, b[i].node) << "entry " << i << ", " << a[i].kind;
      ASSERT_EQ(a[i].task, b[i].task) << "entry " << i << ", " << a[i].kind;
      ASSERT_NEAR(a[i].time_s, b[i].time_s, hair_s) << "entry " << i << ", " << a[i].kind;
    }
    const std::string activities =
        "SELECT task, activity, iteration, label, node, cause FROM activity ORDER BY task, "
        "activity, iteration";
    EXPECT_EQ(query(one, activities), query(other, activities));
    const std::string versions = "SELECT version, updates, staleness_max FROM aggregation";
    EXPECT_EQ(query(one, versions), query(other, versions));
  }
  bool reaches(const std::string& count, int wanted) const {
    return TestbedRun::reaches("real", count, wanted);
  }
  void expect_replay(double hair_s = 1e-6) {
    const Output replay = convoy_with("-o " + in("replay") + " --replay " + in("real"));
    ASSERT_EQ(replay.status, 0) << replay.err;
    expect_same_run("real", "replay", hair_s);
  }
  void modelled_times() {
    for (const char* node : {"0", "1"}) {
      sets.push_back(std::string("fleet.nodes.") + node + ".compute=modelled");
      sets.push_back(std::string("fleet.nodes.") + node + ".network=modelled");
    }
  }
  // Equal nodes, so that many activities end at the same instant, and a low quorum.
  void three_alike() {
    modelled_times();
    for (const char* node : {"0", "1", "2"}) {
      sets.push_back(std::string("fleet.nodes.") + node + ".device=jetson-agx-orin-32gb");
    }
    sets.push_back("schedule.cos2p.quorum=0.3");
  }
  // The finished run "real" has the same bits as the simulation, and can be replayed.
  void expect_what_the_simulation_gives() {
    expect_replay(0);
    expect_same_model("real", "replay");
    std::erase_if(sets, [](const std::string& set) { return set.ends_with("backend=hil"); });
    const Output simulated = convoy_with("-o " + in("simulated"));
    ASSERT_EQ(simulated.status, 0) << simulated.err;
    expect_same_run("real", "simulated", 0);
    expect_same_model("real", "simulated");
    EXPECT_EQ(query("real", "SELECT * FROM evaluation"),
              query("simulated", "SELECT * FROM evaluation"));
  }
  void expect_same_model(const std::string& one, const std::string& other) const {
    EXPECT_TRUE(test::read_file(in(one) + "/model.safetensors") ==
                test::read_file(in(other) + "/model.safetensors"));
  }
};

TEST_F(Loopback, WithModelledTimesRealNodesGiveWhatTheSimulationGives) {
  modelled_times();
  agent("a");
  agent("b");
  auto& real = coordinator("real");
  ASSERT_EQ(real.wait(), 0) << real.output();
  expect_what_the_simulation_gives();
}

TEST_F(Loopback, WithModelledTimesADistantAgentChangesNothing) {
  three_alike();
  Proxy link(port);
  link.delay(0.1);
  agent_port = link.port();
  agent("a");
  agent_port = port;
  agent("b");
  auto& real = coordinator("real");
  ASSERT_EQ(real.wait(120), 0) << real.output();
  EXPECT_NE(query("real", "SELECT MAX(updates) FROM aggregation")[0], "1")
      << "nothing ended at the same instant";
  expect_what_the_simulation_gives();
}

TEST_F(Loopback, WithModelledTimesDelaysOfSecondsChangeNothing) {
  const std::uint64_t seed = test::drawn_seed();
  three_alike();
  sets.push_back("stop.tasks=8");
  std::vector<std::unique_ptr<Proxy>> links;
  for (const char* name : {"a", "b"}) {
    links.push_back(std::make_unique<Proxy>(port));
    links.back()->delay_at_random(1.2, seed + links.size());
    agent_port = links.back()->port();
    agent(name);
  }
  auto& real = coordinator("real");
  ASSERT_EQ(real.wait(240), 0) << real.output();
  expect_what_the_simulation_gives();
}

// A deadline ends the wait for the missing results of an instant.
TEST_F(Loopback, WithModelledTimesAnAgentThatStandsStillIsLostAndJoinsAgain) {
  three_alike();
  without_end();
  sets.push_back("hil.lost_after_s=1.5");
  agent("a");
  agent("b");
  auto& real = coordinator("real");
  const std::string done = "SELECT COUNT(*) FROM journal WHERE kind = 'task_done' AND node = 1";
  ASSERT_TRUE(reaches(done, 1)) << real.output();
  agents["a"]->signal(SIGSTOP);
  ASSERT_TRUE(real.says("node a is lost")) << real.output();
  agents["a"]->signal(SIGCONT);
  ASSERT_TRUE(real.says("node a is there")) << real.output();
  ASSERT_TRUE(reaches(done + " AND time_s > (SELECT MAX(time_s) FROM journal WHERE kind = "
                             "'node_joined' AND node = 1)",
                      1))
      << real.output();
  expect_interrupted(real);
  expect_replay_of_interrupted();
}

TEST_F(Loopback, AnAgentThatStandsStillLongerThanLostAfterIsLostAndJoinsAgain) {
  without_end();
  sets.push_back("training.local_epochs=20");
  sets.push_back("hil.lost_after_s=1.5");
  agent("a");
  agent("b");
  auto& real = coordinator("real");
  const std::string masks = "SELECT COUNT(*) FROM activity WHERE label = 'mask' AND node = 1";
  ASSERT_TRUE(reaches(masks, 1)) << real.output();
  agents["a"]->signal(SIGSTOP);
  ASSERT_TRUE(real.says("node a is lost")) << real.output();
  agents["a"]->signal(SIGCONT);
  ASSERT_TRUE(real.says("node a is there")) << real.output();
  ASSERT_TRUE(
      reaches("SELECT COUNT(*) FROM journal WHERE kind = 'task_done' AND node = 1 AND "
              "time_s > (SELECT MAX(time_s) FROM journal WHERE kind = 'node_joined' AND "
              "node = 1)",
              1))
      << real.output();
  expect_interrupted(real);
  expect_replay_of_interrupted();
}

TEST_F(Loopback, AMeasuredRunIsReplayedFromItsStore) {
  sets.push_back("schedule.cos2p.quorum=1.0");
  agent("a");
  agent("b");
  auto& real = coordinator("real");
  ASSERT_EQ(real.wait(), 0) << real.output();
  EXPECT_EQ(aggregated("real").size(), 3U) << "somebody did not take part";
  EXPECT_EQ(query("real",
                  "SELECT COUNT(*) FROM activity WHERE real = 1 AND cause = '' AND (end_s < "
                  "start_s OR predicted_s IS NULL)"),
            std::vector<std::string>{"0"});
  for (auto& [name, program] : agents) program.reset();

  Output replay = convoy_with("-o " + in("replay") + " --replay " + in("real"));
  ASSERT_EQ(replay.status, 0) << replay.err;
  expect_same_run("real", "replay", 1e-6);
  expect_same_model("real", "replay");

  // Without saved updates the replay still has the same order and timeline.
  std::filesystem::remove_all(in("real") + "/updates");
  replay = convoy_with("-o " + in("without") + " --replay " + in("real"));
  EXPECT_EQ(replay.status, 1) << "what was asked to be kept is gone";
  EXPECT_THAT(replay.err, HasSubstr("keep_updates"));
}

TEST_F(Loopback, ARunWithoutKeptUpdatesIsReplayedByTrainingAgain) {
  sets.push_back("hil.keep_updates=false");
  agent("a");
  agent("b");
  auto& real = coordinator("real");
  ASSERT_EQ(real.wait(), 0) << real.output();
  const Output replay = convoy_with("-o " + in("replay") + " --replay " + in("real"));
  ASSERT_EQ(replay.status, 0) << replay.err;
  expect_same_run("real", "replay", 1e-6);
}

TEST_F(Loopback, AnAgentKilledInTheMiddleOfATaskComesBackAndGoesOn) {
  train_long();
  without_end();
  agent("a");
  agent("b");
  auto& real = coordinator("real");
  ASSERT_TRUE(reaches("SELECT COUNT(*) FROM activity WHERE node = 1 AND label = 'mask'", 1))
      << real.output();
  agents["a"]->signal(SIGKILL);
  agents["a"]->wait();
  agent("a");
  ASSERT_TRUE(real.says("node a is lost")) << real.output();
  ASSERT_TRUE(reaches("SELECT COUNT(*) FROM task WHERE node = 1 AND outcome = 'aggregated'", 1))
      << real.output();
  expect_interrupted(real);
  EXPECT_GT(aggregated("real")["a"], 0);
  expect_replay_of_interrupted();
}

TEST_F(Loopback, AnAgentThatIsGoneForGoodIsDoneWithout) {
  sets.push_back("training.local_epochs=20");
  sets.push_back("hil.lost_after_s=3");  // b, which stays, must not be silent that long
  sets.push_back("hil.rejoin_timeout_s=0.5");
  without_end();
  agent("a");
  agent("b");
  auto& real = coordinator("real");
  ASSERT_TRUE(agents["a"]->says("connected"));
  ASSERT_TRUE(
      test::eventually([&] { return std::filesystem::exists(in("real") + "/run.sqlite"); }));
  agents["a"]->signal(SIGKILL);
  ASSERT_TRUE(real.says("node a is lost for good")) << real.output();
  for (const char* node : {"2", "3"}) {
    ASSERT_TRUE(reaches(fmt::format("SELECT COUNT(*) FROM task WHERE node = {} AND outcome = "
                                    "'aggregated'",
                                    node),
                        1))
        << real.output();
  }
  expect_interrupted(real);
  const auto counts = aggregated("real");
  EXPECT_GT(counts.at("b"), 0);
  EXPECT_GT(counts.at("c"), 0);
}

TEST_F(Loopback, ACoordinatorKilledAndResumedGoesOnWithAgentsThatWaited) {
  sets.push_back("stop.tasks=30");
  agent("a");
  agent("b");
  for (int kills = 0; kills < 3; ++kills) {
    auto& real = kills == 0 ? coordinator("real") : coordinator("real", {"--resume"});
    const int wanted = 4 * (kills + 1);
    ASSERT_TRUE(test::eventually([&] {
      const std::string store = in("real") + "/run.sqlite";
      const std::string file = std::filesystem::exists(store + ".new") ? store + ".new" : store;
      if (!std::filesystem::exists(file)) return false;
      try {
        return std::stoi(query(
                   "real",
                   "SELECT COUNT(*) FROM journal WHERE kind = 'task_done' AND node > 0")[0]) >=
                   wanted ||
               kills > 0;
      } catch (const std::exception&) {
        return false;
      }
    })) << real.output();
    real.signal(SIGKILL);
    real.wait();
  }
  auto& last = coordinator("real", {"--resume"});
  ASSERT_EQ(last.wait(120), 0) << last.output();
  const auto counts = aggregated("real");
  EXPECT_EQ(counts.size(), 3U);
  const Output replay = convoy_with("-o " + in("replay") + " --replay " + in("real"));
  ASSERT_EQ(replay.status, 0) << replay.err;
  expect_same_run("real", "replay", 1e-6);
  expect_same_model("real", "replay");
}

TEST_F(Loopback, ANodeThatIsAwayWhenARunIsResumedJoinsItLater) {
  without_end();
  sets.push_back("training.local_epochs=5");
  // In the first run, too, slow nodes may join later.
  sets.push_back("hil.join_timeout_s=2");
  sets.push_back("hil.missing=absent");
  agent("a");
  agent("b");
  auto& real = coordinator("real");
  ASSERT_TRUE(reaches("SELECT COUNT(*) FROM journal WHERE kind = 'task_done' AND node = 1", 1))
      << real.output();
  real.signal(SIGKILL);
  real.wait();
  agents["a"].reset();
  auto& again = coordinator("real", {"--resume"});
  ASSERT_TRUE(again.says("node a is lost")) << again.output();
  agent("a");
  ASSERT_TRUE(again.says("node a is there")) << again.output();
  expect_interrupted(again);
}

TEST_F(Loopback, AnInterruptedRunIsResumed) {
  sets.push_back("stop.tasks=30");
  agent("a");
  agent("b");
  auto& real = coordinator("real");
  ASSERT_TRUE(reaches("SELECT COUNT(*) FROM journal WHERE kind = 'task_done' AND node > 0", 1))
      << real.output();
  real.signal(SIGINT);
  ASSERT_EQ(real.wait(), 3) << real.output();
  auto& again = coordinator("real", {"--resume"});
  ASSERT_EQ(again.wait(120), 0) << again.output();
  const auto counts = aggregated("real");
  EXPECT_FALSE(counts.empty());
  // After the end of a run its agents have forgotten it: it cannot continue to a later stop.
  sets.back() = "stop.tasks=60";
  auto& later = coordinator("real", {"--resume"});
  EXPECT_NE(later.wait(60), 0);
  EXPECT_THAT(later.output(), HasSubstr("its real nodes have forgotten it"));
  EXPECT_EQ(aggregated("real"), counts);
}

TEST_F(Loopback, AnAgentOutOfMemoryIsReportedAndDoneWithout) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer's own memory does not fit into the limit";
#endif
  sets.push_back("model.architecture=vit-tiny");
  sets.push_back("data.samples=300");
  sets.push_back("data.test_samples=10");
  sets.push_back("training.batch=100");
  sets.push_back("schedule.kind=fedavg");  // a round ends when all nodes have answered
  sets.push_back("stop.tasks=4");
  sets.push_back("stop.virtual_time_s=60");
  sets.push_back("fleet.nodes.1.backend=sim");
  // The other nodes have little work.
  for (const char* node : {"1", "2"}) sets.push_back(fmt::format("fleet.nodes.{}.batch=1", node));
  sets.push_back("training.local_steps=1");
  agent("a", {"--max-memory-gb", "1"});
  auto& real = coordinator("real");
  EXPECT_EQ(real.wait(120), 0) << real.output();
  EXPECT_THAT(real.output(), HasSubstr("out_of_memory"));
  EXPECT_THAT(real.output(), HasSubstr("node a, task"));
  EXPECT_EQ(aggregated("real")["a"], 0);
}

TEST_F(Loopback, ADiskThatIsFullHereIsNotTheNodesFault) {
  sets.push_back("stop.tasks=60");
  agent("a");
  agent("b");
  auto& begun = coordinator("real");
  ASSERT_TRUE(reaches("SELECT COUNT(*) FROM journal WHERE kind = 'task_done' AND node > 0", 1))
      << begun.output();
  begun.signal(SIGINT);
  ASSERT_EQ(begun.wait(), 3) << begun.output();
  // From now on no file can be written into the folder of the updates, as on a full disk. The files
  // there are not needed: a node may forget only what the run has taken, and the checkpoint has it.
  std::filesystem::remove_all(in("real") + "/updates");
  std::ofstream(in("real") + "/updates") << "a file";
  auto& real = coordinator("real", {"--resume"});
  EXPECT_EQ(real.wait(120), 1) << real.output();
  EXPECT_THAT(real.output(), testing::ContainsRegex("the update of task [0-9]+ could not be kept"));
  EXPECT_THAT(real.output(), HasSubstr("Not a directory"));
  EXPECT_THAT(
      query("real",
            "SELECT COUNT(*) FROM task WHERE outcome IN ('failed', 'refused', 'timed_out')"),
      testing::ElementsAre("0"));
}

TEST_F(Loopback, UpdatesMayBeCompressedAndTheClockPaced) {
  sets.push_back("hil.compression=zstd");
  sets.push_back("hil.clock=paced");
  sets.push_back("schedule.cos2p.quorum=1.0");
  agent("a");
  agent("b");
  auto& real = coordinator("real");
  ASSERT_EQ(real.wait(), 0) << real.output();
  EXPECT_EQ(aggregated("real").size(), 3U);
  const Output replay = convoy_with("-o " + in("replay") + " --replay " + in("real"));
  ASSERT_EQ(replay.status, 0) << replay.err;
  expect_same_model("real", "replay");
}

// Initial weights are random, but their exponents are not: zstd saves some percent. The same tasks,
// with modelled times.
TEST_F(Loopback, WhatIsSentIsCompressedWhereThatIsAskedFor) {
  sets = {"fleet.nodes.0.backend=hil", "fleet.nodes.0.compute=modelled",
          "fleet.nodes.0.network=modelled", "schedule.cos2p.quorum=1.0", "stop.tasks=6",
          // Heartbeats and readings would depend on the run's duration.
          "hil.heartbeat_s=60", "hil.lost_after_s=200"};
  std::map<std::string, std::pair<long, long>> bytes;
  for (const std::string compression : {"none", "zstd"}) {
    Proxy link(port);
    agent_port = link.port();
    agent("a");
    auto& real = coordinator(compression, {"--set", "hil.compression=" + compression});
    ASSERT_EQ(real.wait(), 0) << real.output();
    EXPECT_GT(aggregated(compression)["a"], 0);
    bytes[compression] = {link.bytes_to_target(), link.bytes_from_target()};
    agents["a"].reset();
  }
  EXPECT_LT(bytes["zstd"].first, 0.97 * static_cast<double>(bytes["none"].first));
  EXPECT_LT(bytes["zstd"].second, 0.97 * static_cast<double>(bytes["none"].second));
  expect_same_model("none", "zstd");
}

TEST_F(Loopback, AnAgentMayTrainOnDataOfItsOwn) {
  for (const unsigned side : {28U, 20U}) {
    const std::string own = side == 28 ? "own" : "other";
    std::filesystem::create_directories(in(own));
    for (const auto& [part, count] : {std::pair{"train", 70U}, std::pair{"t10k", 10U}}) {
      folder.write(own + "/" + part + "-images-idx3-ubyte", idx({count, side, side}, side * side));
      folder.write(own + "/" + part + "-labels-idx1-ubyte", idx({count}, 1));
    }
  }
  agent("a", {"--data", "idx:" + in("own"), "--own-data"});
  agent("b");
  sets.push_back("schedule.cos2p.quorum=1.0");
  auto& real = coordinator("real");
  ASSERT_EQ(real.wait(), 0) << real.output();
  EXPECT_EQ(query("real", "SELECT samples FROM node WHERE name = 'a'")[0], "60")
      << "10 are kept to test";
  EXPECT_EQ(aggregated("real").count("a"), 1U);

  agent("a", {"--data", "idx:" + in("other"), "--own-data"});
  auto& refused = coordinator("refused");
  EXPECT_NE(refused.wait(), 0);
  EXPECT_THAT(refused.output(), HasSubstr("its images are 1 x 20 x 20 of 10 classes"));
}

TEST_F(Loopback, AnAgentMaySendAProfileOfItsDevice) {
  sets = {"fleet.nodes.0.backend=hil"};
  agent("a", {"--profile", "--quick"});
  auto& real = coordinator("real");
  ASSERT_EQ(real.wait(), 0) << real.output();
  const Output predicted = test::convoy("predict --model cnn-small --mode training --device " +
                                        in("real") + "/devices/a.toml");
  EXPECT_EQ(predicted.status, 0) << predicted.err;
  EXPECT_THAT(predicted.out, HasSubstr("on a (default)"));
}

TEST_F(Loopback, WhatIsOnlySimulatedRunsFasterThanRealTime) {
  sets = {"fleet.nodes.0.backend=hil", "fleet.nodes.2.slowdown=100000", "schedule.kind=fedavg",
          "stop.tasks=6"};
  agent("a");
  const auto begun = std::chrono::steady_clock::now();
  auto& real = coordinator("real");
  ASSERT_EQ(real.wait(), 0) << real.output();
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begun;
  // Node c needs hours of virtual time; nothing waits for it in wall time.
  const double virtual_s = std::stod(query("real", "SELECT MAX(end_s) FROM activity")[0]);
  EXPECT_GT(virtual_s, 600);
  EXPECT_GT(virtual_s, wall.count());
}

TEST_F(Loopback, NodesThatDoNotComeAreNamed) {
  sets.push_back("hil.join_timeout_s=0.3");
  agent("b");
  auto& real = coordinator("real");
  EXPECT_EQ(real.wait(), 2);
  EXPECT_THAT(real.output(), HasSubstr("have not come: a"));
  EXPECT_THAT(real.output(), HasSubstr("hil.missing"));
}

TEST_F(Loopback, NodesThatDoNotComeMayBeSimulatedOrJoinLate) {
  sets.push_back("hil.join_timeout_s=0.2");
  sets.push_back("hil.missing=simulate");
  auto& simulated = coordinator("simulated");
  EXPECT_EQ(simulated.wait(), 0) << simulated.output();
  EXPECT_THAT(simulated.output(), HasSubstr("node a has not come: it is simulated"));

  sets.back() = "hil.missing=absent";
  sets.push_back("training.local_epochs=5");
  without_end();
  agent("b");
  ASSERT_TRUE(agents["b"]->says("not connected"));
  auto& late = coordinator("late");
  ASSERT_TRUE(test::eventually([&] { return std::filesystem::exists(in("late") + "/run.sqlite"); }))
      << late.output();
  agent("a");
  ASSERT_TRUE(TestbedRun::reaches(
      "late", "SELECT COUNT(*) FROM journal WHERE kind = 'node_joined' AND node = 1", 1))
      << late.output();
  expect_interrupted(late);
}

TEST_F(Loopback, AMixedRunOfSixteenEndsWithAllOfThem) {
  scenario = std::string(CONVOY_SOURCE) + "/scenarios/quickstart.toml";
  sets = {"fleet.use=jetson16",     "model.architecture=cnn-small",
          "schedule.mask.epochs=1", "fleet.nodes.0.backend=hil",
          "stop.tasks=160",         "data.samples=2000"};
  agent("a", {"--type", "jetson-agx-orin-64gb"});
  agent("b", {"--type", "jetson-agx-orin-64gb"});
  auto& real = coordinator("real");
  ASSERT_EQ(real.wait(240), 0) << real.output();
  EXPECT_EQ(aggregated("real").size(), 16U);
  EXPECT_EQ(query("real", "SELECT COUNT(*) FROM node WHERE backend = 'hil'")[0], "2");
  EXPECT_NE(query("real", "SELECT COUNT(*) FROM reading")[0], "0");
}

TEST_F(Loopback, ATestbedWithCertificatesMakesWhoeverComesReal) {
  sets = {"schedule.cos2p.quorum=1.0"};
  const Output made =
      test::convoy("testbed init " + in("lab") + " --nodes a,b,z:jetson-nano --listen " +
                   "127.0.0.1:" + std::to_string(port));
  ASSERT_EQ(made.status, 0) << made.err;
  for (const char* name : {"a", "b"}) {
    const std::string bundle = in("lab") + "/nodes/" + name;
    agent(name, {"--certificate", bundle + "/certificate.pem", "--key", bundle + "/key.pem",
                 "--authority", bundle + "/authority.pem"});
  }
  sets.push_back("hil.join_timeout_s=15");
  auto& real = coordinator("real", {"--testbed", in("lab") + "/inventory.toml"});
  ASSERT_EQ(real.wait(), 0) << real.output();
  EXPECT_EQ(query("real", "SELECT name FROM node WHERE backend = 'hil'"),
            (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(aggregated("real").size(), 3U);
}

}  // namespace
}  // namespace convoy
