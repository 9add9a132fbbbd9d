// Tests runs that are killed, stopped and resumed: nothing is lost.

#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.hpp"
#include "tests/support/scenario_run.hpp"
#include "tests/support/seed.hpp"

namespace convoy {
namespace {

using test::convoy;
using test::Output;
using test::TemporaryFolder;
using testing::HasSubstr;

const std::string timing_only = std::string(CONVOY_SOURCE) + "/scenarios/resnet18-16.toml";

std::string in(const TemporaryFolder& folder, const std::string& name) {
  return (folder.path() / name).string();
}

// Starts the program without waiting for it.
pid_t start(const std::vector<std::string>& arguments) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  std::vector<char*> raw = {const_cast<char*>(CONVOY_BINARY)};
  for (const std::string& a : arguments) raw.push_back(const_cast<char*>(a.c_str()));
  raw.push_back(nullptr);
  const int nothing = ::open("/dev/null", O_WRONLY);
  ::dup2(nothing, 1);
  ::dup2(nothing, 2);
  ::execv(CONVOY_BINARY, raw.data());
  ::_exit(127);
}

class Interrupted : public testing::Test {
 protected:
  // A run that takes half a second on the host, so that signals arrive during it.
  std::vector<std::string> arguments(const std::string& name) const {
    return {"run", timing_only, "--set", "stop.rounds=8000", "--quiet", "-o", in(folder, name)};
  }
  std::string line(const std::string& name) const {
    std::string text;
    for (const std::string& a : arguments(name)) text += a + " ";
    return text;
  }
  TemporaryFolder folder;
};

TEST_F(Interrupted, KilledAtAnyMomentAndResumedItEndsWithTheSameStore) {
  ASSERT_EQ(convoy(line("whole")).status, 0);
  const std::string whole = test::dump_store(folder.path() / "whole");
  base::Random random({test::drawn_seed()});
  for (int i = 0; i < 3; ++i) {
    const std::string name = "killed" + std::to_string(i);
    const pid_t child = start(arguments(name));
    ::usleep(static_cast<useconds_t>(random.below(400'000)));
    ::kill(child, SIGKILL);  // at any moment; the run may even be finished
    int status = 0;
    ::waitpid(child, &status, 0);
    const Output resumed = convoy(line(name) + "--resume");
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_EQ(test::dump_store(folder.path() / name), whole);
  }
}

TEST_F(Interrupted, AnInterruptStopsItWithStatus3AndItCanBeResumed) {
  const pid_t child = start(arguments("stopped"));
  // Wait until the store exists; then the signal handler is installed, too.
  for (int i = 0; i < 200; ++i) {
    std::error_code ignored;
    if (std::filesystem::file_size(folder.path() / "stopped" / "run.sqlite", ignored) > 0 &&
        !ignored) {
      break;
    }
    ::usleep(10'000);
  }
  ::kill(child, SIGINT);
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_TRUE(WEXITSTATUS(status) == 3 || WEXITSTATUS(status) == 0);  // 0: finished
  if (WEXITSTATUS(status) == 3) {
    EXPECT_EQ(sim::read_run(folder.path() / "stopped").status, sim::RunStatus::stopped);
  }
  ASSERT_EQ(convoy(line("stopped") + "--resume").status, 0);
  EXPECT_EQ(sim::read_run(folder.path() / "stopped").status, sim::RunStatus::done);
}

TEST_F(Interrupted, ABlankStoreIsARunThatNeverBegan) {
  std::filesystem::create_directory(folder.path() / "blank");
  folder.write("blank/run.sqlite", "");
  const Output output =
      convoy("run " + timing_only + " --quiet --resume -o " + in(folder, "blank"));
  EXPECT_EQ(output.status, 0) << output.err;
}

TEST_F(Interrupted, ARunKilledBeforeItsFirstEntryIsBegunAnew) {
  const std::string run = "run " + timing_only + " --quiet -o " + in(folder, "r");
  ASSERT_EQ(convoy(run).status, 0);
  const std::string whole = test::dump_store(folder.path() / "r");
  {
    SQLite::Database database(folder.path() / "r" / "run.sqlite", SQLite::OPEN_READWRITE);
    for (const char* table : {"task", "activity", "aggregation", "journal"}) {
      database.exec(std::string("DELETE FROM ") + table);
    }
  }
  ASSERT_EQ(convoy(run + " --resume").status, 0);
  EXPECT_EQ(test::dump_store(folder.path() / "r"), whole);
}

TEST_F(Interrupted, AResumptionThatGoesAnotherWayFailsAndLeavesTheOldStore) {
  const std::string run = "run " + timing_only + " --quiet -o " + in(folder, "r");
  ASSERT_EQ(convoy(run).status, 0);
  {
    SQLite::Database database(folder.path() / "r" / "run.sqlite", SQLite::OPEN_READWRITE);
    database.exec("UPDATE journal SET time_s = 99 WHERE sequence = 20");
  }
  const std::string before = test::dump_store(folder.path() / "r");
  for (int i = 0; i < 2; ++i) {
    const Output output = convoy(run + " --resume");
    EXPECT_EQ(output.status, 1);
    EXPECT_THAT(output.err, HasSubstr("went another way; entry 20 of its journal"));
    EXPECT_EQ(test::dump_store(folder.path() / "r"), before);
  }
}

TEST_F(Interrupted, ALaterStopGoesOnWithARunWhereverItWas) {
  const std::string run = "run " + timing_only + " --quiet -o ";
  const auto set = [](int rounds) { return " --set stop.rounds=" + std::to_string(rounds); };
  ASSERT_EQ(convoy(run + in(folder, "whole") + set(60)).status, 0);
  ASSERT_EQ(convoy(run + in(folder, "part") + set(1)).status, 0);
  for (const int rounds : {2, 2, 17, 60}) {
    const Output output = convoy(run + in(folder, "part") + set(rounds) + " --resume");
    ASSERT_EQ(output.status, 0) << output.err;
  }
  EXPECT_EQ(test::dump_store(folder.path() / "part"), test::dump_store(folder.path() / "whole"));
  const Output earlier = convoy(run + in(folder, "part") + set(59) + " --resume");
  EXPECT_EQ(earlier.status, 1);
  EXPECT_THAT(earlier.err, HasSubstr("had come further"));
  EXPECT_EQ(test::dump_store(folder.path() / "part"), test::dump_store(folder.path() / "whole"));
}

TEST_F(Interrupted, AFinishedRunOutlivesAnInterruptedResumption) {
  ASSERT_EQ(convoy(line("done")).status, 0);
  const std::string before = test::dump_store(folder.path() / "done");
  std::vector<std::string> resume = arguments("done");
  resume.emplace_back("--resume");
  for (const int signal : {SIGINT, SIGKILL}) {
    const pid_t child = start(resume);
    ::usleep(150'000);
    ::kill(child, signal);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(test::dump_store(folder.path() / "done"), before);
  }
  EXPECT_EQ(convoy(line("done") + "--resume").status, 0);
  EXPECT_EQ(test::dump_store(folder.path() / "done"), before);
}

TEST_F(Interrupted, TwoCannotWriteToOneFolder) {
  const std::string folder_name = in(folder, "shared");
  std::filesystem::create_directory(folder_name);
  const int lock = ::open((folder_name + "/run.lock").c_str(), O_CREAT | O_RDWR, 0644);
  ASSERT_EQ(::flock(lock, LOCK_EX), 0);
  const Output output = convoy("run " + timing_only + " --quiet -o " + folder_name);
  ::close(lock);
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, HasSubstr("another convoy is writing there"));
}

}  // namespace
}  // namespace convoy
