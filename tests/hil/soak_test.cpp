// Many agents at work for a while. Not part of the usual tests: it takes minutes and memory.
//
//   build/tests/convoy_tests --gtest_also_run_disabled_tests --gtest_filter='Soak*'
//
// CONVOY_SOAK_AGENTS (200) agents in CONVOY_SOAK_PROCESSES (4) processes for CONVOY_SOAK_S (120)
// seconds; LibTorch takes 190 MB of each process.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <thread>

#include "hil/agent/agent.hpp"
#include "tests/hil/testbed_run.hpp"

namespace convoy {
namespace {

int setting(const char* name, int usual) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? usual : std::max(1, std::atoi(value));
}

double resident_mb(pid_t process) {
  std::ifstream in(fmt::format("/proc/{}/statm", process));
  double pages = 0;
  double resident = 0;
  in >> pages >> resident;
  return resident * 4096 / 1e6;
}

// Runs agents from..to, each with its threads, until this process is killed.
[[noreturn]] void be_agents(int port, int from, int to) {
  std::vector<std::jthread> threads;
  for (int i = from; i < to; ++i) {
    threads.emplace_back([port, i] {
      try {
        hil::AgentConfig config;
        config.connect = {"127.0.0.1", static_cast<std::uint16_t>(port)};
        config.name = fmt::format("n-{}", i);
        config.insecure = true;
        config.retry_s = 1;
        hil::Agent(config, "soak").run();
      } catch (const std::exception& e) {
        fmt::print(stderr, "agent {}: {}\n", i, e.what());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  ::_exit(0);
}

class Soak : public testing::Test, protected test::TestbedRun {};

TEST_F(Soak, DISABLED_ManyAgentsAtTinyTasksLoseNothing) {
  const int number = setting("CONVOY_SOAK_AGENTS", 200);
  const int processes = setting("CONVOY_SOAK_PROCESSES", 4);
  const int seconds = setting("CONVOY_SOAK_S", 120);
  std::string text = fmt::format(R"(
name = "soak"
seed = 3
[model]
architecture = "mlp"
[data]
samples = {}
test_samples = 20
[training]
learn = true
optimizer = {{ kind = "sgd", learning_rate = 0.01 }}
batch = 4
local_steps = 1
[schedule]
kind = "fedavg"
[evaluation]
every = 1000
[hil]
heartbeat_s = 2
lost_after_s = 60
join_timeout_s = 300
keep_updates = false
[stop]
rounds = 1000000
[fleet]
)",
                                 8 * number);
  for (int i = 0; i < number; ++i) {
    text += fmt::format(
        "[[fleet.nodes]]\nname = \"n-{}\"\ndevice = \"jetson-orin-nano-8gb\"\nbackend = \"hil\"\n",
        i);
  }
  scenario = folder.write("soak.toml", text);
  sets.clear();
  std::vector<pid_t> children;
  for (int p = 0; p < processes; ++p) {
    const pid_t child = ::fork();
    if (child == 0) be_agents(port, number * p / processes, number * (p + 1) / processes);
    children.push_back(child);
  }
  auto& real = coordinator("real");
  double early_mb = 0;
  double most_mb = 0;
  int looks = 0;
  std::optional<std::chrono::steady_clock::time_point> begun;
  bool told = false;
  const bool ended = test::eventually(
      [&] {
        const double now = resident_mb(real.id());
        most_mb = std::max(most_mb, now);
        // Interrupted by wall time once all agents have joined and work: virtual time is as slow as
        // the machine with so many learning agents.
        const bool at_work = early_mb > 0;
        if (at_work && !begun) begun = std::chrono::steady_clock::now();
        if (begun && !told &&
            std::chrono::steady_clock::now() - *begun > std::chrono::seconds(seconds)) {
          told = true;
          real.signal(SIGINT);
        }
        if (++looks % 100 == 0 && early_mb == 0 &&
            std::filesystem::exists(in("real") + "/run.sqlite")) {
          early_mb = now;
        }
        return real.wait(0) != 1000;
      },
      seconds + 600);
  double agents_mb = 0;
  for (const pid_t child : children) agents_mb += resident_mb(child);
  for (const pid_t child : children) ::kill(child, SIGKILL);
  for (const pid_t child : children) ::waitpid(child, nullptr, 0);
  ASSERT_TRUE(ended) << real.output();
  ASSERT_EQ(real.wait(), 3) << real.output();
  const auto count = [&](const char* sql) { return query("real", sql)[0]; };
  fmt::print(
      "{} agents, {} s: {} tasks of {} nodes, {} failed, {} lost; the coordinator {:.0f} MB "
      "at first and {:.0f} MB at most, {} processes of agents {:.0f} MB\n",
      number, seconds, count("SELECT COUNT(*) FROM task WHERE node > 0"),
      count("SELECT COUNT(DISTINCT node) FROM task WHERE node > 0"),
      count("SELECT COUNT(*) FROM task WHERE node > 0 AND outcome NOT IN ('aggregated', "
            "'buffered', 'run_ended', 'cancelled')"),
      count("SELECT COUNT(*) FROM journal WHERE kind = 'node_lost'"), early_mb, most_mb, processes,
      agents_mb);
  EXPECT_EQ(count("SELECT COUNT(*) FROM journal WHERE kind = 'node_lost'"), "0");
  EXPECT_EQ(count("SELECT COUNT(*) FROM task WHERE outcome IN ('failed', 'refused', 'timed_out', "
                  "'out_of_memory', 'diverged')"),
            "0");
  EXPECT_EQ(count("SELECT COUNT(DISTINCT node) FROM task WHERE node > 0"), std::to_string(number));
  EXPECT_LT(most_mb, 2000);
}

}  // namespace
}  // namespace convoy
