// Tests transfers of the star's solver against SimGrid's in whole worlds, each run in a process of
// its own.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <simgrid/s4u/Engine.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "sim/world/world.hpp"
#include "tests/support/each_solver.hpp"
#include "tests/support/files.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/small_world.hpp"

namespace convoy::sim {
namespace {

using test::simple_world;
using test::Witness;

double between(base::Random& random, double least, double most) {
  return least * std::pow(most / least, random.uniform());
}

platforms::Link some_link(base::Random& random, double least_bps, double most_bps) {
  platforms::Link link;
  link.duplex = random.below(2) == 0 ? platforms::Duplex::half : platforms::Duplex::full;
  link.up_bps = between(random, least_bps, most_bps);
  link.down_bps =
      link.duplex == platforms::Duplex::half ? link.up_bps : between(random, least_bps, most_bps);
  if (random.below(3) > 0) link.latency_s = between(random, 1e-3, 0.5);
  link.joules_per_byte = 1e-7;
  return link;
}

std::shared_ptr<platforms::Trace> some_trace(base::Random& random, const platforms::Link& link) {
  auto trace = std::make_shared<platforms::Trace>();
  trace->time = {0};
  for (std::uint64_t i = 2 + random.below(8); i > 0; --i) {
    trace->time.push_back(trace->time.back() + between(random, 0.3, 20));
  }
  const auto fill = [&](platforms::Column column, double least, double most) {
    std::vector<double> values;
    for (std::size_t i = 0; i < trace->time.size(); ++i) {
      values.push_back(random.below(5) == 0 ? 0 : between(random, least, most));
    }
    values.back() = most;
    trace->of(column) = values;
  };
  fill(platforms::Column::up_bps, 1e6, 3e7);
  if (link.duplex == platforms::Duplex::full) fill(platforms::Column::down_bps, 1e6, 3e7);
  if (random.below(3) == 0) fill(platforms::Column::speed, 0.2, 2);
  if (random.below(3) == 0) {
    std::vector<double> values;
    for (std::size_t i = 0; i < trace->time.size(); ++i) values.push_back(between(random, 1e-3, 1));
    trace->of(platforms::Column::latency_s) = values;
  }
  return trace;
}

BackgroundLoad some_traffic(base::Random& random) {
  const double period = between(random, 0.5, 20);
  return {0.1 + 0.8 * random.uniform(), period, period * (0.2 + 0.6 * random.uniform()),
          10 * random.uniform()};
}

// Servers that bind or not, half and full duplex; nodes of all kinds.
WorldConfig some_world(base::Random& random) {
  WorldConfig config;
  config.seed = random.below(1000);
  NodeConfig server;
  server.name = "server";
  server.concurrent_transfers = random.below(4) == 0 ? 3 : 0;
  const bool is_wide = random.below(3) == 0;
  server.link = some_link(random, is_wide ? 1e12 : 5e6, is_wide ? 1e12 : 1e8);
  config.nodes.push_back(server);
  if (is_wide) {
    for (std::uint64_t i = random.below(3); i > 0; --i) {
      SharedLinkConfig medium{.name = fmt::format("ap-{}", i)};
      medium.link = some_link(random, 5e6, 5e7);
      config.shared_links.push_back(medium);
    }
  }
  const platforms::Link usual = some_link(random, 1e6, 3e7);
  for (std::uint64_t i = 2 + random.below(12); i > 0; --i) {
    NodeConfig node;
    node.name = fmt::format("node-{}", i);
    node.link = random.below(2) == 0 ? usual : some_link(random, 1e6, 3e7);
    if (random.below(8) == 0) node.concurrent_transfers = 2;
    node.power = {5, 20, 8};
    Behaviour& b = node.behaviour;
    if (random.below(2) == 0) b.trace = some_trace(random, node.link);
    if (random.below(3) == 0) b.traffic = some_traffic(random);
    if (random.below(4) == 0) b.load = some_traffic(random);
    if (random.below(8) == 0) b.load = BackgroundLoad{0.9 * random.uniform()};
    if (random.below(4) == 0) b.slowdown = between(random, 0.5, 4);
    if (random.below(4) == 0) b.jitter = 0.3;
    if (random.below(6) == 0) node.concurrent_computes = 2;
    if (random.below(6) == 0) b.outages = {{5 + 20 * random.uniform(), 3 * random.uniform() + 0.1}};
    if (random.below(10) == 0) b.lost_at_s = 30 * random.uniform();
    if (!config.shared_links.empty() && random.below(2) == 0) {
      node.shared_link = static_cast<int>(random.below(config.shared_links.size()));
    }
    config.nodes.push_back(std::move(node));
  }
  return config;
}

// Down, some work, up; some also exchange something with another node, or both ways at once, on
// half-duplex links as well.
std::shared_ptr<const TaskGraph> some_task(base::Random& random, bool with_peer) {
  auto graph = std::make_shared<TaskGraph>(with_peer ? 3 : 2);
  const auto bytes = [&] {
    return random.below(15) == 0 ? 0 : std::round(between(random, 1e4, 2e7));
  };
  const auto limited = [&](int artifact) {
    if (random.below(6) == 0) graph->limit(artifact, between(random, 1e5, 3e6));
    return artifact;
  };
  const int model = limited(graph->transfer("down", graph->artifact("model", bytes(), 0), 1));
  const double seconds = random.below(3) == 0 ? 2 : between(random, 0.1, 10);
  const int update =
      graph->compute({.label = "work", .at = 1, .seconds = seconds}, {model}, {"update", bytes()});
  limited(graph->transfer("up", update, 0));
  if (random.below(4) == 0) graph->transfer("log", graph->artifact("log", bytes(), 1), 0);
  if (with_peer) graph->transfer("across", update, 2);
  if (random.below(4) == 0) graph->repeat(2);
  return graph;
}

struct Line {
  std::string what;
  std::vector<double> figures;
};

// What happens in a world in which each node gets task after task.
std::vector<Line> run_world(const WorldConfig& config, std::uint64_t seed, bool peers,
                            double precision) {
  std::vector<Line> lines;
  Witness witness;
  World world(config, witness);
  // SimGrid's own, 1e-5, moves ends by more than is compared here; 1e-13 makes its solver crash.
  simgrid::s4u::Engine::set_config(fmt::format("maxmin/precision:{}", precision));
  TaskId next = 0;
  const auto nodes = static_cast<NodeId>(config.nodes.size());
  std::vector<int> given(config.nodes.size(), 0);
  const auto give = [&](NodeId node) {
    if (given[static_cast<std::size_t>(node)]++ >= 6 || !world.present(node)) return;
    // What it is depends on the node and its number alone: not on the order of events.
    base::Random random({seed, static_cast<std::uint64_t>(node),
                         static_cast<std::uint64_t>(given[static_cast<std::size_t>(node)])});
    const NodeId other = 1 + node % (nodes - 1);
    const bool with_peer = peers && other != node && random.below(3) == 0;
    const TaskId task = (node * 100) + given[static_cast<std::size_t>(node)];
    next = std::max(next, task);
    auto graph = some_task(random, with_peer);
    std::vector<NodeId> members = {0, node};
    if (with_peer) members.push_back(other);
    if (random.below(6) == 0) world.set_timer(task, world.now() + between(random, 0.5, 10));
    world.start(task, std::move(graph), std::move(members), true, 1);
  };
  // At the last event: what is left then, such as the next step of a load that nobody waits for, may
  // let the clock run on with one solver and not with the other.
  std::vector<NodeUsage> usage;
  witness.on_event = [&](const Event& event) {
    if (event.last) {
      usage.clear();
      for (NodeId node = 0; node < nodes; ++node) usage.push_back(world.usage(node));
    }
    switch (event.kind) {
      case EventKind::run_started:
        for (NodeId node = 1; node < nodes; ++node) give(node);
        break;
      case EventKind::task_done:
      case EventKind::node_joined:
        give(event.node);
        break;
      case EventKind::task_failed:
        if (event.task / 100 > 0) give(static_cast<NodeId>(event.task / 100));
        break;
      case EventKind::timer_fired:
        world.cancel(event.timer);
        give(static_cast<NodeId>(event.timer / 100));
        break;
      default:
        break;
    }
  };
  world.run();
  for (const Event& e : witness.events) {
    lines.push_back({fmt::format("event {} of node {} task {} activity {} cause {} timer {}",
                                 static_cast<int>(e.kind), e.node, e.task, e.activity,
                                 static_cast<int>(e.cause), e.timer),
                     {e.time, e.finished}});
  }
  for (const auto& [key, records] : witness.records) {
    for (const ActivityRecord& r : records) {
      lines.push_back({fmt::format("activity {} {} {} {}", r.task, r.activity, r.iteration,
                                   static_cast<int>(r.cause)),
                       {r.start_s, r.end_s, r.energy_j}});
    }
  }
  for (NodeId node = 0; node < nodes; ++node) {
    const NodeUsage& u = usage.at(static_cast<std::size_t>(node));
    lines.push_back({fmt::format("node {}: {} tasks, {} failed", node, u.tasks, u.tasks_failed),
                     {u.busy_s, u.communicating_s, u.bytes_in, u.bytes_out, u.energy_j}});
  }
  return lines;
}

// The same in a child process.
std::vector<Line> run_apart(const WorldConfig& config, std::uint64_t seed, bool peers) {
  const test::TemporaryFolder folder;
  const std::string file = folder.path() / "lines";
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      std::ofstream out(file);
      for (const Line& line : run_world(config, seed, peers, 1e-11)) {
        out << line.what << "\n" << line.figures.size();
        for (const double x : line.figures) out << fmt::format(" {:.17g}", x);
        out << "\n";
      }
      out.flush();
    } catch (const std::exception& e) {
      fmt::print(stderr, "{}\n", e.what());
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  std::vector<Line> lines;
  std::ifstream in(file);
  for (Line line; std::getline(in, line.what);) {
    std::string figures;
    std::getline(in, figures);
    std::istringstream numbers(figures);
    std::size_t count = 0;
    numbers >> count;
    line.figures.resize(count);
    for (double& x : line.figures) numbers >> x;
    lines.push_back(line);
  }
  return lines;
}

// The same lines, with figures equal to 1e-7. (The order of events is compared in
// star_scenarios_test.cpp.)
void compare(WorldConfig config, std::uint64_t seed, bool peers) {
  config.solver = NetworkSolver::simgrid;
  std::vector<Line> expected = run_apart(config, seed, peers);
  config.solver = NetworkSolver::star;
  std::vector<Line> lines = run_apart(config, seed, peers);
  ASSERT_GT(lines.size(), config.nodes.size());
  std::ranges::stable_sort(lines, {}, &Line::what);
  std::ranges::stable_sort(expected, {}, &Line::what);
  for (std::size_t i = 0; i < std::min(lines.size(), expected.size()); ++i) {
    ASSERT_EQ(lines[i].what, expected[i].what)
        << "line " << i << fmt::format(": {} and {}", lines[i].figures, expected[i].figures);
    for (std::size_t k = 0; k < lines[i].figures.size(); ++k) {
      const double x = expected[i].figures[k];
      ASSERT_NEAR(lines[i].figures[k], x, 1e-7 * std::max(1.0, std::abs(x)))
          << "line " << i << ": " << lines[i].what;
    }
  }
  ASSERT_EQ(lines.size(), expected.size());
}

void compare_many(int worlds, bool peers) {
  const std::uint64_t seed = test::drawn_seed();
  for (int i = 0; i < worlds; ++i) {
    SCOPED_TRACE(fmt::format("world {}", i));
    base::Random random({seed, static_cast<std::uint64_t>(i)});
    compare(some_world(random), seed + static_cast<std::uint64_t>(i), peers);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(StarWorld, DoesWhatSimGridsDoes) { compare_many(60, false); }

TEST(StarWorld, AlsoWhereNodesExchangeData) { compare_many(60, true); }

CONVOY_EACH_SOLVER(Nanosecond);

// Transfers of different rates, and a compute: in the order of nodes, whichever comes first.
TEST_P(Nanosecond, EndsLessThanThatApartAreOneInstant) {
  WorldConfig config = simple_world(4);
  const double later[] = {0, 3e-10, -3e-10, 0, 5e-9};
  for (std::size_t i = 1; i <= 4; ++i) config.nodes[i].link.down_bps = 8e6 / (1 + later[i]);
  Witness witness;
  World world(config, witness);
  for (const NodeId node : {1, 2, 4})
    world.start(node, test::one_transfer(1e6), {0, node}, false, 1);
  world.start(3, test::one_compute(1 + 1e-10), {3});
  world.run();
  std::vector<NodeId> nodes;
  std::vector<bool> last;
  for (const Event& event : witness.events) {
    if (event.kind != EventKind::task_done) continue;
    nodes.push_back(event.node);
    last.push_back(event.last);
  }
  EXPECT_EQ(nodes, (std::vector<NodeId>{1, 2, 3, 4}));
  EXPECT_EQ(last, (std::vector<bool>{false, false, true, true}));
}

TEST(StarWorld, IsRefusedWhereItDoesNotApply) {
  WorldConfig config = simple_world(1);
  config.network = NetworkModel::lv08;
  config.solver = NetworkSolver::star;
  Witness witness;
  EXPECT_THROW(World(config, witness), std::invalid_argument);
}

}  // namespace
}  // namespace convoy::sim
