// Tests that the commands that README.md and the folders' READMEs print work as printed, in a
// fresh folder, one after the other.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

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

// A folder that looks like the source folder after ./dev quickstart, whose runs are short here.
class AsPrinted : public testing::Test {
 protected:
  AsPrinted() {
    for (const char* name : {"scenarios", "analysis"}) {
      fs::create_directory_symlink(source / name, folder_.path() / name);
    }
    fs::create_directory(folder_.path() / "build");
    for (const std::string binary : {CONVOY_BINARY, CONVOY_NODE_BINARY}) {
      fs::create_symlink(binary, folder_.path() / "build" / fs::path(binary).filename());
    }
  }

  ~AsPrinted() override { run(end_agent); }

  // The shell's exit status; what it prints goes to log().
  int run(const std::string& command) {
    // What goes on in the background is ended by `kill %1`, or at the end of the test.
    const std::string shown = command == "kill %1" ? std::string(end_agent) : command;
    const std::string whole = "cd '" + folder_.path().string() + "' && { " + shown +
                              (shown.ends_with("&") ? " echo $! > agent.pid; }" : "; }") +
                              " > log.txt 2>&1";
    const int status = std::system(("bash -c " + quoted(whole)).c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  [[nodiscard]] std::string log() const { return test::read_file(folder_.path() / "log.txt"); }
  [[nodiscard]] bool has(const std::string& name) const {
    return fs::exists(folder_.path() / name);
  }

  void quickstart() {
    const std::string few =
        "build/convoy run scenarios/quickstart.toml --set stop.tasks=32 "
        "--set data.samples=1600 --quiet --overwrite -o runs/";
    ASSERT_EQ(run(few + "cos2p"), 0) << log();
    ASSERT_EQ(run(few + "fedavg --set schedule.kind=fedavg"), 0) << log();
  }

  static std::string quoted(const std::string& text) {
    std::string all = "'";
    for (const char c : text) all += c == '\'' ? "'\\''" : std::string(1, c);
    return all + "'";
  }

  static constexpr const char* end_agent =
      "if [ -e agent.pid ]; then kill $(cat agent.pid) && rm agent.pid; fi";
  test::TemporaryFolder folder_;
};

bool knows(const std::string& program) {
  return std::system(("command -v " + program + " > /dev/null 2>&1").c_str()) == 0;
}

// Commands of the page that are not run here: the whole build and test, measurements of a minute.
bool is_left_out(const std::string& command) {
  return command.starts_with("./dev") || command.find("convoy profile") < command.size() ||
         command.find("--self-test") < command.size();
}

TEST_F(AsPrinted, TheCommandsOfTheReadmeWorkOneAfterTheOther) {
  quickstart();
  int tried = 0;
  for (const std::string& command : commands_in("README.md")) {
    const bool is_ours = command.starts_with("build/") || command == "kill %1";
    if (!is_ours || is_left_out(command)) continue;
    ++tried;
    EXPECT_EQ(run(command), 0) << command << "\n" << log();
  }
  EXPECT_GE(tried, 11);
  for (const char* made : {"runs/device-mixes/report.html", "runs/replay/report.html",
                           "runs/real/run.sqlite", "runs/again/run.sqlite"}) {
    EXPECT_TRUE(has(made)) << made;
  }
}

TEST_F(AsPrinted, TheExamplesOfTheCommandLineWork) {
  quickstart();
  int tried = 0;
  for (const std::string& command : commands_in("cli/README.md")) {
    if (is_left_out(command)) continue;
    const std::string program = command.substr(0, command.find(' '));
    if (!program.starts_with("build/") && !knows(program)) continue;
    const bool python = program == "python3";
    if (python && std::system("python3 -c 'import pandas, matplotlib' > /dev/null 2>&1") != 0)
      continue;
    ++tried;
    std::string shown = command;
    if (program == "mpirun" && ::geteuid() == 0) {
      // Root is refused, with a word on what to do.
      EXPECT_NE(run(command), 0);
      EXPECT_THAT(log(), HasSubstr("--allow-run-as-root"));
      shown.insert(program.size(), " --allow-run-as-root --oversubscribe");
    }
    EXPECT_EQ(run(shown), 0) << shown << "\n" << log();
  }
  EXPECT_GE(tried, 8);
  EXPECT_TRUE(has("runs/cos2p/report.html"));
}

TEST_F(AsPrinted, TheExamplesOfScenarioKeysWork) {
  for (std::string command : commands_in("sim/scenario/README.md")) {
    if (!command.starts_with("convoy ")) continue;
    EXPECT_EQ(run("build/" + command), 0) << command << "\n" << log();
  }
  EXPECT_TRUE(has("scenario.schema.json"));
}

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
