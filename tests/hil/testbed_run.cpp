#include "tests/hil/testbed_run.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <sstream>

#include "tests/support/scenario_run.hpp"

namespace convoy::test {
namespace {

constexpr const char* scenario_text = R"(
name = "loopback"
seed = 3
[fleet]
[[fleet.nodes]]
name = "a"
device = "jetson-agx-orin-32gb"
[[fleet.nodes]]
name = "b"
device = "jetson-orin-nano-8gb"
[[fleet.nodes]]
name = "c"
device = "jetson-xavier-nx-8gb"
[model]
architecture = "cnn-small"
[data]
samples = 300
test_samples = 100
[training]
learn = true
optimizer = { kind = "sgd", learning_rate = 0.02, momentum = 0.9 }
batch = 16
[schedule]
kind = "cos2p"
mask = { epochs = 1 }
[hil]
heartbeat_s = 0.2
lost_after_s = 10
join_timeout_s = 60
keep_updates = true
[stop]
tasks = 12
)";

}  // namespace

TestbedRun::TestbedRun()
    : scenario(folder.write("loopback.toml", scenario_text)), port(free_port()), agent_port(port) {}

std::unique_ptr<Program> TestbedRun::start(std::string program, std::vector<std::string> arguments,
                                           const std::string& log) const {
  if (!netns.empty()) {
    arguments.insert(arguments.begin(), {"netns", "exec", netns, program});
    program = "ip";
  }
  return std::make_unique<Program>(program, arguments, folder.path() / log);
}

Program& TestbedRun::agent(const std::string& name, const std::vector<std::string>& further) {
  std::vector<std::string> arguments = {
      "--connect", fmt::format("127.0.0.1:{}", agent_port), "--name", name, "--retry-s", "0.5"};
  const bool secure = std::find(further.begin(), further.end(), "--key") != further.end();
  if (!secure) arguments.push_back("--insecure");
  arguments.insert(arguments.end(), further.begin(), further.end());
  agents[name].reset();
  agents[name] = start(CONVOY_NODE_BINARY, arguments, name + ".log");
  return *agents[name];
}

Program& TestbedRun::coordinator(const std::string& name, const std::vector<std::string>& further) {
  std::vector<std::string> arguments = {"run", scenario, "-o", in(name), "--quiet"};
  const bool testbed = std::find(further.begin(), further.end(), "--testbed") != further.end();
  if (!testbed) {
    arguments.insert(arguments.end(),
                     {"--listen", fmt::format("127.0.0.1:{}", port), "--insecure"});
  }
  for (const std::string& set : sets) arguments.insert(arguments.end(), {"--set", set});
  arguments.insert(arguments.end(), further.begin(), further.end());
  run.reset();
  run = start(binary, arguments, fmt::format("{}-{}.log", name, runs++));
  return *run;
}

void TestbedRun::expect_interrupted(Program& coordinator) {
  coordinator.signal(SIGINT);
  EXPECT_EQ(coordinator.wait(120), 3) << coordinator.output();
}

void TestbedRun::expect_replay(const std::string& options) {
  const Output replay = convoy_with("-o " + in("replay") + " --replay " + in("real") + options);
  ASSERT_EQ(replay.status, 0) << replay.err;
  const std::vector<Entry> real = journal("real");
  const std::vector<Entry> again = journal("replay");
  ASSERT_EQ(real.size(), again.size());
  for (std::size_t i = 0; i < real.size(); ++i) {
    ASSERT_EQ(real[i].kind, again[i].kind) << "entry " << i;
    ASSERT_EQ(real[i].task, again[i].task) << "entry " << i;
    ASSERT_NEAR(real[i].time_s, again[i].time_s, 1e-6) << "entry " << i;
  }
}

void TestbedRun::expect_replay_of_interrupted() {
  const Output replay = convoy_with("-o " + in("replay") + " --replay " + in("real"));
  ASSERT_EQ(replay.status, 3) << replay.err;
  const std::vector<Entry> real = journal("real");
  const std::vector<Entry> again = journal("replay");
  ASSERT_GE(again.size(), real.size());
  // The replay ends after everything due at its last instant; the interrupted run may not have
  // handled all of it.
  const double end_s = std::stod(query("real", "SELECT virtual_time_s FROM run")[0]);
  for (std::size_t i = 0; i < again.size(); ++i) {
    const bool beyond = i >= real.size();
    ASSERT_NEAR(again[i].time_s, beyond ? end_s : real[i].time_s, 1e-6) << "entry " << i;
    if (beyond) continue;
    ASSERT_EQ(again[i].kind, real[i].kind) << "entry " << i;
    ASSERT_EQ(again[i].node, real[i].node) << "entry " << i;
    ASSERT_EQ(again[i].task, real[i].task) << "entry " << i;
  }
}

Output TestbedRun::convoy_with(const std::string& options) {
  std::string line = "run " + scenario + " --quiet " + options;
  for (const std::string& set : sets) line += " --set " + set;
  return convoy(line);
}

std::vector<std::string> TestbedRun::query(const std::string& name, const std::string& sql) const {
  return query_store(in(name), sql);
}

std::vector<Entry> TestbedRun::journal(const std::string& name) const {
  std::vector<Entry> entries;
  SQLite::Database database(folder.path() / name / "run.sqlite", SQLite::OPEN_READONLY, 5000);
  SQLite::Statement all(database,
                        "SELECT time_s, kind, node, task, detail FROM journal ORDER BY sequence");
  while (all.executeStep()) {
    entries.push_back({all.getColumn(0).getDouble(), all.getColumn(1).getString(),
                       all.getColumn(2).getInt64(), all.getColumn(3).getInt64(),
                       all.getColumn(4).getString()});
  }
  return entries;
}

bool TestbedRun::reaches(const std::string& name, const std::string& count, int wanted) const {
  return eventually([&] {
    try {
      return std::stoi(query(name, count)[0]) >= wanted;
    } catch (const std::exception&) {
      return false;  // does not exist yet
    }
  });
}

std::map<std::string, int> TestbedRun::aggregated(const std::string& name) const {
  std::map<std::string, int> counts;
  for (const std::string& row :
       query(name,
             "SELECT n.name FROM task t JOIN node n ON n.id = t.node WHERE t.outcome = "
             "'aggregated'")) {
    ++counts[row];
  }
  // The updates in each aggregation, by the journal.
  std::map<std::string, int> times;
  for (const Entry& e : journal(name)) {
    const std::string before = " consumes=";
    const std::size_t list = e.detail.find(before);
    if (e.kind != "assign" || list == std::string::npos) continue;
    std::istringstream words(e.detail.substr(list + before.size()));
    for (std::string task; words >> task && task != "publishes";) {
      EXPECT_EQ(++times[task], 1) << "task " << task << " was aggregated twice";
    }
  }
  EXPECT_TRUE(counts.empty() || !times.empty()) << "the journal names no task that was aggregated";
  return counts;
}

}  // namespace convoy::test
