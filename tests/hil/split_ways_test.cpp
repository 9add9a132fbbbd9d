// Tests split tasks of real agents over loopback in all the ways in which federated ones run: TLS,
// compressed, paced, on data of the node's own, out of memory, with a full disk here, and with a
// peer that says what it should not. Each kind of schedule that splits.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>

#include "tests/hil/idx_file.hpp"
#include "tests/hil/meddler.hpp"
#include "tests/hil/testbed_run.hpp"
#include "tests/support/proxy.hpp"
#include "tests/support/seed.hpp"

namespace convoy {
namespace {

using test::idx;
using test::Meddler;
using test::Output;
using test::Proxy;
using test::TestbedRun;
using testing::HasSubstr;

class Split : protected TestbedRun {
 protected:
  explicit Split(const std::string& kind) {
    sets.insert(sets.end(), {"schedule.kind=" + kind, "model.exits=[1.0]",
                             "training.local_epochs=2", "stop.tasks=6"});
    if (kind != "edgesplit") sets.push_back("schedule." + kind + ".cut=4");
  }

  [[nodiscard]] int count(const std::string& folder, const std::string& what) const {
    return std::stoi(query(folder, "SELECT COUNT(*) FROM " + what)[0]);
  }
  // Tasks in a version, by node; those of sequential split learning make one each.
  [[nodiscard]] std::map<std::string, int> counted(const std::string& folder) const {
    std::map<std::string, int> tasks = aggregated(folder);
    for (const std::string& name :
         query(folder,
               "SELECT n.name FROM task t JOIN node n ON n.id = t.node WHERE t.kind = "
               "'update' AND t.outcome = 'published'")) {
      ++tasks[name];
    }
    return tasks;
  }
  // Node a has sent activations to the server, and what came of them counts.
  void expect_a_takes_part(const std::string& folder) const {
    EXPECT_GT(counted(folder)["a"], 0);
    EXPECT_GT(count(folder, "activity WHERE node = 1 AND label = 'activations' AND cause = ''"), 0);
  }
  void expect_nothing_twice() const {
    EXPECT_EQ(count("real",
                    "(SELECT COUNT(*) AS n FROM activity WHERE cause = '' GROUP BY task, "
                    "activity, iteration) WHERE n > 1"),
              0);
  }
  void expect_same_model(const std::string& one, const std::string& other) const {
    EXPECT_TRUE(test::read_file(in(one) + "/model.safetensors") ==
                test::read_file(in(other) + "/model.safetensors"));
  }
};

class SplitWays : public testing::TestWithParam<std::string>, protected Split {
 protected:
  SplitWays() : Split(GetParam()) {}

  void expect_whole_run(test::Program& real) {
    ASSERT_EQ(real.wait(150), 0) << real.output();
    EXPECT_EQ(counted("real").size(), 3U) << "somebody did not take part";
    expect_a_takes_part("real");
    expect_nothing_twice();
    expect_replay();
    expect_same_model("real", "replay");
  }
};

TEST_P(SplitWays, WithCertificates) {
  std::erase_if(sets, [](const std::string& set) { return set.ends_with("backend=hil"); });
  const Output made = test::convoy("testbed init " + in("lab") + " --nodes a,b --listen " +
                                   "127.0.0.1:" + std::to_string(port));
  ASSERT_EQ(made.status, 0) << made.err;
  for (const char* name : {"a", "b"}) {
    const std::string bundle = in("lab") + "/nodes/" + name;
    agent(name, {"--certificate", bundle + "/certificate.pem", "--key", bundle + "/key.pem",
                 "--authority", bundle + "/authority.pem"});
  }
  auto& real = coordinator("real", {"--testbed", in("lab") + "/inventory.toml"});
  ASSERT_EQ(real.wait(150), 0) << real.output();
  EXPECT_EQ(query("real", "SELECT name FROM node WHERE backend = 'hil'"),
            (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(counted("real").size(), 3U);
  expect_a_takes_part("real");
}

TEST_P(SplitWays, CompressedAndPaced) {
  sets.insert(sets.end(), {"hil.compression=zstd", "hil.clock=paced"});
  agent("a");
  agent("b");
  expect_whole_run(coordinator("real"));
}

// With modelled times, so that both runs have the same tasks.
TEST_P(SplitWays, WhatCrossesIsCompressedWhereThatIsAskedFor) {
  sets.insert(sets.end(), {"fleet.nodes.1.backend=sim", "fleet.nodes.0.compute=modelled",
                           "fleet.nodes.0.network=modelled",
                           // Heartbeats and readings would depend on the run's duration.
                           "hil.heartbeat_s=60", "hil.lost_after_s=200"});
  std::map<std::string, std::pair<long, long>> bytes;
  for (const std::string compression : {"none", "zstd"}) {
    Proxy link(port);
    agent_port = link.port();
    agent("a");
    auto& real = coordinator(compression, {"--set", "hil.compression=" + compression});
    ASSERT_EQ(real.wait(150), 0) << real.output();
    expect_a_takes_part(compression);
    bytes[compression] = {link.bytes_to_target(), link.bytes_from_target()};
    agents["a"].reset();
  }
  EXPECT_LT(bytes["zstd"].first, 0.97 * static_cast<double>(bytes["none"].first));
  EXPECT_LT(bytes["zstd"].second, 0.97 * static_cast<double>(bytes["none"].second));
  expect_same_model("none", "zstd");
}

TEST_P(SplitWays, OnDataOfTheNodesOwn) {
  std::filesystem::create_directories(in("own"));
  for (const auto& [part, count] : {std::pair{"train", 70U}, std::pair{"t10k", 10U}}) {
    folder.write(fmt::format("own/{}-images-idx3-ubyte", part), idx({count, 28, 28}, 28 * 28));
    folder.write(fmt::format("own/{}-labels-idx1-ubyte", part), idx({count}, 1));
  }
  agent("a", {"--data", "idx:" + in("own"), "--own-data"});
  agent("b");
  expect_whole_run(coordinator("real"));
  EXPECT_EQ(query("real", "SELECT samples FROM node WHERE name = 'a'")[0], "60")
      << "10 are kept to test";
}

TEST_P(SplitWays, AnAgentOutOfMemoryIsReportedAndDoneWithout) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer's own memory does not fit into the limit";
#endif
  std::erase(sets, "training.local_epochs=2");
  sets.insert(sets.end(), {"fleet.nodes.1.backend=sim", "model.architecture=vit-tiny",
                           "data.samples=300", "data.test_samples=10", "training.batch=100",
                           "training.local_steps=1", "stop.virtual_time_s=60"});
  // The device has nearly all of it.
  const std::string cut = GetParam() == "edgesplit" ? "cuts" : "cut";
  sets.push_back("schedule." + GetParam() + "." + cut + "=block10");
  // The other nodes have little work.
  for (const char* node : {"1", "2"}) sets.push_back(fmt::format("fleet.nodes.{}.batch=1", node));
  agent("a", {"--max-memory-gb", "1"});
  auto& real = coordinator("real");
  EXPECT_EQ(real.wait(150), 0) << real.output();
  EXPECT_THAT(real.output(), HasSubstr("out_of_memory"));
  EXPECT_THAT(real.output(), HasSubstr("node a, task"));
  const auto counts = counted("real");
  EXPECT_FALSE(counts.contains("a"));
  EXPECT_FALSE(counts.empty());
}

TEST_P(SplitWays, ADiskThatIsFullHereIsNotTheNodesFault) {
  sets.push_back("stop.tasks=60");
  agent("a");
  agent("b");
  auto& begun = coordinator("real");
  ASSERT_TRUE(
      reaches("real", "SELECT COUNT(*) FROM journal WHERE kind = 'task_done' AND node > 0", 1))
      << begun.output();
  expect_interrupted(begun);
  // From now on no file can be written into the folder of the updates, as on a full disk.
  std::filesystem::remove_all(in("real") + "/updates");
  std::ofstream(in("real") + "/updates") << "a file";
  auto& real = coordinator("real", {"--resume"});
  EXPECT_EQ(real.wait(150), 1) << real.output();
  EXPECT_THAT(real.output(), testing::ContainsRegex("the update of task [0-9]+ could not be kept"));
  EXPECT_THAT(real.output(), HasSubstr("Not a directory"));
  EXPECT_EQ(count("real", "task WHERE outcome IN ('refused', 'timed_out')"), 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, SplitWays,
                         testing::Values("splitfed", "splitlearning", "edgesplit"),
                         [](const auto& kind) { return kind.param; });

// A peer whose messages are well-formed and wrong: some are left out, repeated, late, or changed in
// a byte. Whatever it says, the other side stays intact, and goes on when it is right again.
class MeddledSplit : public testing::TestWithParam<Meddler::Way>, protected Split {
 protected:
  MeddledSplit() : Split("splitfed") {}
};

TEST_P(MeddledSplit, GoesOn) {
  sets.insert(sets.end(), {"training.local_epochs=1", "fleet.nodes.0.deadline_min_s=1.5",
                           "hil.lost_after_s=3"});
  without_end();
  Meddler meddler(port, GetParam(), 0.1, test::drawn_seed());
  agent_port = meddler.port();
  agent("a");
  agent_port = port;
  agent("b");
  auto& real = coordinator("real");
  constexpr long enough = 40;
  ASSERT_TRUE(test::eventually([&] { return meddler.changed() >= enough; }, 150))
      << real.output() << agents["a"]->output();
  meddler.rest();
  const std::string done = "SELECT COUNT(*) FROM journal WHERE kind = 'task_done' AND node = ";
  const int by_a = std::stoi(query("real", done + "1")[0]);
  const int by_b = std::stoi(query("real", done + "2")[0]);
  EXPECT_TRUE(reaches("real", done + "1", by_a + 3)) << real.output() << agents["a"]->output();
  EXPECT_TRUE(reaches("real", done + "2", by_b + 3)) << real.output();
  EXPECT_EQ(agents["a"]->wait(0), 1000) << "it has ended: " << agents["a"]->output();
  expect_interrupted(real);
  expect_nothing_twice();
  expect_replay_of_interrupted();
}

INSTANTIATE_TEST_SUITE_P(Ways, MeddledSplit,
                         testing::Values(Meddler::Way::to_coordinator, Meddler::Way::to_agent),
                         [](const auto& way) {
                           return way.param == Meddler::Way::to_agent ? "ToTheAgent"
                                                                      : "ToTheCoordinator";
                         });

}  // namespace
}  // namespace convoy
