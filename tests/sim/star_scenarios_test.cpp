// Every scenario that comes with Convoy with points of its sweep, timing only, random ones, and the
// example schedules: the same events and orders in the same order with either solver of the
// network.

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <regex>
#include <simgrid/s4u/Engine.hpp>
#include <string>
#include <vector>

#include "sim/run/run.hpp"
#include "sim/scenario/sweep.hpp"
#include "tests/support/files.hpp"
#include "tests/support/programs.hpp"
#include "tests/support/random_scenario.hpp"
#include "tests/support/scenario_run.hpp"
#include "tests/support/seed.hpp"

namespace convoy::sim {
namespace {

struct Entry {
  std::string what;
  double time_s = 0;
};

// What a run says of itself and did.
struct Story {
  std::string network;
  std::string status;
  std::vector<Entry> entries;
};

// SimGrid's own precision, 1e-5, moves the ends of flows by nanoseconds.
std::function<void(const Progress&)> with_precision(const char* precision) {
  return [precision, is_set = false](const Progress&) mutable {
    if (is_set) return;
    simgrid::s4u::Engine::set_config(std::string("maxmin/precision:") + precision);
    is_set = true;
  };
}

// Runs it in a child process, since a process has one simulation; false: it threw.
bool run_apart(Scenario scenario, NetworkSolver solver, const std::filesystem::path& folder,
               bool precise) {
  const pid_t child = ::fork();
  if (child == 0) {
    scenario.world.solver = solver;
    RunOptions options;
    options.folder = folder;
    options.durable = false;
    bool is_over = false;
    try {
      if (precise) options.progress = with_precision("1e-11");
      run(scenario, options);
      is_over = true;
    } catch (const std::exception& e) {
      fmt::print(stderr, "{}\n", e.what());
    }
    ::_exit(is_over ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Story story(const std::filesystem::path& folder) {
  SQLite::Database database(folder / "run.sqlite", SQLite::OPEN_READONLY);
  SQLite::Statement run(database, "SELECT world, status FROM run");
  Story story;
  if (run.executeStep()) {
    story.network = run.getColumn(0).getString();
    story.status = run.getColumn(1).getString();
  }
  SQLite::Statement rows(database,
                         "SELECT entry || ' ' || kind || ' ' || coalesce(node, '') || ' ' || "
                         "coalesce(task, ''), time_s FROM journal ORDER BY sequence");
  while (rows.executeStep()) {
    story.entries.push_back({rows.getColumn(0).getString(), rows.getColumn(1).getDouble()});
  }
  return story;
}

void expect_same(const Story& star, const Story& simgrid) {
  EXPECT_EQ(star.status, simgrid.status);
  for (std::size_t i = 0; i < std::min(star.entries.size(), simgrid.entries.size()); ++i) {
    const Entry& one = star.entries[i];
    const Entry& other = simgrid.entries[i];
    ASSERT_EQ(one.what, other.what) << "entry " << i << " at " << one.time_s;
    ASSERT_NEAR(one.time_s, other.time_s, 1e-7 * std::max(1.0, other.time_s))
        << "entry " << i << ": " << one.what;
  }
  ASSERT_EQ(star.entries.size(), simgrid.entries.size());
}

// True: compared; false: the star's solver is not for it.
bool compare(const Scenario& scenario, bool precise = false) {
  const test::TemporaryFolder folder;
  const auto star = folder.path() / "star";
  const auto simgrid = folder.path() / "simgrid";
  const auto both = [&] {
    ASSERT_TRUE(run_apart(scenario, NetworkSolver::automatic, star, precise));
    ASSERT_TRUE(run_apart(scenario, NetworkSolver::simgrid, simgrid, precise));
    expect_same(story(star), story(simgrid));
  };
  both();
  return !testing::Test::HasFatalFailure() &&
         story(star).network.find("solver: star") != std::string::npos;
}

std::vector<std::filesystem::path> scenario_files() {
  std::vector<std::filesystem::path> files;
  const std::filesystem::path root = CONVOY_SOURCE;
  for (const char* place : {"scenarios", "tests/support/comparison"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / place)) {
      if (entry.path().extension() == ".toml") files.push_back(entry.path());
    }
  }
  std::ranges::sort(files);
  return files;
}

// Timing only, shortened. Runs that end at an accuracy end after tasks instead. Nothing: settings
// of other scenarios, and data that do not come with Convoy.
std::optional<Sweep> read_shortened(const std::filesystem::path& file) {
  const std::vector<Override> timing = {{"training.learn", "false"}, {"stop.tasks", "120"}};
  base::Diagnostics problems;
  if (auto sweep = Sweep::read(file.string(), timing, problems)) return sweep;
  std::vector<Override> with_glyphs = timing;
  with_glyphs.push_back({"data.source", "\"glyphs\""});
  if (auto sweep = Sweep::read(file.string(), with_glyphs, problems)) return sweep;
  const test::TemporaryFolder folder;
  const std::string endless =
      std::regex_replace(test::read_file(file.string()), std::regex("\naccuracy = [^\n]*"), "");
  return Sweep::read(folder.write(file.filename().string(), endless), timing, problems);
}

TEST(StarScenarios, HaveTheSameEventsInTheSameOrderWithEitherSolver) {
  int compared = 0;
  int stars = 0;
  for (const auto& file : scenario_files()) {
    const auto sweep = read_shortened(file);
    if (!sweep) continue;
    constexpr std::size_t most_points = 4;
    const std::size_t stride = (sweep->size() + most_points - 1) / most_points;
    for (std::size_t point = 0; point < sweep->size(); point += stride) {
      SCOPED_TRACE(fmt::format("{}, point {}", file.string(), point));
      base::Diagnostics problems;
      const auto scenario = sweep->scenario(point, problems);
      if (!scenario || !scenario->impossible.empty() || any_real(*scenario)) continue;
      if (compare(*scenario)) ++stars;
      if (testing::Test::HasFatalFailure()) return;
      ++compared;
    }
  }
  EXPECT_GE(compared, 60);
  EXPECT_GE(stars, 55);
}

// Among equal nodes many activities end together, and SimGrid gives some of them an instant of
// their own, at the same time. So no two nodes are alike here.
void make_unlike(Scenario& scenario) {
  double by = 1;
  for (NodeId id = 0; id < std::ssize(scenario.world.nodes); ++id) {
    NodeConfig& node = scenario.world.nodes[id];
    by += 1.3e-3;
    node.link.up_bps *= by;
    node.link.down_bps *= by;
    node.link.latency_s = (node.link.latency_s + 1e-3) * by;
    node.behaviour.slowdown *= by;
    node.behaviour.joins_at_s += by - 1;
    if (node.behaviour.lost_at_s) *node.behaviour.lost_at_s += by - 1;
  }
}

// Fleets, links, media, traffic, traces, outages and schedules of all kinds.
TEST(StarScenarios, AtRandomHaveTheSameEventsInTheSameOrderWithEitherSolver) {
  const std::uint64_t seed = test::drawn_seed();
  int stars = 0;
  for (std::uint64_t i = 0; i < 40; ++i) {
    const test::TemporaryFolder folder;
    const test::RandomScenario random = test::random_scenario(seed % 1'000'000 + i, folder.path());
    if (random.learns) continue;
    SCOPED_TRACE(test::read_file(random.toml));
    base::Diagnostics problems;
    auto scenario = read_scenario(random.toml,
                                  {{"stop.virtual_time_s", "200"}, {"stop.tasks", "60"}}, problems);
    ASSERT_TRUE(scenario) << problems.str();
    if (scenario->world.network != NetworkModel::cm02) continue;
    make_unlike(*scenario);
    if (compare(*scenario, true)) ++stars;
    if (testing::Test::HasFatalFailure()) return;
  }
  EXPECT_GE(stars, 4);
}

TEST(StarScenarios, WithTheExampleSchedulesHaveTheSameEventsWithEitherSolver) {
  const test::TemporaryFolder folder;
  const std::string file = std::string(CONVOY_SOURCE) + "/scenarios/resnet18-16.toml";
  for (const char* kind : {"trickle", "passes"}) {
    SCOPED_TRACE(kind);
    std::vector<Story> stories;
    for (const char* solver : {"star", "simgrid"}) {
      const std::string store = folder.path() / fmt::format("{}-{}", kind, solver);
      test::Program program(
          CONVOY_EXAMPLES_BINARY,
          {"run", file, "--quiet", "-o", store, "--set", fmt::format("schedule.kind={}", kind),
           "--set", "stop.tasks=120", "--set", fmt::format("network.solver={}", solver)},
          folder.path() / "log");
      ASSERT_EQ(program.wait(), 0) << program.output();
      stories.push_back(story(store));
    }
    EXPECT_THAT(stories[0].network, testing::HasSubstr("solver: star"));
    EXPECT_THAT(stories[1].network, testing::HasSubstr("solver: simgrid"));
    expect_same(stories[0], stories[1]);
  }
}

}  // namespace
}  // namespace convoy::sim
