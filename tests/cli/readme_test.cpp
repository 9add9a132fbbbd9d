// Tests that the commands that README.md and the folders' READMEs print work as printed, in a
// fresh folder, one after the other.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/text.hpp"
#include "tests/support/files.hpp"
#include "tests/support/programs.hpp"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const fs::path source = CONVOY_SOURCE;

// The lines of code blocks, with what follows a backslash at a line's end, without comments.
std::vector<std::string> commands_in(const fs::path& readme) {
  std::vector<std::string> commands;
  std::ifstream in(source / readme);
  bool goes_on = false;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("    ")) {
      goes_on = false;
      continue;
    }
    std::string text = line.substr(line.find_first_not_of(' '));
    const std::size_t comment = text.find("  # ");
    text = text.substr(0, comment);
    text.erase(text.find_last_not_of(' ') + 1);
    const bool continued = text.ends_with("\\");
    if (continued) text.pop_back();
    if (goes_on) {
      commands.back() += text;
    } else {
      commands.push_back(text);
    }
    goes_on = continued;
  }
  return commands;
}

// Whose commands they are. Another user than root may write in the folder of the test alone.
enum class User { present, another };

bool is_known(const std::string& program) {
  return std::system(("command -v " + program + " > /dev/null 2>&1").c_str()) == 0;
}

std::string quoted(const std::string& text) {
  return "'" + base::replaced(text, {{'\'', "'\\''"}}) + "'";
}

std::string with(std::string text, const std::string& before, const std::string& after) {
  for (std::size_t at = text.find(before); at != std::string::npos;
       at = text.find(before, at + after.size())) {
    text.replace(at, before.size(), after);
  }
  return text;
}

// A folder that looks like the source folder after ./dev quickstart. What learns is short here.
class AsPrinted : public testing::TestWithParam<User> {
 protected:
  AsPrinted() {
    fs::create_directory_symlink(source / "analysis", folder_.path() / "analysis");
    fs::copy(source / "scenarios", folder_.path() / "scenarios", fs::copy_options::recursive);
    shorten("quickstart");
    shorten("testbed");
    fs::create_directory(folder_.path() / "build");
    for (const std::string binary : {CONVOY_BINARY, CONVOY_NODE_BINARY}) {
      fs::create_symlink(binary, folder_.path() / "build" / fs::path(binary).filename());
    }
  }

  void SetUp() override {
    // The pages' commands listen on ports that they name.
    ASSERT_EQ(::flock(lock_, LOCK_EX), 0);
    if (GetParam() == User::present) return;
    if (::geteuid() != 0) GTEST_SKIP() << "only root can try what another user may do";
    if (!is_known("setpriv")) GTEST_SKIP() << "there is no setpriv";
    as_ = "setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=" + folder_.path().string();
    if (std::system((as_ + " test -r " CONVOY_SOURCE "/README.md -a -x " CONVOY_BINARY).c_str()) !=
        0)
      GTEST_SKIP() << "another user may not read " CONVOY_SOURCE;
    for (const fs::path& path : {folder_.path(), folder_.path() / "build"}) {
      ASSERT_EQ(::chown(path.c_str(), 65534, 65534), 0);
    }
  }

  ~AsPrinted() override {
    run(end_agents);
    ::close(lock_);
  }

  // The shell's exit status; what it prints goes to log().
  int run(const std::string& command) {
    // What goes on in the background is ended by `kill %1`, or at the end of the test.
    const std::string shown = command == "kill %1" ? std::string(end_agents) : command;
    const std::string whole = "cd '" + folder_.path().string() + "' && { " + shown +
                              (shown.ends_with("&") ? " echo $! >> agents.pid; }" : "; }") +
                              " > log.txt 2>&1";
    const int status = std::system((as_ + " bash -c " + quoted(whole)).c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  void expect_to_work(const std::string& command) {
    ++tried_;
    EXPECT_EQ(run(command), 0) << command << "\n" << log();
  }
  [[nodiscard]] std::string log() const { return test::read_file(folder_.path() / "log.txt"); }
  [[nodiscard]] bool has(const std::string& name) const {
    return fs::exists(folder_.path() / name);
  }
  [[nodiscard]] bool is_root() const { return as_.empty() && ::geteuid() == 0; }

  void shorten(const std::string& name) const {
    const std::string file = "scenarios/" + name + ".toml";
    std::string text = test::read_file(source / file);
    for (const auto& [line, shorter] : {std::pair{"tasks = 224", "tasks = 32"},
                                        {"tasks = 160", "tasks = 32"},
                                        {"test_samples = 1000", "test_samples = 200"},
                                        {"samples = 4000", "samples = 1600"},
                                        {"test_samples = 2000", "test_samples = 200"},
                                        {"samples = 6000", "samples = 1600"}}) {
      text = with(text, line, shorter);
    }
    EXPECT_THAT(text, AllOf(HasSubstr("tasks = 32"), HasSubstr("samples = 1600")));
    folder_.write(file, text);
  }

  void quickstart() {
    const std::string few =
        "build/convoy run scenarios/quickstart.toml --quiet --overwrite -o runs/";
    ASSERT_EQ(run(few + "cos2p"), 0) << log();
    ASSERT_EQ(run(few + "fedavg --set schedule.kind=fedavg"), 0) << log();
  }
  void try_readme();
  void try_command_line();
  void try_scenario_keys();
  void try_testbed();

  static constexpr const char* end_agents =
      "if [ -e agents.pid ]; then kill $(cat agents.pid); rm agents.pid; fi";
  test::TemporaryFolder folder_;
  std::string as_;  // before a command
  const int lock_ = ::open((fs::temp_directory_path() / "convoy-readme.lock").c_str(),
                           O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  int tried_ = 0;
};

// Commands of the pages that are not run here: the whole build and test, measurements of a minute.
bool is_left_out(const std::string& command) {
  return command.starts_with("./dev") || command.find("convoy profile") < command.size() ||
         command.find("--self-test") < command.size();
}

void AsPrinted::try_readme() {
  tried_ = 0;
  for (const std::string& command : commands_in("README.md")) {
    const bool is_ours = command.starts_with("build/") || command == "kill %1";
    if (is_ours && !is_left_out(command)) expect_to_work(command);
  }
  EXPECT_GE(tried_, 11);
  for (const char* made : {"runs/device-mixes/report.html", "runs/replay/report.html",
                           "runs/real/run.sqlite", "runs/again/run.sqlite"}) {
    EXPECT_TRUE(has(made)) << made;
  }
}

void AsPrinted::try_command_line() {
  tried_ = 0;
  for (const std::string& command : commands_in("cli/README.md")) {
    if (is_left_out(command)) continue;
    const std::string program = command.substr(0, command.find(' '));
    if (!program.starts_with("build/") && !is_known(program)) continue;
    const bool python = program == "python3";
    if (python && std::system("python3 -c 'import pandas, matplotlib' > /dev/null 2>&1") != 0)
      continue;
    std::string shown = command;
    if (program == "mpirun" && is_root()) {
      // Root is refused, with a word on what to do.
      EXPECT_NE(run(command), 0);
      EXPECT_THAT(log(), HasSubstr("--allow-run-as-root"));
      shown.insert(program.size(), " --allow-run-as-root --oversubscribe");
    }
    expect_to_work(shown);
  }
  EXPECT_GE(tried_, 8);
  EXPECT_TRUE(has("runs/cos2p/report.html"));
}

void AsPrinted::try_scenario_keys() {
  for (const std::string& command : commands_in("sim/scenario/README.md")) {
    if (command.starts_with("convoy ")) expect_to_work("build/" + command);
  }
  EXPECT_TRUE(has("scenario.schema.json"));
}

// The testbed's two devices are folders here: scp and ssh are scripts that copy to them, and work
// in them. The address is one of this machine.
void AsPrinted::try_testbed() {
  tried_ = 0;
  const std::string listen = "127.0.0.1:" + std::to_string(test::free_port());
  folder_.write("build/scp", "#!/bin/sh\nmkdir -p ${3%%:*} && cp $1 $2 ${3%%:*}/${3##*:}\n");
  folder_.write("build/ssh", "#!/bin/sh\ncd $1 && shift && exec \"$@\"\n");
  for (const char* program : {"scp", "ssh"}) {
    fs::permissions(folder_.path() / "build" / program, fs::perms(0755));
  }
  for (const std::string& printed : commands_in("hil/README.md")) {
    const std::string command = with(printed, "0.0.0.0:7700", listen);
    const bool to_device = command.starts_with("ssh") || command.starts_with("scp");
    if (!to_device) {
      expect_to_work(command);
      continue;
    }
    for (const std::string device : {"orin-1", "nano-1"}) {
      expect_to_work("PATH=$PWD/build:$PATH; " + with(command, "orin-1", device) +
                     (command.starts_with("ssh") ? " &" : ""));
    }
  }
  EXPECT_GE(tried_, 7);
}

TEST_P(AsPrinted, TheCommandsOfTheReadmesWorkOneAfterTheOther) {
  quickstart();
  try_readme();
  try_command_line();
  try_scenario_keys();
  try_testbed();
}

INSTANTIATE_TEST_SUITE_P(By, AsPrinted, testing::Values(User::present, User::another),
                         [](const auto& user) {
                           return user.param == User::present ? "TheUser" : "AnotherUser";
                         });

// With one blank for each row of blanks.
std::string squeezed(const std::string& text) {
  std::string all;
  for (const char c : text) {
    if (c != ' ' || all.empty() || all.back() != ' ') all += c;
  }
  return all;
}

// What README.md prints of the quickstart: all but the accuracy, which depends on the CPU, is the
// same without learning.
TEST(Readme, TheQuickstartsValuesAreThoseThatItPrints) {
  const std::string readme = squeezed(test::read_file(source / "README.md"));
  const test::TemporaryFolder folder;
  std::string runs;
  for (const std::string kind : {"cos2p", "fedavg"}) {
    const std::string run = (folder.path() / kind).string();
    const test::Output output =
        test::convoy("run " CONVOY_SOURCE
                     "/scenarios/quickstart.toml --quiet --set training.learn="
                     "false --set schedule.kind=" +
                     kind + " -o " + run);
    ASSERT_EQ(output.status, 0) << output.err;
    runs += " " + run;
  }
  const test::Output compared =
      test::convoy("compare --label runs/cos2p --label runs/fedavg" + runs);
  std::istringstream lines(compared.out);
  int printed = 0;
  for (std::string line; std::getline(lines, line);) {
    for (const char* metric : {"  virtual time", "  bytes", "  energy (workers)",
                               "  energy (server)", "  utilization"}) {
      if (!line.starts_with(metric)) continue;
      ++printed;
      EXPECT_THAT(readme, HasSubstr(squeezed(line + "\n")));
    }
  }
  EXPECT_EQ(printed, 5) << compared.out;
}

}  // namespace
}  // namespace convoy
