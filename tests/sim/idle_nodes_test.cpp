// Nodes that never work: they are not made, and what is said of them is what a formula gives.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "tests/support/scenario_run.hpp"
#include "tests/support/small_world.hpp"

namespace convoy::sim {
namespace {

using test::ScenarioRun;
using test::Witness;

// A group of a random fleet, and what its nodes do while they have no work.
struct Group {
  std::string name;
  int count = 1;
  double idle_w = 0;
  double joins_at_s = 0;
  double away_from_s = 0;  // an outage; none if both are 0
  double away_to_s = 0;
  double lost_at_s = 1e300;

  [[nodiscard]] double away_s(double until_s) const {
    const double end = std::min(lost_at_s, until_s);
    const auto within = [&](double from, double to) {
      return std::max(0.0, std::min(to, end) - std::min(from, end));
    };
    return within(0, joins_at_s) + within(away_from_s, away_to_s) + until_s - end;
  }
};

struct RandomFleet {
  std::vector<Group> groups;
  std::string text;
};

RandomFleet random_fleet(std::uint64_t seed) {
  base::Random random({seed, 0x69646c65ULL});
  RandomFleet fleet;
  const auto groups = 1 + random.below(5);
  for (std::uint64_t g = 0; g < groups; ++g) {
    Group& group = fleet.groups.emplace_back();
    group.name = fmt::format("g{}", g);
    group.count = static_cast<int>(2 + random.below(40));
    fleet.text += fmt::format(
        "[[fleet.nodes]]\nname = \"{}\"\ncount = {}\nsamples = 9\ndevice = \"{}\"\nlink = {{ "
        "duplex = \"full\", "
        "down_bps = 8e6, up_bps = 8e6 }}\n",
        group.name, group.count, random.below(2) == 0 ? "jetson-nano" : "jetson-agx-orin-64gb");
    switch (random.below(5)) {
      case 0:
        group.joins_at_s = 1 + 100 * random.uniform();
        fleet.text += fmt::format("joins_at_s = {}\n", group.joins_at_s);
        break;
      case 1:
        group.away_from_s = 1 + 100 * random.uniform();
        group.away_to_s = group.away_from_s + 1 + 50 * random.uniform();
        fleet.text += fmt::format("outages = [{{ at_s = {}, for_s = {} }}]\n", group.away_from_s,
                                  group.away_to_s - group.away_from_s);
        break;
      case 2:
        group.lost_at_s = 1 + 100 * random.uniform();
        fleet.text += fmt::format("lost_at_s = {}\n", group.lost_at_s);
        break;
      default:
        break;
    }
  }
  return fleet;
}

std::string scenario_of(const RandomFleet& fleet, std::uint64_t seed) {
  return fmt::format(
      "seed = {}\n[fleet]\nserver = {{ link = {{ duplex = \"full\", down_bps = 1e12, "
      "up_bps = 1e12 }} }}\n{}"
      "[model]\narchitecture = \"mlp\"\n[training]\nfixed_cost = {{ compute_s = 10, "
      "download_bytes = 1e6, upload_bytes = 1e6, aggregate_s = 0.5 }}\n"
      "[schedule]\nkind = \"fedavg\"\nfedavg.participants = 2\n[stop]\nrounds = 6\n",
      seed, fleet.text);
}

class IdleNodes : public testing::TestWithParam<std::uint64_t> {};

// The figures of Group::idle_w come from the summary's own configuration: the profile's idle draw.
TEST_P(IdleNodes, AreInTheStoreAsTheFormulaSays) {
  RandomFleet fleet = random_fleet(GetParam());
  const std::string text = scenario_of(fleet, GetParam());
  const Scenario scenario = test::read_or_fail(text);
  const ScenarioRun run(text);
  ASSERT_EQ(run.result().status, RunStatus::done) << run.result().cause;
  const double end_s = run.summary().virtual_time_s;
  const std::vector<std::string> rows = test::query_store(
      run.folder(),
      "SELECT name || '|' || tasks || '|' || tasks_failed || '|' || busy_s || '|' || "
      "communicating_s || '|' || bytes_in || '|' || bytes_out || '|' || peak_memory_bytes FROM "
      "node ORDER BY id");
  const std::vector<std::string> figures =
      test::query_store(run.folder(), "SELECT waiting_s, away_s, energy_j FROM node ORDER BY id");
  const std::vector<std::string> worked =
      test::query_store(run.folder(), "SELECT DISTINCT node FROM task WHERE node > 0");
  const std::set<std::string> at_work(worked.begin(), worked.end());
  ASSERT_EQ(rows.size(), scenario.world.nodes.size());
  std::size_t node = 1;
  std::size_t idle = 0;
  for (const Group& group : fleet.groups) {
    for (int i = 0; i < group.count; ++i, ++node) {
      const std::string name = fmt::format("{}-{}", group.name, i);
      EXPECT_EQ(rows[node].substr(0, name.size() + 1), name + "|");
      if (at_work.contains(std::to_string(node))) continue;
      ++idle;
      EXPECT_EQ(rows[node], name + "|0|0|0.0|0.0|0.0|0.0|0.0");
      double waiting = 0;
      double away = 0;
      double energy = 0;
      ASSERT_EQ(std::sscanf(figures[node].c_str(), "%lf|%lf|%lf", &waiting, &away, &energy), 3);
      const double expected_away = group.away_s(end_s);
      EXPECT_NEAR(away, expected_away, 1e-6 * end_s) << name;
      EXPECT_NEAR(waiting, end_s - expected_away, 1e-6 * end_s) << name;
      const double idle_w = scenario.world.nodes[node].power.idle_w;
      EXPECT_NEAR(energy, idle_w * (end_s - expected_away), 1e-6 * idle_w * end_s) << name;
    }
  }
  // What the summary sums is all of it.
  const auto sum = [&](const std::string& column) {
    return std::stod(
        test::query_store(run.folder(), "SELECT SUM(" + column + ") FROM node WHERE id > 0").at(0));
  };
  EXPECT_NEAR(run.summary().energy_j, sum("energy_j"), 1e-9 * sum("energy_j"));
  ASSERT_EQ(run.summary().nodes.size(), rows.size());
  // At most a row for each node that worked, one beside it, and one for each group that there was.
  const std::size_t groups = test::query_store(run.folder(), "SELECT id FROM node_group").size();
  EXPECT_LE(groups, 2 * at_work.size() + fleet.groups.size() + 1);
  if (idle > 4 * at_work.size() + 8) EXPECT_LT(groups, rows.size());
}

INSTANTIATE_TEST_SUITE_P(, IdleNodes, testing::Range<std::uint64_t>(0, 16));

class IdleWorld : public test::EachSolver {};
CONVOY_INSTANTIATE_EACH_SOLVER(IdleWorld);

// Of 100,000 nodes, of which some work at random times, some more than once.
TEST_P(IdleWorld, OnlyNodesThatWorkAreMade) {
  WorldConfig config = test::simple_world(0);
  NodeConfig node;
  node.name = "node";
  node.link = {"", "", platforms::Duplex::full, 8e6, 8e6, 0};
  node.power = {.idle_w = 2, .busy_w = 5};
  constexpr int workers = 100'000;
  config.nodes.append(node, workers);
  base::Random random({7, 0x6d616465ULL});
  std::set<NodeId> worked;
  Witness witness;
  World world(config, witness);
  EXPECT_EQ(world.nodes_made(), 0);
  TaskId next = 0;
  const auto begin = [&] {
    const auto worker = static_cast<NodeId>(1 + random.below(worked.size() < 40 ? workers : 50));
    worked.insert(worker);
    auto graph = std::make_shared<TaskGraph>(2);
    const int model = graph->transfer("download", graph->artifact("model", 1e6, 0), 1);
    const int update =
        graph->compute({.label = "train", .at = 1, .seconds = 3}, {model}, {"update", 1e6});
    graph->transfer("upload", update, 0);
    world.start(next++, graph, {server_node, worker});
  };
  witness.on_event = [&](const Event& event) {
    if (event.kind == EventKind::task_done && next < 100) begin();
  };
  for (int i = 0; i < 3; ++i) begin();
  world.run();
  const double end_s = world.now();
  EXPECT_EQ(witness.events.back().kind, EventKind::task_done);
  EXPECT_EQ(world.nodes_made(), worked.size() + 1) << "and the server";
  // With the star's solver SimGrid only keeps the clock.
  const bool has_hosts = GetParam() == NetworkSolver::simgrid;
  EXPECT_EQ(world.hosts(), has_hosts ? worked.size() + 1 : 0);
  for (NodeId id = 1; id <= workers; ++id) {
    if (worked.contains(id)) {
      EXPECT_GT(world.usage(id).tasks, 0);
      continue;
    }
    NodeUsage expected;
    expected.energy_j = 2 * end_s;
    ASSERT_EQ(world.usage(id), expected) << id;
    ASSERT_EQ(world.energy_j(id), expected.energy_j);
    ASSERT_EQ(world.memory_taken(id), 0);
  }
  EXPECT_EQ(world.nodes_made(), worked.size() + 1) << "to look at a node does not make it";
}

}  // namespace
}  // namespace convoy::sim
