// Tests convoy profile: the file that it writes, and when it writes none. The speed of this machine
// does not matter.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platforms/catalogue.hpp"
#include "tests/support/scenario_run.hpp"

namespace convoy {
namespace {

using test::convoy;
using test::Output;
using test::TemporaryFolder;
using testing::HasSubstr;

TEST(Profile, WritesAFileThatAScenarioCanName) {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "my-machine.toml").string();
  const Output output = convoy("profile --quick --quiet -o " + file);
  ASSERT_EQ(output.status, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("Absolute error of the predictions: median"));
  EXPECT_THAT(output.out, HasSubstr("./my-machine.toml"));

  base::Diagnostics problems;
  platforms::Catalogue catalogue(folder.path(), problems);
  const platforms::Device* device = catalogue.device("./my-machine.toml");
  ASSERT_NE(device, nullptr) << problems.str();
  EXPECT_FALSE(problems.has_errors()) << problems.str();
  EXPECT_EQ(device->name, "my-machine");
  const platforms::Machine m = platforms::machine(*device, device->modes.front());
  EXPECT_GT(m.memory, m.context);
  EXPECT_GT(m.peak.front(), 0);
  EXPECT_GT(m.launch_overhead, 0);
  EXPECT_FALSE(m.launches_ahead);

  const std::string scenario =
      folder.write("s.toml",
                   "[fleet]\n[[fleet.nodes]]\ndevice = \"./my-machine.toml\"\n[model]\n"
                   "architecture = \"cnn-small\"\n[stop]\nrounds = 1\n");
  const Output checked = convoy("check " + scenario);
  EXPECT_EQ(checked.status, 0) << checked.err;
  EXPECT_THAT(checked.out, HasSubstr("my-machine"));
}

TEST(Profile, AFileThatIsThereIsKeptUnlessToldOtherwise) {
  const TemporaryFolder folder;
  const std::string file = folder.write("m.toml", "mine");
  const Output output = convoy("profile --quick -o " + file);
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, HasSubstr("--overwrite"));
  EXPECT_EQ(test::read_file(file), "mine");
  ASSERT_EQ(convoy("profile --quick --quiet --overwrite --name other -o " + file).status, 0);
  EXPECT_THAT(test::read_file(file), HasSubstr("name = \"other\""));
  EXPECT_FALSE(std::filesystem::exists(file + ".new"));
}

TEST(Profile, WhatIsWrongIsSaidBeforeAnythingIsMeasured) {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "m.toml").string();
  const std::vector<std::string> wrong = {
      "profile",
      "profile -o " + file + ".txt",
      "profile -o " + folder.path().string(),
      "profile -o " + (folder.path() / "none" / "m.toml").string(),
      "profile --name 'a b' -o " + file,
      "profile --device cuda:99 -o " + file,
      "profile --device abacus -o " + file};
  for (const std::string& arguments : wrong) {
    EXPECT_EQ(convoy(arguments).status, 2) << arguments;
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Profile, AnInterruptLeavesNoFile) {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "m.toml").string();
  const pid_t child = ::fork();
  if (child == 0) {
    const int nothing = ::open("/dev/null", O_WRONLY);
    ::dup2(nothing, 1);
    ::dup2(nothing, 2);
    ::execl(CONVOY_BINARY, CONVOY_BINARY, "profile", "-o", file.c_str(), nullptr);
    ::_exit(127);
  }
  ::usleep(2'000'000);  // it measures by now, or will soon; it needs a minute in all
  ::kill(child, SIGINT);
  int status = 0;
  ::waitpid(child, &status, 0);
  // Killed only if the signal came before the handler was installed, on a very busy machine.
  EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 3);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace convoy
