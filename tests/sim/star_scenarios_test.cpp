// Every scenario that comes with Convoy, timing only: the same events and orders in the same order
// with either solver of the network.

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "sim/run/run.hpp"
#include "tests/support/files.hpp"

namespace convoy::sim {
namespace {

struct Entry {
  std::string what;
  double time_s = 0;
};

// Runs it in a child process, since a process has one simulation; false: it failed.
bool run_apart(Scenario scenario, NetworkSolver solver, const std::filesystem::path& folder) {
  const pid_t child = ::fork();
  if (child == 0) {
    scenario.world.solver = solver;
    RunOptions options;
    options.folder = folder;
    bool is_done = false;
    try {
      is_done = run(scenario, options).status == RunStatus::done;
    } catch (const std::exception& e) {
      fmt::print(stderr, "{}\n", e.what());
    }
    ::_exit(is_done ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::vector<Entry> journal(const std::filesystem::path& folder) {
  SQLite::Database database(folder / "run.sqlite", SQLite::OPEN_READONLY);
  SQLite::Statement rows(database,
                         "SELECT entry || ' ' || kind || ' ' || coalesce(node, '') || ' ' || "
                         "coalesce(task, ''), time_s FROM journal ORDER BY sequence");
  std::vector<Entry> entries;
  while (rows.executeStep()) {
    entries.push_back({rows.getColumn(0).getString(), rows.getColumn(1).getDouble()});
  }
  return entries;
}

std::vector<std::filesystem::path> scenario_files() {
  std::vector<std::filesystem::path> files;
  const std::filesystem::path root = CONVOY_SOURCE;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root / "scenarios")) {
    if (entry.path().extension() == ".toml") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

TEST(StarScenarios, HaveTheSameEventsInTheSameOrderWithEitherSolver) {
  int compared = 0;
  for (const auto& file : scenario_files()) {
    SCOPED_TRACE(file.string());
    base::Diagnostics problems;
    // Some are settings of others, or need data that do not come with Convoy.
    auto scenario = read_scenario(
        file.string(),
        {{"training.learn", "false"}, {"data.source", "\"glyphs\""}, {"stop.tasks", "300"}},
        problems);
    if (!scenario || any_real(*scenario)) continue;
    const test::TemporaryFolder folder;
    ASSERT_TRUE(run_apart(*scenario, NetworkSolver::automatic, folder.path() / "star"));
    ASSERT_TRUE(run_apart(*scenario, NetworkSolver::simgrid, folder.path() / "simgrid"));
    const std::vector<Entry> star = journal(folder.path() / "star");
    const std::vector<Entry> simgrid = journal(folder.path() / "simgrid");
    for (std::size_t i = 0; i < std::min(star.size(), simgrid.size()); ++i) {
      ASSERT_EQ(star[i].what, simgrid[i].what) << "entry " << i << " at " << star[i].time_s;
      ASSERT_NEAR(star[i].time_s, simgrid[i].time_s, 1e-7 * std::max(1.0, simgrid[i].time_s))
          << "entry " << i << ": " << star[i].what;
    }
    ASSERT_EQ(star.size(), simgrid.size());
    ++compared;
  }
  EXPECT_GE(compared, 15);
}

}  // namespace
}  // namespace convoy::sim
