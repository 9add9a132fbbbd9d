// Tests transfers with a limit of their own (TaskGraph::limit): random flows against max-min shares
// computed step by step.

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "base/random.hpp"
#include "sim/world/world.hpp"
#include "tests/support/each_solver.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/small_world.hpp"

namespace convoy::sim {
namespace {

CONVOY_EACH_SOLVER(LimitedTransferAtRandom);

using test::simple_world;
using test::Witness;

// From role 0 to role 1. `limit` in bytes/s; 0: none.
std::shared_ptr<const TaskGraph> limited_move(double bytes, double limit) {
  auto graph = std::make_shared<TaskGraph>(2);
  const int there = graph->transfer("move", graph->artifact("thing", bytes, 0), 1);
  if (limit > 0) graph->limit(there, limit);
  return graph;
}

double end_of(const Witness& witness, TaskId task) { return witness.record(task, "move").end_s; }

struct Flow {
  NodeId from = 0;
  NodeId to = 0;
  double bytes = 0;
  double limit = 0;  // 0: none
  double starts = 0;
  std::set<int> links;
  double left = 0;
  double end = -1;
};

// Independent groups of nodes, each with its flows; the links by number, for the calculation.
struct Flows {
  WorldConfig config = simple_world(0);
  std::vector<double> capacity;  // bytes/s, by link
  std::vector<std::vector<Flow>> groups;
};

// Numbers of a link's directions; half duplex: one.
struct Directions {
  int up = 0;
  int down = 0;
};

Directions add_link(Flows& all, platforms::Link& link, base::Random& random) {
  const auto rate = [&] { return 1e5 + 9e5 * random.uniform(); };
  const bool half = random.below(3) == 0;
  link.duplex = half ? platforms::Duplex::half : platforms::Duplex::full;
  link.up_bps = 8 * rate();
  link.down_bps = half ? link.up_bps : 8 * rate();
  const int up = static_cast<int>(all.capacity.size());
  all.capacity.push_back(link.up_bps / 8);
  if (half) return {up, up};
  all.capacity.push_back(link.down_bps / 8);
  return {up, up + 1};
}

void add_group(Flows& all, base::Random& random) {
  constexpr std::uint64_t nodes = 4;
  SharedLinkConfig medium{.name = std::to_string(all.config.shared_links.size())};
  const Directions shared = add_link(all, medium.link, random);
  const int number = static_cast<int>(all.config.shared_links.size());
  all.config.shared_links.push_back(medium);
  const auto first = static_cast<NodeId>(all.config.nodes.size());
  std::vector<Directions> own;
  for (std::uint64_t i = 0; i < nodes; ++i) {
    NodeConfig node;
    node.name = std::to_string(all.config.nodes.size());
    node.concurrent_transfers = 0;
    if (random.below(2) == 0) node.shared_link = number;
    own.push_back(add_link(all, node.link, random));
    all.config.nodes.push_back(std::move(node));
  }
  std::vector<Flow> flows(2 + random.below(5));
  for (Flow& flow : flows) {
    const std::uint64_t from = random.below(nodes);
    const std::uint64_t to = (from + 1 + random.below(nodes - 1)) % nodes;
    flow.from = first + static_cast<NodeId>(from);
    flow.to = first + static_cast<NodeId>(to);
    flow.bytes = std::round(1e5 + 2e6 * random.uniform());
    if (random.below(3) > 0) flow.limit = 5e4 + 8e5 * random.uniform();
    if (random.below(2) == 0) flow.starts = 0.01 + 5 * random.uniform();
    flow.links = {own[from].up, own[to].down};
    if (all.config.nodes[flow.from].shared_link >= 0) flow.links.insert(shared.up);
    if (all.config.nodes[flow.to].shared_link >= 0) flow.links.insert(shared.down);
    flow.left = flow.bytes;
  }
  all.groups.push_back(std::move(flows));
}

// Max-min shares with limits: all rates rise together; who reaches its limit, or a full link,
// stays.
std::vector<double> rates(const std::vector<const Flow*>& flows, std::vector<double> room) {
  std::vector<double> rate(flows.size(), 0);
  std::vector<bool> stays(flows.size(), false);
  double level = 0;
  while (true) {
    std::vector<int> rising(room.size(), 0);
    for (std::size_t i = 0; i < flows.size(); ++i) {
      for (const int link : flows[i]->links) rising[static_cast<std::size_t>(link)] += !stays[i];
    }
    double step = std::numeric_limits<double>::infinity();
    for (std::size_t link = 0; link < room.size(); ++link) {
      if (rising[link] > 0) step = std::min(step, room[link] / rising[link]);
    }
    for (std::size_t i = 0; i < flows.size(); ++i) {
      if (!stays[i] && flows[i]->limit > 0) step = std::min(step, flows[i]->limit - level);
    }
    if (std::isinf(step)) return rate;
    level += step;
    for (std::size_t link = 0; link < room.size(); ++link) room[link] -= step * rising[link];
    for (std::size_t i = 0; i < flows.size(); ++i) {
      if (stays[i]) continue;
      rate[i] = level;
      const bool at_limit = flows[i]->limit > 0 && level >= flows[i]->limit * (1 - 1e-12);
      stays[i] = at_limit || std::ranges::any_of(flows[i]->links, [&](int link) {
                   return room[static_cast<std::size_t>(link)] < 1e-6;
                 });
    }
  }
}

// The ends of a group's flows, from event to event.
void simulate(std::vector<Flow>& flows, const std::vector<double>& capacity) {
  double now = 0;
  while (true) {
    std::vector<const Flow*> running;
    double step = std::numeric_limits<double>::infinity();
    for (const Flow& flow : flows) {
      if (flow.end < 0 && flow.starts <= now) running.push_back(&flow);
      if (flow.starts > now) step = std::min(step, flow.starts - now);
    }
    const std::vector<double> at = rates(running, capacity);
    for (std::size_t i = 0; i < running.size(); ++i) {
      step = std::min(step, running[i]->left / at[i]);
    }
    if (std::isinf(step)) return;
    for (std::size_t i = 0; i < running.size(); ++i) {
      Flow& flow = flows[static_cast<std::size_t>(running[i] - flows.data())];
      flow.left -= step * at[i];
      if (flow.left <= 1e-6) flow.end = now + step;
    }
    now += step;
    // A comer is there although the sum of the steps may be a hair short of it.
    for (const Flow& flow : flows) {
      if (std::abs(flow.starts - now) < 1e-12) now = std::max(now, flow.starts);
    }
  }
}

TEST_P(LimitedTransferAtRandom, RandomFlowsHaveMaxMinSharesUpToTheirLimits) {
  base::Random random({test::drawn_seed()});
  Flows all;
  for (int group = 0; group < 200; ++group) add_group(all, random);
  std::vector<const Flow*> flows;
  for (const auto& group : all.groups) {
    for (const Flow& flow : group) flows.push_back(&flow);
  }
  Witness witness;
  World world(all.config, witness);
  for (std::size_t i = 0; i < flows.size(); ++i) {
    world.set_timer(static_cast<std::int64_t>(i), flows[i]->starts);
  }
  witness.on_event = [&](const Event& event) {
    if (event.kind != EventKind::timer_fired) return;
    const Flow& flow = *flows[static_cast<std::size_t>(event.timer)];
    world.start(event.timer, limited_move(flow.bytes, flow.limit), {flow.from, flow.to});
  };
  world.run();
  TaskId task = 0;
  for (auto& group : all.groups) {
    simulate(group, all.capacity);
    for (const Flow& flow : group) {
      EXPECT_NEAR(end_of(witness, task), flow.end, 1e-7) << "flow " << task;
      ++task;
    }
  }
}

}  // namespace
}  // namespace convoy::sim
