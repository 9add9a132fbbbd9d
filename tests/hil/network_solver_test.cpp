// What is promised of runs holds with each solver of the network: killed and resumed they end with
// the same store, with real nodes they give the simulation's results and can be replayed, and who
// looks on changes nothing.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "base/random.hpp"
#include "tests/hil/testbed_run.hpp"
#include "tests/support/live_client.hpp"
#include "tests/support/scenario_run.hpp"
#include "tests/support/seed.hpp"

namespace convoy {
namespace {

namespace asio = boost::asio;
using test::Entry;
using test::Program;
using testing::HasSubstr;

// Downloads and uploads of unequal nodes meet on the server's link; some rates vary.
constexpr const char* shared = R"(
name = "shared"
seed = 4
[fleet]
server = { link = { duplex = "full", down_bps = 3e7, up_bps = 3e7, latency_s = 1e-3 } }
[[fleet.nodes]]
device = "jetson-orin-nano-8gb"
count = 4
link = "wifi6"
jitter = 0.2
[[fleet.nodes]]
device = "jetson-nano"
count = 4
link = "lte"
jitter = 0.2
traffic = { share = 0.5, period_s = 3, busy_s = 1 }
outages = [{ at_s = 20, for_s = 5 }]
[model]
architecture = "cnn-small"
[training]
batch = 16
[schedule]
kind = "cos2p"
[stop]
)";

class NetworkSolver : public testing::TestWithParam<const char*> {
 protected:
  // Several seconds on the host for many tasks.
  std::vector<std::string> arguments(const std::string& name, int tasks) {
    return {"run",
            folder_.write("shared.toml", shared + fmt::format("tasks = {}\n", tasks)),
            "--quiet",
            "-o",
            in(name),
            "--set",
            std::string("network.solver=") + GetParam()};
  }
  Program start(const std::string& name, int tasks, const std::vector<std::string>& more = {}) {
    std::vector<std::string> all = arguments(name, tasks);
    all.insert(all.end(), more.begin(), more.end());
    return {CONVOY_BINARY, all, folder_.path() / (name + ".log")};
  }
  [[nodiscard]] std::string in(const std::string& name) const { return folder_.path() / name; }
  [[nodiscard]] std::string dump(const std::string& name) const {
    return test::dump_store(folder_.path() / name);
  }
  test::TemporaryFolder folder_;
};

TEST_P(NetworkSolver, KilledAtAnyMomentAndResumedARunEndsWithTheSameStore) {
  constexpr int tasks = 4'000;
  Program whole = start("whole", tasks);
  ASSERT_EQ(whole.wait(), 0) << whole.output();
  const std::string expected = dump("whole");
  EXPECT_THAT(test::query_store(folder_.path() / "whole", "SELECT world FROM run").at(0),
              HasSubstr(std::string("solver: ") + GetParam()));
  base::Random random({test::drawn_seed()});
  for (int i = 0; i < 3; ++i) {
    const std::string name = "killed" + std::to_string(i);
    {
      Program killed = start(name, tasks);
      ::usleep(static_cast<useconds_t>(random.below(300'000)));
      killed.signal(SIGKILL);  // at any moment; the run may even be finished
      killed.wait();
    }
    Program resumed = start(name, tasks, {"--resume"});
    ASSERT_EQ(resumed.wait(), 0) << resumed.output();
    EXPECT_EQ(dump(name), expected);
  }
}

TEST_P(NetworkSolver, WhoLooksOnChangesNothing) {
  constexpr int tasks = 2'000;
  Program alone = start("alone", tasks);
  ASSERT_EQ(alone.wait(), 0) << alone.output();
  const auto port = static_cast<std::uint16_t>(test::free_port());
  const std::string authority = fmt::format("127.0.0.1:{}", port);
  Program watched = start("watched", tasks, {"--serve", authority});
  ASSERT_TRUE(watched.says("token=")) << watched.output();
  const std::string said = watched.output();
  const std::string token = said.substr(said.find("token=") + 6, 32);
  asio::io_context io;
  test::LiveClient viewer(io, {asio::ip::make_address("127.0.0.1"), port}, authority,
                          "/live?token=" + token);
  viewer.next("end");
  ASSERT_EQ(watched.wait(), 0) << watched.output();
  EXPECT_EQ(dump("watched"), dump("alone"));
}

class NetworkSolverWithRealNodes : public testing::TestWithParam<const char*>,
                                   protected test::TestbedRun {
 protected:
  NetworkSolverWithRealNodes() {
    sets.push_back(std::string("network.solver=") + GetParam());
    sets.push_back("fleet.server.link=ethernet-100m");
    for (const char* node : {"0", "1", "2"}) {
      sets.push_back(fmt::format("fleet.nodes.{}.link={}", node, node[0] == '0' ? "lte" : "wifi6"));
    }
  }
  void modelled_times() {
    for (const char* node : {"0", "1"}) {
      sets.push_back(fmt::format("fleet.nodes.{}.compute=modelled", node));
      sets.push_back(fmt::format("fleet.nodes.{}.network=modelled", node));
    }
  }
  void run_with_agents() {
    agent("a");
    agent("b");
    Program& real = coordinator("real");
    ASSERT_EQ(real.wait(120), 0) << real.output();
    EXPECT_THAT(query("real", "SELECT world FROM run").at(0),
                HasSubstr(std::string("solver: ") + GetParam()));
  }
  void expect_same_run(const std::string& one, const std::string& other, double hair_s) const {
    const std::vector<Entry> a = journal(one);
    const std::vector<Entry> b = journal(other);
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      ASSERT_EQ(std::tuple(a[i].kind, a[i].node, a[i].task),
                std::tuple(b[i].kind, b[i].node, b[i].task))
          << "entry " << i;
      ASSERT_NEAR(a[i].time_s, b[i].time_s, hair_s) << "entry " << i << ", " << a[i].kind;
    }
  }
};

TEST_P(NetworkSolverWithRealNodes, WithModelledTimesTheyGiveWhatTheSimulationGives) {
  modelled_times();
  ASSERT_NO_FATAL_FAILURE(run_with_agents());
  const test::Output replay = convoy_with("-o " + in("replay") + " --replay " + in("real"));
  ASSERT_EQ(replay.status, 0) << replay.err;
  expect_same_run("real", "replay", 0);
  std::erase_if(sets, [](const std::string& set) { return set.ends_with("backend=hil"); });
  const test::Output simulated = convoy_with("-o " + in("simulated"));
  ASSERT_EQ(simulated.status, 0) << simulated.err;
  expect_same_run("real", "simulated", 0);
  EXPECT_TRUE(test::read_file(in("real") + "/model.safetensors") ==
              test::read_file(in("simulated") + "/model.safetensors"));
}

TEST_P(NetworkSolverWithRealNodes, AMeasuredRunIsReplayed) {
  ASSERT_NO_FATAL_FAILURE(run_with_agents());
  expect_replay();
}

INSTANTIATE_TEST_SUITE_P(, NetworkSolver, testing::Values("star", "simgrid"),
                         [](const auto& instance) { return std::string(instance.param); });
INSTANTIATE_TEST_SUITE_P(, NetworkSolverWithRealNodes, testing::Values("star", "simgrid"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace convoy
