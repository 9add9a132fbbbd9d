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
  for (const sim::ScheduleKind& kind : sim::schedule_kinds()) {
    if (!kind.together) names.push_back(kind.name);  // those are for simulated nodes
  }
  return names;
}

class EverySchedule : public testing::TestWithParam<std::string>, protected TestbedRun {
 protected:
  EverySchedule() {
    sets = {"schedule.kind=" + GetParam(), "stop.tasks=9", "data.samples=120",
            "data.test_samples=40",
            // With three nodes, at most three updates can wait for each other.
            "schedule.fedbuff.buffer=2",
            // Each of the three rounds chooses the kept weights anew.
            "schedule.prunefl.every=1", "schedule.prunefl.max_density=0.5"};
    if (learns_in_parts()) sets.emplace_back("model.exits=[1.0]");
    if (learns_by_elements() || learns_by_blocks() || learns_in_parts()) return;
    // Unequal nodes with different submodels.
    sets.insert(sets.end(), {"schedule.rates.8gb=0.5", "schedule.rates.32gb=1.0",
                             "schedule.compression.keep=0.2", "schedule.compression.bits=8"});
    if (GetParam() == "fedcompass") {  // about as many steps as an epoch has
      sets.insert(sets.end(), {"schedule.fedcompass.max_steps=4"});
    }
    if (GetParam() == "teasq") {  // compressed in both directions, at changing rates
      sets.insert(
          sets.end(),
          {"schedule.compression.decay.every=2", "schedule.compression.decay.factor=0.5",
           "schedule.compression.download.keep=0.6", "schedule.compression.download.decay.every=3",
           "schedule.compression.download.decay.factor=0.8"});
    }
  }

  // What is sent is made small by masks: no submodels, no compression.
  static bool learns_by_elements() { return GetParam() == "prunefl" || GetParam() == "fedpm"; }

  // What is sent is a part of the model: no submodels, no compression.
  static bool learns_by_blocks() { return GetParam() == "partitioned"; }

  // The model is split between a node and the server: no submodels, no compression.
  static bool learns_in_parts() {
    return GetParam() == "edgesplit" || GetParam() == "splitfed" || GetParam() == "splitlearning";
  }

  Output run(const std::string& name, const std::string& more = "") {
    return convoy_with("-o " + in(name) + " " + more);
  }
  // Everything that a run leaves behind.
  std::string result(const std::string& name) const {
    return test::dump_store(in(name)) + test::read_file(in(name) + "/model.safetensors");
  }

  // What was sent is what the graph says, and less than without compression.
  void expect_compressed(const std::string& name) const {
    EXPECT_EQ(query(name, "SELECT COUNT(*) FROM activity WHERE label = 'encode' AND cause = ''"),
              query(name, "SELECT COUNT(*) FROM activity WHERE label = 'train' AND cause = ''"));
    EXPECT_EQ(query(name,
                    "SELECT COUNT(*) FROM activity u JOIN activity d ON d.task = u.task AND "
                    "d.label = 'download' WHERE u.label = 'upload' AND u.bytes > 0.4 * d.bytes")[0],
              "0");
  }
  // The blocks of a version are together one model.
  void expect_blocks(const std::string& name) const {
    EXPECT_EQ(
        query(name,
              "SELECT COUNT(*) FROM (SELECT SUM(bytes_up) AS up, MAX(bytes_down) AS down FROM "
              "task WHERE aggregated_version IS NOT NULL AND kind = 'update' GROUP BY "
              "aggregated_version) WHERE "
              "ABS(up - down) > 8")[0],
        "0");
  }
  // A bit for each score; or fewer weights after each reconfiguration than at first.
  void expect_small_by_masks(const std::string& name) const {
    if (GetParam() == "fedpm") {
      EXPECT_EQ(
          query(name,
                "SELECT COUNT(*) FROM activity u JOIN activity d ON d.task = u.task AND "
                "d.label = 'download' WHERE u.label = 'upload' AND u.bytes > 0.1 * d.bytes")[0],
          "0");
      return;
    }
    EXPECT_GE(
        std::stoi(query(name, "SELECT COUNT(*) FROM activity WHERE label = 'reconfigure'")[0]), 2);
    EXPECT_EQ(query(name,
                    "SELECT COUNT(*) FROM task t JOIN activity a ON a.task = t.id AND a.label = "
                    "'download' WHERE t.base_version > 0 AND a.bytes >= (SELECT MAX(bytes) FROM "
                    "activity WHERE label = 'download')")[0],
              "0");
  }
};

TEST_P(EverySchedule, EndsWithTimingAlone) {
  sets.emplace_back("training.learn=false");
  const Output output = run("timing");
  EXPECT_EQ(output.status, 0) << output.err;
  EXPECT_GE(std::stoi(query("timing", "SELECT COUNT(*) FROM aggregation")[0]), 1);
}

// One worker, two workers, and a run that was killed and resumed give the same bits, and so does
// one with little memory for what waits.
TEST_P(EverySchedule, LearnsTheSameBitsKilledOrNotWithAnyWorkers) {
  Output output = run("whole", "--workers 1");
  ASSERT_EQ(output.status, 0) << output.err;
  if (learns_by_elements()) {
    expect_small_by_masks("whole");
  } else if (learns_by_blocks()) {
    expect_blocks("whole");
  } else if (!learns_in_parts()) {
    expect_compressed("whole");
  }
  base::Random random({test::drawn_seed()});
  sets.emplace_back("output.checkpoint_s=0");
  // Most of what waits does so in files.
  sets.emplace_back(random.below(2) == 0 ? "output.held_mib=0" : "output.held_mib=0.2");
  std::vector<std::string> arguments = {"run",       scenario, "-o",     in("killed"),
                                        "--workers", "2",      "--quiet"};
  for (const std::string& set : sets) arguments.insert(arguments.end(), {"--set", set});
  {
    test::Program program(CONVOY_BINARY, arguments, folder.path() / "killed.log");
    ::usleep(static_cast<useconds_t>(300'000 + random.below(1'000'000)));
    program.signal(SIGKILL);  // at any moment; the run may even be finished
    program.wait(60);
  }
  output = run("killed", "--resume --workers 2");
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
    const std::string traffic = "SELECT * FROM traffic ORDER BY rowid";
    EXPECT_EQ(query("real", traffic), query(other, traffic)) << other;
    EXPECT_TRUE(test::read_file(in("real") + "/model.safetensors") ==
                test::read_file(in(other) + "/model.safetensors"))
        << other;
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, EverySchedule, testing::ValuesIn(names_of_kinds()),
                         [](const auto& kind) { return kind.param; });

}  // namespace
}  // namespace convoy
