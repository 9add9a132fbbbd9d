// Tests whole learning runs by the command line, since a process can have one simulation only.

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/random.hpp"
#include "tests/support/files.hpp"
#include "tests/support/seed.hpp"

namespace convoy {
namespace {

using test::convoy;
using test::Output;
using testing::HasSubstr;

// Small, and with everything that a checkpoint must keep: learned and drawn masks, kept momentum,
// drift against older versions, nodes that come and go.
constexpr const char* everything = R"(
name = "learns"
seed = 3
[fleet]
[[fleet.nodes]]
device = "jetson-agx-orin-64gb"
count = 2
[[fleet.nodes]]
device = "jetson-xavier-nx-16gb"
count = 2
slowdown = 2.5
random_outages = { mean_up_s = 0.05, mean_down_s = 0.01 }
[[fleet.nodes]]
device = "jetson-xavier-nx-8gb"
[model]
architecture = "cnn-small"
dropout = 0.1
[data]
source = "glyphs"
samples = 400
test_samples = 100
[training]
learn = true
optimizer = { kind = "sgd", learning_rate = 0.02, momentum = 0.9 }
optimizer_state = "kept"
batch = 16
[evaluation]
local = true
[schedule]
kind = "cos2p"
aggregation = "drift-relative"
mask = { epochs = 1, draw = "sampled" }
[stop]
rounds = 12
)";

class LearningRun : public testing::Test {
 protected:
  LearningRun() { file = folder.write("s.toml", everything); }

  std::string in(const std::string& name) const { return (folder.path() / name).string(); }
  Output run(const std::string& name, const std::string& more = "") const {
    return convoy("run " + file + " --quiet -o " + in(name) + " " + more);
  }
  // Everything that a run leaves behind.
  std::string result(const std::string& name) const {
    return test::dump_store(in(name)) + test::read_file(in(name) + "/model.safetensors");
  }
  double query(const std::string& name, const std::string& sql) const {
    SQLite::Database database(in(name) + "/run.sqlite", SQLite::OPEN_READONLY);
    return database.execAndGet(sql).getDouble();
  }

  test::TemporaryFolder folder;
  std::string file;
};

TEST_F(LearningRun, IsTheSameToTheBitForOneAndTwoWorkers) {
  ASSERT_EQ(run("one", "--workers 1").status, 0);
  ASSERT_EQ(run("two", "--workers 2").status, 0);
  EXPECT_EQ(result("one"), result("two"));
  ASSERT_EQ(run("other", "--set seed=4").status, 0);
  EXPECT_NE(result("one"), result("other"));
}

// What is measured for the estimate of the wall time does not change a run.
TEST_F(LearningRun, IsTheSameToTheBitWithAnEstimateOfItsWallTime) {
  ASSERT_EQ(run("quiet").status, 0);
  const Output told = convoy("run " + file + " -o " + in("told"));
  ASSERT_EQ(told.status, 0) << told.err;
  EXPECT_THAT(told.err, HasSubstr("convoy: wall time: about "));
  EXPECT_EQ(result("told"), result("quiet"));
}

// The first round is the whole run: within it, progress is that of the trainings.
TEST_F(LearningRun, ItsProgressGoesOnInsideOfLongTrainings) {
  const Output told = convoy("run " + file + " -o " + in("told") +
                             " --set schedule.kind=fedavg --set stop.rounds=1 --set "
                             "training.local_epochs=60 --set output.progress_s=0.05");
  ASSERT_EQ(told.status, 0) << told.err;
  std::istringstream lines(told.err);
  std::vector<int> shares;
  for (std::string line; std::getline(lines, line);) {
    int percent = 0;
    if (std::sscanf(line.c_str(), "convoy: %d %%  virtual", &percent) == 1)
      shares.push_back(percent);
  }
  EXPECT_TRUE(std::ranges::is_sorted(shares)) << told.err;
  EXPECT_TRUE(std::ranges::any_of(shares, [](int s) { return s > 0 && s < 100; })) << told.err;
}

TEST_F(LearningRun, KilledAtAnyMomentAndResumedItEndsWithTheSameBits) {
  ASSERT_EQ(run("whole").status, 0);
  base::Random random({test::drawn_seed()});
  for (int i = 0; i < 4; ++i) {
    const std::string name = "killed" + std::to_string(i);
    const std::string output = in(name);
    const pid_t child = ::fork();
    if (child == 0) {
      ::execl(CONVOY_BINARY, CONVOY_BINARY, "run", file.c_str(), "--quiet", "-o", output.c_str(),
              "--set", "output.checkpoint_s=0", nullptr);
      ::_exit(127);
    }
    ::usleep(static_cast<useconds_t>(300'000 + random.below(2'000'000)));
    ::kill(child, SIGKILL);  // at any moment; the run may even be finished
    int status = 0;
    ::waitpid(child, &status, 0);
    const Output resumed = run(name, "--resume --set output.checkpoint_s=0");
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_EQ(result(name), result("whole"));
  }
}

// With a rule that needs to know who else is at work, and an aggregation that takes long: it is
// under way at most moments, and what is known of the others belongs to its checkpoint.
TEST_F(LearningRun, ARuleThatAsksWhoIsAtWorkGoesOnWithTheSameBits) {
  const std::string with =
      "--set 'schedule.aggregation={rule=\"in-flight\",momentum=0.5}' --set "
      "fleet.server.slowdown=3000";
  ASSERT_EQ(run("whole", with).status, 0);
  ASSERT_EQ(run("other", with + " --set 'schedule.aggregation={rule=\"coverage\"}'").status, 0);
  EXPECT_NE(result("whole"), result("other"));
  for (const int tasks : {3, 11, 17}) {
    const std::string name = "stopped" + std::to_string(tasks);
    const std::string stop = " --set stop.tasks=" + std::to_string(tasks);
    ASSERT_EQ(run(name, with + stop + " --set output.checkpoint_s=0").status, 0);
    const Output resumed = run(name, with + " --resume");
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_EQ(result(name), result("whole"));
  }
}

TEST_F(LearningRun, AnInterruptStopsItAndItGoesOn) {
  ASSERT_EQ(run("whole").status, 0);
  const std::string output = in("stopped");
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl(CONVOY_BINARY, CONVOY_BINARY, "run", file.c_str(), "--quiet", "-o", output.c_str(),
            nullptr);
    ::_exit(127);
  }
  const std::filesystem::path store = std::filesystem::path(output) / "run.sqlite";
  for (int i = 0; i < 500 && !std::filesystem::exists(store); ++i) ::usleep(10'000);
  ::usleep(200'000);
  ::kill(child, SIGINT);
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_TRUE(WEXITSTATUS(status) == 3 || WEXITSTATUS(status) == 0) << WEXITSTATUS(status);
  ASSERT_EQ(run("stopped", "--resume").status, 0);
  EXPECT_EQ(result("stopped"), result("whole"));
  // A finished run that is resumed is only simulated again.
  ASSERT_EQ(run("stopped", "--resume").status, 0);
  EXPECT_EQ(result("stopped"), result("whole"));
}

// With a later stop a run continues, finished or not, as if it had that stop from the beginning.
TEST_F(LearningRun, ALaterStopGoesOnWithARunThatIsDone) {
  const std::string later = " --set stop.rounds=4 --set evaluation.target=0.3";
  ASSERT_EQ(run("whole", later).status, 0);
  ASSERT_EQ(run("part", "--set stop.rounds=2").status, 0);
  const Output extended = run("part", "--resume" + later);
  ASSERT_EQ(extended.status, 0) << extended.err;
  EXPECT_EQ(result("part"), result("whole"));
  // An earlier stop would lose results.
  const Output earlier = run("part", "--resume --set stop.rounds=3");
  EXPECT_EQ(earlier.status, 1);
  EXPECT_THAT(earlier.err, testing::HasSubstr("had come further than [stop] lets it go now"));
  EXPECT_EQ(result("part"), result("whole"));
  const Output other = run("part", "--resume --set stop.rounds=4 --set training.batch=5");
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.err, testing::HasSubstr("only [stop] may be another"));
}

// From each way to stop to each other one, twice.
TEST_F(LearningRun, ARunGoesOnFromWhateverStoppedIt) {
  const auto stop_at = [](const std::string& key, const std::string& value) {
    return " --set stop.rounds=1000 --set stop." + key + "=" + value;
  };
  ASSERT_EQ(run("whole", "--set stop.rounds=4").status, 0);
  const auto time = [&](int version) {
    return query("whole",
                 "SELECT end_s FROM aggregation WHERE version = " + std::to_string(version));
  };
  const auto between = [&](int version) {
    return fmt::format("{:.17g}", (time(version) + time(version + 1)) / 2);
  };
  ASSERT_EQ(run("part", stop_at("virtual_time_s", between(1))).status, 0);
  const Output earlier =
      run("part", "--resume" + stop_at("virtual_time_s", fmt::format("{}", time(1) / 2)));
  EXPECT_EQ(earlier.status, 1);
  EXPECT_THAT(earlier.err, testing::HasSubstr("had come further than [stop] lets it go now"));
  for (const std::string& later :
       {stop_at("virtual_time_s", between(2)), std::string(" --set stop.rounds=3"),
        stop_at("virtual_time_s", between(3)), std::string(" --set stop.rounds=4")}) {
    const Output extended = run("part", "--resume" + later);
    ASSERT_EQ(extended.status, 0) << later << ": " << extended.err;
  }
  EXPECT_EQ(result("part"), result("whole"));
}

TEST_F(LearningRun, WhatIsPrintedIsWhatTheStoreHolds) {
  const Output output = run("r", "--json --set evaluation.target=0.11");
  ASSERT_EQ(output.status, 0) << output.err;
  const auto json = nlohmann::json::parse(output.out);
  EXPECT_EQ(json["accuracy"],
            query("r", "SELECT top1 FROM evaluation WHERE judged ORDER BY version DESC LIMIT 1"));
  EXPECT_EQ(json["accuracy_best"], query("r", "SELECT MAX(top1) FROM evaluation WHERE judged"));
  EXPECT_EQ(json["time_to_accuracy_s"],
            query("r", "SELECT MIN(time_s) FROM evaluation WHERE judged AND top1 >= 0.11"));
  EXPECT_EQ(json["coverage_min"], query("r", "SELECT MIN(coverage_min) FROM aggregation"));
  // Every version was evaluated at four exits; every update has its loss and local accuracy.
  EXPECT_EQ(query("r", "SELECT COUNT(*) FROM evaluation"), 4 * 13);
  EXPECT_EQ(query("r",
                  "SELECT COUNT(*) FROM task WHERE outcome = 'aggregated' AND (loss IS NULL "
                  "OR local_accuracy IS NULL)"),
            0);
  // An evaluation takes no virtual time.
  EXPECT_EQ(query("r",
                  "SELECT COUNT(*) FROM evaluation e JOIN aggregation a USING (version) WHERE "
                  "ABS(e.time_s - a.end_s) > 1e-9 * a.end_s"),
            0);
}

TEST_F(LearningRun, DrawnMasksHaveTheSizesThatWereDrawn) {
  ASSERT_EQ(run("r").status, 0);
  // Uploads of a node with rate 0.25 have different sizes, since masks are drawn; with rate 1 they
  // do not.
  const std::string sizes =
      "SELECT COUNT(DISTINCT a.bytes) FROM activity a JOIN task t ON t.id = a.task WHERE a.label = "
      "'upload' AND a.cause = '' AND t.rate ";
  EXPECT_GT(query("r", sizes + "< 1"), 2);
  EXPECT_EQ(query("r", sizes + "= 1"), 1);
  // Between two mask phases a node's download is as large as its last upload, without the masks.
  EXPECT_EQ(query("r",
                  "SELECT COUNT(*) FROM task WHERE outcome = 'aggregated' AND label = 'train' AND "
                  "rate < 1 AND ABS(bytes_up - bytes_down) > 64"),
            0);
  EXPECT_LE(
      query("r", "SELECT MAX(ABS(kept - rate)) FROM task WHERE rate < 1 AND kept IS NOT NULL"),
      0.2);  // groups of 16 to 64 coins; each class's mean is tested with the engine
}

TEST_F(LearningRun, StopsAtAnAccuracyAndStartsFromAFile) {
  const std::string easy =
      "--set schedule.kind=fedavg --set evaluation.local=false --set stop.rounds=40 ";
  const Output first = run("first", easy + "--json --set stop.accuracy=0.3");
  ASSERT_EQ(first.status, 0) << first.err;
  const auto a = nlohmann::json::parse(first.out);
  EXPECT_GE(a["accuracy"], 0.3);
  EXPECT_LT(a["rounds"], 40);
  EXPECT_EQ(a["time_to_accuracy_s"], a["virtual_time_s"]);
  const Output second =
      run("second", easy + "--json --set stop.rounds=1 --set model.weights=" + in("first") +
                        "/model.safetensors");
  ASSERT_EQ(second.status, 0) << second.err;
  EXPECT_EQ(query("second", "SELECT top1 FROM evaluation WHERE version = 0 AND exit = 3"),
            query("first", "SELECT top1 FROM evaluation WHERE exit = 3 ORDER BY version DESC"));
}

TEST_F(LearningRun, JudgesByVirtualTimeAsWell) {
  ASSERT_EQ(run("r", "--set evaluation.every=0 --set evaluation.every_s=0.01").status, 0);
  EXPECT_GT(query("r", "SELECT COUNT(DISTINCT version) FROM evaluation"), 2);
  // At multiples of the interval, except for the last version.
  EXPECT_LE(query("r",
                  "SELECT COUNT(DISTINCT time_s) FROM evaluation WHERE "
                  "ABS(time_s * 100 - ROUND(time_s * 100)) > 1e-6"),
            1);
}

TEST_F(LearningRun, TrainingThatDivergesFailsWithItsCause) {
  const Output output = run("r", "--set training.optimizer.learning_rate=1000");
  EXPECT_EQ(output.status, 1);
  EXPECT_THAT(output.err, HasSubstr("training diverges"));
  EXPECT_THAT(output.err, HasSubstr("lower training.optimizer.learning_rate"));
  EXPECT_GT(query("r", "SELECT COUNT(*) FROM task WHERE outcome = 'diverged'"), 5);
}

TEST_F(LearningRun, TimingDoesNotDependOnWhetherItLearns) {
  const std::string top = "--set schedule.mask.draw=top ";
  ASSERT_EQ(run("learns", top).status, 0);
  ASSERT_EQ(run("timing", top + "--set training.learn=false").status, 0);
  const std::string last = "SELECT SUM(end_s) + COUNT(*) FROM activity";
  EXPECT_EQ(query("learns", last), query("timing", last));
}

TEST_F(LearningRun, ADamagedCheckpointIsNamed) {
  ASSERT_EQ(run("r").status, 0);
  const std::string index = in("r") + "/checkpoint/index.json";
  const std::string whole = test::read_file(index);
  for (const std::string& text :
       {std::string("{"), std::string("{}"), whole.substr(0, whole.size() / 2)}) {
    std::ofstream(index) << text;
    const Output output = run("r", "--resume");
    EXPECT_EQ(output.status, 2);
    EXPECT_THAT(output.err, HasSubstr("index.json: is damaged"));
  }
  std::ofstream(index) << whole;
  for (const auto& entry : std::filesystem::directory_iterator(in("r") + "/checkpoint")) {
    if (entry.path().filename().string().starts_with("weights")) {
      std::filesystem::resize_file(entry.path(), 1000);
    }
  }
  const Output output = run("r", "--resume");
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, HasSubstr("weights-"));
  // Without a checkpoint the learning starts again.
  std::filesystem::remove_all(in("r") + "/checkpoint");
  EXPECT_EQ(run("r", "--resume").status, 0);
}

// If any bit of the checkpoint changes, the run reports it and does not learn from it.
TEST_F(LearningRun, ACheckpointThatHasRottedIsNamed) {
  ASSERT_EQ(run("r", "--set stop.rounds=3").status, 0);
  base::Random random({test::drawn_seed()});
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(in("r") + "/checkpoint")) {
    files.push_back(entry.path());
  }
  ASSERT_GT(files.size(), 2U);
  for (std::size_t trial = 0; trial < 6; ++trial) {
    const std::filesystem::path& rotting = files[trial < 2 ? trial : random.below(files.size())];
    const std::string whole = test::read_file(rotting.string());
    std::string rotten = whole;
    const std::size_t at = random.below(whole.size());
    rotten[at] = static_cast<char>(rotten[at] ^ (1 << random.below(8)));
    std::ofstream(rotting, std::ios::binary) << rotten;
    const Output output = run("r", "--resume");
    EXPECT_EQ(output.status, 2) << rotting << ", byte " << at;
    EXPECT_THAT(output.err, HasSubstr(rotting.filename().string())) << "byte " << at;
    std::ofstream(rotting, std::ios::binary) << whole;
  }
  EXPECT_EQ(run("r", "--resume").status, 0);
}

// --- what does not fit --------------------------------------------------------------------------

class LearningInput : public LearningRun {
 protected:
  void expect_refused(const std::string& more, const std::string& why) {
    const Output output = run("r", more);
    EXPECT_EQ(output.status, 2) << more;
    EXPECT_THAT(output.err, HasSubstr(why)) << more;
    EXPECT_FALSE(std::filesystem::exists(in("r") + "/run.sqlite")) << more;
  }
  // By the run, and by `check` before it.
  void expect_both_refuse(const std::string& more, const std::string& why) {
    expect_refused(more, why);
    const Output output = convoy("check " + file + " " + more);
    EXPECT_EQ(output.status, 2) << "check " << more;
    EXPECT_THAT(output.err, HasSubstr(why)) << "check " << more;
  }
};

TEST_F(LearningInput, IsRefusedBeforeAnythingIsRun) {
  expect_both_refuse("--set model.classes=12 --set data.classes=10",
                     "model.classes: 12, but the data have 10 classes");
  expect_both_refuse("--set model.architecture=bert-small",
                     "bert-small reads texts, and the data are");
  expect_both_refuse("--set data.samples=4", "leaves it without data to train on");
  expect_both_refuse("--set fleet.nodes.0.samples=4000", "its part of the data has");
  expect_both_refuse("--set model.weights=nowhere.safetensors", "there is no file");
  expect_both_refuse("--set model.weights=s.toml", "is no safetensors file");
  expect_both_refuse("--set model.weigths=x", "did you mean \"weights\"?");
  expect_refused("--device cuda:0", "--device cuda:0: this LibTorch was built without it");
  expect_refused("--device tpu", "--device tpu");
  expect_refused("--workers 0", "--workers");
  expect_both_refuse("--set schedule.mask.selection=lerned", "did you mean \"learned\"?");
  expect_both_refuse("--set model.architecture=resnet18 --set training.batch=1",
                     "node jetson-agx-orin-64gb-0: resnet18 normalizes over the batch");
  expect_both_refuse("--set evaluation.rate=0.5 --set model.exits=[1.0]",
                     "evaluation.rate: 0.5 keeps 2 of 4 blocks, and no exit");
  expect_both_refuse("--set training.optimizer.betas=[0.9]", "betas");
}

TEST_F(LearningInput, DataFilesAreCheckedBeforeTraining) {
  const std::filesystem::path data = folder.path() / "data";
  std::filesystem::create_directory(data);
  const auto write = [&](const char* name, const std::string& bytes) {
    std::ofstream(data / name, std::ios::binary) << bytes;
  };
  write("train-images-idx3-ubyte", std::string("\0\0\x8\x3\0\0\0\x9\0\0\0\x4\0\0\0\x4", 16));
  write("train-labels-idx1-ubyte", std::string("\0\0\x8\x1\0\0\0\x9", 8) + std::string(9, '\1'));
  write("t10k-images-idx3-ubyte", std::string("\0\0\x8\x3\0\0\0\x1\0\0\0\x4\0\0\0\x4", 16));
  write("t10k-labels-idx1-ubyte", std::string("\0\0\x8\x1\0\0\0\x1\0", 9));
  expect_refused("--set data.source=idx:data --set data.samples=9", "train-images-idx3-ubyte");
}

// --- on data that is not ours -------------------------------------------------------------------

TEST(LearningOnMnist, FedAvgReaches97PercentWithin10Rounds) {
  const std::filesystem::path mnist = std::filesystem::path(CONVOY_SOURCE) / "../shared/data/mnist";
  if (!std::filesystem::exists(mnist)) GTEST_SKIP() << "needs MNIST in " << mnist;
  const test::TemporaryFolder folder;
  const std::string file = folder.write("s.toml", R"(
[fleet]
use = "jetson16"
[model]
architecture = "cnn-small"
exits = [1.0]
[data]
source = "idx:)" + mnist.string() + R"("
samples = 20000
partition = { kind = "dirichlet", alpha = 1.0 }
[training]
learn = true
optimizer = { kind = "sgd", learning_rate = 0.05, momentum = 0.9 }
clip = 5
batch = 32
[stop]
rounds = 10
accuracy = 0.97
)");
  const Output output = convoy("run " + file + " --no-store --quiet --json");
  ASSERT_EQ(output.status, 0) << output.err;
  EXPECT_GE(nlohmann::json::parse(output.out)["accuracy"], 0.97);
}

}  // namespace
}  // namespace convoy
