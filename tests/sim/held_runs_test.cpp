// Tests whole learning runs of which only a little may wait in memory: the same bits as if all did,
// and a clear end where there is no room for the rest. By the command line, since a process can
// have one simulation only.

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "base/random.hpp"
#include "tests/support/files.hpp"
#include "tests/support/programs.hpp"
#include "tests/support/scenario_folder.hpp"
#include "tests/support/seed.hpp"

namespace convoy {
namespace {

using test::convoy;
using test::Output;
using testing::AllOf;
using testing::HasSubstr;

// Nodes keep momentum, so that states wait as well as updates. An update has 190 KB, a state too.
constexpr const char* base_scenario = R"(
name = "held"
seed = 3
[fleet]
[[fleet.nodes]]
device = "jetson-agx-orin-64gb"
count = 5
[[fleet.nodes]]
device = "jetson-xavier-nx-16gb"
count = 5
slowdown = 2.5
random_outages = { mean_up_s = 0.05, mean_down_s = 0.01 }
[model]
architecture = "cnn-small"
[data]
source = "glyphs"
samples = 400
test_samples = 50
[training]
learn = true
optimizer = { kind = "sgd", learning_rate = 0.02, momentum = 0.9 }
optimizer_state = "kept"
local_steps = 1
batch = 16
[schedule]
kind = "fedavg"
[stop]
rounds = 4
)";

class HeldRuns : public test::ScenarioFolder {
 protected:
  HeldRuns() : ScenarioFolder(base_scenario) {}

  // Everything that a run leaves behind.
  [[nodiscard]] std::string result(const std::string& name) const {
    EXPECT_FALSE(std::filesystem::exists(in(name) + "/held"));
    return stored(name) + model(name);
  }
  [[nodiscard]] double of_host(const std::string& name, const std::string& key) const {
    SQLite::Database database(in(name) + "/run.sqlite", SQLite::OPEN_READONLY);
    return std::stod(database.execAndGet("SELECT value FROM host WHERE key = '" + key + "'"));
  }

  test::TemporaryFolder folder;
  std::string file;
};

TEST_F(HeldRuns, AnyRuleAndScheduleGivesTheSameBitsWithAnyLimitAndAnyWorkers) {
  base::Random random({test::drawn_seed()});
  const std::vector<std::string> kinds = {"fedavg", "cos2p", "fedbuff"};
  const std::vector<std::string> rules = {"coverage", "drift-relative", "fedadam", "fedasync",
                                          "median",   "holders",        "teasq"};
  for (int trial = 0; trial < 3; ++trial) {
    std::string with = "--set schedule.kind=" + kinds[random.below(kinds.size())];
    with += fmt::format(" --set 'schedule.aggregation={{rule=\"{}\"{}}}'",
                        rules[random.below(rules.size())],
                        random.below(2) == 0 ? ",norm_bound=1.5" : "");
    if (random.below(2) == 0) with += " --set 'schedule.compression={keep=0.2,bits=8}'";
    if (random.below(2) == 0) with += " --set training.optimizer_state=fresh";
    SCOPED_TRACE(with);
    const Output whole = run("whole", with + " --overwrite --workers 1");
    ASSERT_EQ(whole.status, 0) << whole.err;
    EXPECT_EQ(of_host("whole", "set_aside"), 0);
    const std::string expected = result("whole");
    for (const double limit : {0.0, 0.3 + random.uniform()}) {
      const std::string name = fmt::format("limited{}", limit == 0 ? "0" : "");
      const Output limited =
          run(name, fmt::format("{} --overwrite --workers {} --set output.held_mib={}", with,
                                1 + random.below(3), limit));
      ASSERT_EQ(limited.status, 0) << limited.err;
      EXPECT_EQ(result(name), expected);
      EXPECT_LE(of_host(name, "held_bytes_most"), limit * (1 << 20));
      if (limit == 0) {
        EXPECT_GE(of_host(name, "set_aside"), 20);
      }
    }
  }
}

TEST_F(HeldRuns, ALimitBelowNothingIsRefused) {
  const Output output = run("refused", "--set output.held_mib=-0.5");
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, AllOf(HasSubstr("output.held_mib"), HasSubstr("0")));
}

// By an interrupt, and at any moment by a kill.
TEST_F(HeldRuns, BrokenOffAndResumedTheyEndWithTheSameBitsAndWithoutAFile) {
  const std::string longer = "--set stop.rounds=12 --set 'schedule.aggregation={rule=\"median\"}'";
  ASSERT_EQ(run("whole", longer).status, 0);
  base::Random random({test::drawn_seed()});
  for (const int signal : {SIGINT, SIGKILL}) {
    const std::string name = "broken" + std::to_string(signal);
    {
      test::Program program(CONVOY_BINARY,
                            {"run", file, "-o", in(name), "--quiet", "--workers", "2", "--set",
                             "stop.rounds=12", "--set", "schedule.aggregation={rule=\"median\"}",
                             "--set", "output.held_mib=0.2", "--set", "output.checkpoint_s=0"},
                            folder.path() / "broken.log");
      // Once something waits in a file, or the run is over.
      for (int i = 0; i < 3000; ++i) {
        if (std::filesystem::exists(in(name) + "/held") ||
            std::filesystem::exists(in(name) + "/model.safetensors")) {
          break;
        }
        ::usleep(10'000);
      }
      ::usleep(static_cast<useconds_t>(random.below(300'000)));
      program.signal(signal);
      program.wait(60);
    }
    if (signal == SIGINT) {
      EXPECT_FALSE(std::filesystem::exists(in(name) + "/held"));
    }
    const Output resumed =
        run(name, longer + " --resume --set output.held_mib=" + (random.below(2) ? "0" : "0.5"));
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_EQ(result(name), result("whole"));
  }
}

// Something else is where the folder should be: the run fails and says so, and goes on when that is
// gone.
TEST_F(HeldRuns, AFolderThatCannotBeWrittenFailsTheRunAndNothingIsLost) {
  ASSERT_EQ(run("whole", "").status, 0);
  // Within a file system of one and a half megabytes, where the tests may mount one.
  const std::string small = in("small");
  std::filesystem::create_directories(small);
  const std::string command = fmt::format(
      "unshare -rm sh -c 'mount -t tmpfs -o size=1500k none {0} && {1} run {2} --quiet -o {0}/run "
      "--set output.held_mib=0 --set output.checkpoint_s=1000 2> {0}.err; echo $? > {0}.status; "
      "cp -r {0}/run {0}.kept'",
      small, CONVOY_BINARY, file);
  if (std::system(command.c_str()) != 0) GTEST_SKIP() << "no file system may be mounted here";
  EXPECT_EQ(test::read_file(small + ".status"), "1\n");
  EXPECT_THAT(test::read_file(small + ".err"),
              AllOf(HasSubstr(small + "/run/held: "), HasSubstr("No space left on device"),
                    HasSubstr("output.held_mib")));
  const Output resumed = run("small.kept", "--resume");
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_EQ(result("small.kept"), result("whole"));
}

}  // namespace
}  // namespace convoy
