// Tests transfers with a limit of their own (TaskGraph::limit): random flows against weighted
// max-min shares computed step by step.

#include <cmath>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "sim/world/world.hpp"
#include "tests/support/each_solver.hpp"
#include "tests/support/fluid.hpp"
#include "tests/support/moves.hpp"
#include "tests/support/seed.hpp"

namespace convoy::sim {
namespace {

CONVOY_EACH_SOLVER(LimitedTransferAtRandom);

using test::end_of;
using test::FluidFlow;
using test::limited_move;
using test::simple_world;
using test::Witness;

struct Transfer {
  NodeId from = 0;
  NodeId to = 0;
  double begins = 0;  // before its latency
};

// The transfers of a few nodes, and what each is in the calculation.
struct Group {
  std::vector<Transfer> transfers;
  std::vector<FluidFlow> fluids;
};

// Independent groups of nodes, each with its flows; the links by number, for the calculation.
struct Flows {
  WorldConfig config = simple_world(0);
  std::vector<double> capacity;  // bytes/s, by link
  std::vector<Group> groups;
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

void add_group(Flows& all, base::Random& random, bool has_latency) {
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
    // Few values, so that many begin to move at the same time.
    node.link.latency_s = has_latency ? 0.25 * static_cast<double>(random.below(3)) : 0;
    all.config.nodes.push_back(std::move(node));
  }
  Group group;
  const std::uint64_t count = 2 + random.below(5);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t from = random.below(nodes);
    const std::uint64_t to = (from + 1 + random.below(nodes - 1)) % nodes;
    Transfer move{.from = first + static_cast<NodeId>(from), .to = first + static_cast<NodeId>(to)};
    const NodeConfig& sender = all.config.nodes[move.from];
    const NodeConfig& receiver = all.config.nodes[move.to];
    FluidFlow fluid{.bytes = std::round(1e5 + 2e6 * random.uniform())};
    if (random.below(3) > 0) fluid.limit = 5e4 + 8e5 * random.uniform();
    if (random.below(2) == 0) move.begins = 0.01 + 5 * random.uniform();
    fluid.links = {own[from].up, own[to].down};
    if (sender.shared_link >= 0) fluid.links.insert(shared.up);
    if (receiver.shared_link >= 0) fluid.links.insert(shared.down);
    // CM02 divides by latencies.
    const double latency = sender.link.latency_s + receiver.link.latency_s;
    fluid.starts = move.begins + latency;
    if (latency > 0) fluid.weight = 1 / latency;
    group.transfers.push_back(move);
    group.fluids.push_back(fluid);
  }
  all.groups.push_back(std::move(group));
}

TEST_P(LimitedTransferAtRandom, RandomFlowsHaveWeightedSharesUpToTheirLimits) {
  base::Random random({test::drawn_seed()});
  Flows all;
  for (int group = 0; group < 200; ++group) add_group(all, random, group % 2 == 1);
  Witness witness;
  World world(all.config, witness);
  std::vector<std::pair<const Transfer*, const FluidFlow*>> moves;
  for (const Group& group : all.groups) {
    for (std::size_t i = 0; i < group.fluids.size(); ++i) {
      world.set_timer(static_cast<std::int64_t>(moves.size()), group.transfers[i].begins);
      moves.emplace_back(&group.transfers[i], &group.fluids[i]);
    }
  }
  witness.on_event = [&](const Event& event) {
    if (event.kind != EventKind::timer_fired) return;
    const auto& [move, fluid] = moves[static_cast<std::size_t>(event.timer)];
    world.start(event.timer, limited_move(fluid->bytes, fluid->limit), {move->from, move->to});
  };
  world.run();
  TaskId task = 0;
  for (Group& group : all.groups) {
    test::simulate(group.fluids, all.capacity);
    for (const FluidFlow& fluid : group.fluids) {
      EXPECT_NEAR(end_of(witness, task), fluid.end, 1e-7) << "flow " << task;
      ++task;
    }
  }
}

}  // namespace
}  // namespace convoy::sim
