// Tests every kind of schedule in all situations: timing only, learning, killed and resumed, absent
// nodes, compressed updates, real nodes and their replay. Tests cover each kind listed in
// kinds.hpp, also new ones.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "base/random.hpp"
#include "sim/schedule/schedule.hpp"
#include "tests/hil/testbed_run.hpp"
#include "tests/support/seed.hpp"

namespace convoy {
namespace {

using test::Output;
using test::TestbedRun;

std::vector<std::string> names_of_kinds() {
  std::vector<std::string> names;
  for (const sim::ScheduleKind& kind : sim::schedule_kinds()) names.push_back(kind.name);
  return names;
}

class EverySchedule : public testing::TestWithParam<std::string>, protected TestbedRun {
 protected:
  EverySchedule() {
    sets = {"schedule.kind=" + GetParam(), "stop.tasks=9", "data.samples=120",
            "data.test_samples=40",
            // With three nodes, at most three updates can wait for each other.
            "schedule.fedbuff.buffer=2",
            // Unequal nodes with different submodels.
            "schedule.rates.8gb=0.5", "schedule.rates.32gb=1.0", "schedule.compression.keep=0.2",
            "schedule.compression.bits=8"};
  }

  Output run(const std::string& name, const std::string& more = "") {
    return convoy_with("-o " + in(name) + " " + more);
  }
  // Everything that a run leaves behind.
  std::string result(const std::string& name) const {
    return test::dump_store(in(name)) + test::read_file(in(name) + "/model.safetensors");
  }
};

TEST_P(EverySchedule, EndsWithTimingAlone) {
  sets.emplace_back("training.learn=false");
  const Output output = run("timing");
  EXPECT_EQ(output.status, 0) << output.err;
  EXPECT_GE(std::stoi(query("timing", "SELECT COUNT(*) FROM aggregation")[0]), 1);
}

TEST_P(EverySchedule, LearnsTheSameBitsWithOneAndTwoWorkers) {
  Output output = run("one", "--workers 1");
  ASSERT_EQ(output.status, 0) << output.err;
  output = run("two", "--workers 2");
  ASSERT_EQ(output.status, 0) << output.err;
  EXPECT_EQ(result("one"), result("two"));
  // The bytes sent are those of the graph, and fewer than without compression.
  EXPECT_EQ(query("one", "SELECT COUNT(*) FROM activity WHERE label = 'encode' AND cause = ''"),
            query("one", "SELECT COUNT(*) FROM activity WHERE label = 'train' AND cause = ''"));
  EXPECT_EQ(query("one",
                  "SELECT COUNT(*) FROM activity u JOIN activity d ON d.task = u.task AND "
                  "d.label = 'download' WHERE u.label = 'upload' AND u.bytes > 0.4 * d.bytes")[0],
            "0");
}

TEST_P(EverySchedule, KilledAndResumedEndsWithTheSameBits) {
  Output output = run("whole");
  ASSERT_EQ(output.status, 0) << output.err;
  base::Random random({test::drawn_seed()});
  sets.emplace_back("output.checkpoint_s=0");
  std::vector<std::string> arguments = {"run", scenario, "-o", in("killed"), "--quiet"};
  for (const std::string& set : sets) arguments.insert(arguments.end(), {"--set", set});
  {
    test::Program program(CONVOY_BINARY, arguments, folder.path() / "killed.log");
    ::usleep(static_cast<useconds_t>(300'000 + random.below(1'000'000)));
    program.signal(SIGKILL);  // at any moment; the run may even be finished
    program.wait(60);
  }
  output = run("killed", "--resume");
  ASSERT_EQ(output.status, 0) << output.err;
  EXPECT_EQ(result("killed"), result("whole"));
}

TEST_P(EverySchedule, EndsWhateverComesAndGoes) {
  sets.emplace_back("fleet.nodes.1.random_outages.mean_up_s=0.05");
  sets.emplace_back("fleet.nodes.1.random_outages.mean_down_s=0.01");
  const Output output = run("outages");
  EXPECT_EQ(output.status, 0) << output.err;
  EXPECT_GE(std::stoi(query("outages", "SELECT COUNT(*) FROM journal WHERE kind = 'node_lost'")[0]),
            1);
}

// Real nodes with modelled times: the same bits as in the simulation, and so in a replay.
TEST_P(EverySchedule, RealNodesGiveWhatTheSimulationGives) {
  for (const char* node : {"0", "1"}) {
    sets.push_back(std::string("fleet.nodes.") + node + ".compute=modelled");
    sets.push_back(std::string("fleet.nodes.") + node + ".network=modelled");
    sets.push_back(std::string("fleet.nodes.") + node + ".backend=hil");
  }
  agent("a");
  agent("b");
  test::Program& real = coordinator("real");
  ASSERT_EQ(real.wait(120), 0) << real.output();
  const Output replay = run("replay", "--replay " + in("real"));
  ASSERT_EQ(replay.status, 0) << replay.err;
  std::erase_if(sets, [](const std::string& set) { return set.ends_with("backend=hil"); });
  const Output simulated = run("simulated");
  ASSERT_EQ(simulated.status, 0) << simulated.err;
  const std::string tasks =
      "SELECT id, node, label, base_version, ended_s, outcome, aggregated_version, staleness, "
      "bytes_down, bytes_up, loss FROM task ORDER BY id";
  for (const std::string other : {"replay", "simulated"}) {
    EXPECT_EQ(query("real", tasks), query(other, tasks)) << other;
    EXPECT_TRUE(test::read_file(in("real") + "/model.safetensors") ==
                test::read_file(in(other) + "/model.safetensors"))
        << other;
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, EverySchedule, testing::ValuesIn(names_of_kinds()),
                         [](const auto& kind) { return kind.param; });

}  // namespace
}  // namespace convoy
