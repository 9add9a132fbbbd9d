// Tests transfers with a limit of their own (TaskGraph::limit): times by hand, and random flows
// against max-min shares computed step by step.

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "base/random.hpp"
#include "sim/world/world.hpp"
#include "tests/support/expect_time.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/small_world.hpp"

namespace convoy::sim {
namespace {

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

// Nodes with 10 MB/s behind a server with 1 MB/s in each direction.
WorldConfig narrow_server(int workers) {
  WorldConfig config = simple_world(workers);
  config.nodes[0].link.up_bps = config.nodes[0].link.down_bps = 8e6;
  for (int i = 1; i <= workers; ++i) {
    config.nodes[i].link.up_bps = config.nodes[i].link.down_bps = 8e7;
  }
  return config;
}

std::shared_ptr<const platforms::Trace> up_trace(std::vector<double> time,
                                                 std::vector<double> bps) {
  auto trace = std::make_shared<platforms::Trace>();
  trace->time = std::move(time);
  trace->of(platforms::Column::up_bps) = std::move(bps);
  return trace;
}

// Cancels a task at a time.
void cancel_at(World& world, Witness& witness, TaskId task, double time) {
  world.set_timer(0, time);
  witness.on_event = [&world, task](const Event& event) {
    if (event.kind == EventKind::timer_fired) world.cancel(task);
  };
}

TEST(LimitedTransfer, AloneItTakesItsLatencyAndItsBytesByItsLimit) {
  WorldConfig config = simple_world(3);
  config.nodes[1].link.latency_s = 0.2;
  Witness witness;
  World world(config, witness);
  world.start(0, limited_move(1e6, 4e5), {1, 0});
  world.start(1, limited_move(1e6, 4e5), {0, 2});
  world.start(2, limited_move(1e6, 4e6), {0, 3});  // more than its link has: changes nothing
  world.run();
  EXPECT_TIME(end_of(witness, 0), 2.7);
  EXPECT_TIME(end_of(witness, 1), 2.5);
  EXPECT_TIME(end_of(witness, 2), 1);
}

TEST(LimitedTransfer, BelowTheLinksCapacityNobodySlowsAnother) {
  Witness witness;
  World world(narrow_server(2), witness);
  world.start(0, limited_move(1e6, 3e5), {1, 0});
  world.start(1, limited_move(1e6, 5e5), {2, 0});
  world.run();
  EXPECT_TIME(end_of(witness, 0), 1 / 0.3);
  EXPECT_TIME(end_of(witness, 1), 2);
}

// Shares that add up to the link: each gets exactly its own.
TEST(LimitedTransfer, SharesOfTheWholeLinkAreKept) {
  Witness witness;
  World world(narrow_server(13), witness);
  for (const auto& [task, share] : {std::pair(0, 0.5), std::pair(1, 0.3), std::pair(2, 0.2)}) {
    world.start(task, limited_move(1e6, share * 1e6), {0, task + 1});
  }
  for (TaskId task = 3; task < 13; ++task) {  // the other direction
    world.start(task, limited_move(1e6, 0.1 * 1e6), {static_cast<NodeId>(task + 1), 0});
  }
  world.run();
  EXPECT_TIME(end_of(witness, 0), 2);
  EXPECT_TIME(end_of(witness, 1), 1 / 0.3);
  EXPECT_TIME(end_of(witness, 2), 5);
  for (TaskId task = 3; task < 13; ++task) EXPECT_TIME(end_of(witness, task), 10);
}

// The limits add up to 1.8 of the link: who asks for a fifth has it, the others have half of the
// rest until it ends at 5 s, then half of all.
TEST(LimitedTransfer, WhereTheyDoNotFitTheLinkIsSharedUpToTheLimits) {
  Witness witness;
  World world(narrow_server(3), witness);
  world.start(0, limited_move(3e6, 8e5), {1, 0});
  world.start(1, limited_move(3e6, 8e5), {2, 0});
  world.start(2, limited_move(1e6, 2e5), {3, 0});
  world.run();
  EXPECT_TIME(end_of(witness, 2), 5);
  EXPECT_TIME(end_of(witness, 0), 7);
  EXPECT_TIME(end_of(witness, 1), 7);
}

TEST(LimitedTransfer, WhoHasNoLimitGetsWhatTheOthersLeave) {
  Witness witness;
  World world(narrow_server(2), witness);
  world.start(0, limited_move(1e6, 2.5e5), {1, 0});  // 4 s
  world.start(1, limited_move(4e6, 0), {2, 0});      // 3 MB by then
  world.run();
  EXPECT_TIME(end_of(witness, 0), 4);
  EXPECT_TIME(end_of(witness, 1), 5);
}

TEST(LimitedTransfer, BothDirectionsOfHalfDuplexCountTogether) {
  Witness witness;
  World world(simple_world(2, platforms::Duplex::half), witness);
  world.start(0, limited_move(1e6, 4e5), {1, 0});
  world.start(1, limited_move(1e6, 5e5), {0, 1});
  world.start(2, limited_move(1e6, 8e5), {2, 0});
  world.start(3, limited_move(1e6, 8e5), {0, 2});
  world.run();
  EXPECT_TIME(end_of(witness, 0), 2.5);
  EXPECT_TIME(end_of(witness, 1), 2);
  EXPECT_TIME(end_of(witness, 2), 2);
  EXPECT_TIME(end_of(witness, 3), 2);
}

// 0.3 MB by 1 s, 0.1 MB/s until 11 s, then again at the limit.
TEST(LimitedTransfer, ALinkMayFallBelowTheLimitAndRise) {
  WorldConfig config = simple_world(1);
  config.nodes[1].behaviour.trace = up_trace({0, 1, 11, 100}, {8e6, 8e5, 8e6, 8e6});
  Witness witness;
  World world(config, witness);
  world.start(0, limited_move(3e6, 3e5), {1, 0});
  world.run();
  EXPECT_TIME(end_of(witness, 0), 11 + 1.7 / 0.3);
}

// From 0.5 s to 1 s 0.25 MB, nothing until 3 s.
TEST(LimitedTransfer, TheLimitStaysWhenTheLinkWasAway) {
  WorldConfig config = simple_world(1);
  config.nodes[1].link.latency_s = 0.5;
  config.nodes[1].behaviour.trace = up_trace({0, 1, 3, 100}, {8e6, 0, 8e6, 8e6});
  Witness witness;
  World world(config, witness);
  world.start(0, limited_move(1e6, 5e5), {1, 0});
  world.run();
  EXPECT_TIME(end_of(witness, 0), 4.5);
}

// A quarter is sent at 1 s. A microjoule a byte at each end.
TEST(LimitedTransfer, WhatIsCancelledCountsWhatWasSent) {
  WorldConfig config = simple_world(1);
  for (sim::NodeConfig& node : config.nodes) node.link.joules_per_byte = 1e-6;
  Witness witness;
  World world(config, witness);
  world.start(0, limited_move(1e6, 2.5e5), {1, 0});
  cancel_at(world, witness, 0, 1);
  world.run();
  EXPECT_EQ(witness.record(0, "move").cause, Cause::cancelled);
  EXPECT_NEAR(witness.record(0, "move").energy_j, 0.5, 1e-9);
}

TEST(LimitedTransfer, EnergyGoesByBytes) {
  WorldConfig config = simple_world(2);
  for (sim::NodeConfig& node : config.nodes) node.link.joules_per_byte = 1e-6;
  Witness witness;
  World world(config, witness);
  world.start(0, limited_move(1e6, 2.5e5), {1, 0});
  world.start(1, limited_move(1e6, 0), {2, 0});
  world.run();
  EXPECT_TIME(end_of(witness, 0), 4);
  for (const TaskId task : {0, 1}) {
    EXPECT_NEAR(witness.record(task, "move").energy_j, 2, 1e-9);
  }
  EXPECT_EQ(world.usage(0).bytes_in, 2e6);
}

TEST(LimitedTransfer, WhoEndsEarlyOrIsCancelledLeavesItsPart) {
  Witness witness;
  World world(narrow_server(2), witness);
  world.start(0, limited_move(10e6, 8e5), {1, 0});
  world.start(1, limited_move(1.3e6, 8e5), {2, 0});
  cancel_at(world, witness, 0, 1);
  world.run();
  EXPECT_TIME(end_of(witness, 1), 2);  // 0.5 MB by 1 s
}

TEST(LimitedTransfer, ANodesLossSaysHowMuchWasSent) {
  WorldConfig config = simple_world(1);
  config.nodes[1].behaviour.lost_at_s = 1;
  Witness witness;
  World world(config, witness);
  world.start(0, limited_move(1e6, 2.5e5), {1, 0});
  world.run();
  const auto failed = std::ranges::find(witness.events, EventKind::task_failed, &Event::kind);
  ASSERT_NE(failed, witness.events.end());
  EXPECT_NEAR(failed->finished, 0.25, 1e-9);
}

// The latency is multiplied by 13.01. The bandwidth's factor of 0.97 is of the links: two limits
// that add up to 0.9 of the server's link are kept. The third transfer goes the other way.
TEST(LimitedTransfer, UnderLv08TheLimitIsOfTheBytesThatArrive) {
  WorldConfig config = narrow_server(3);
  config.network = NetworkModel::lv08;
  config.nodes[3].link.latency_s = 0.1;
  Witness witness;
  World world(config, witness);
  world.start(0, limited_move(1e6, 4e5), {1, 0});
  world.start(1, limited_move(1e6, 5e5), {2, 0});
  world.start(2, limited_move(1e6, 4e5), {0, 3});
  world.run();
  EXPECT_TIME(end_of(witness, 0), 2.5);
  EXPECT_TIME(end_of(witness, 1), 2);
  EXPECT_TIME(end_of(witness, 2), 1.301 + 2.5);
}

// A real node with measured transfers: they end when it says.
class Prompt : public RealBackend {
 public:
  void attach(ElasticClock& clock) override { clock_ = &clock; }
  void begin(const RealActivity& activity) override {
    predicted_s = activity.predicted_s;
    clock_->ended_after(activity.id, WallSeconds(1.5));
  }
  void give_up(TaskId) override {}

  double predicted_s = 0;

 private:
  ElasticClock* clock_ = nullptr;
};

TEST(LimitedTransfer, ARealNodesMeasuredTransferTakesWhatItTakes) {
  WorldConfig config = simple_world(1);
  config.nodes[1].real = RealNode{.present = true};
  Witness witness;
  Prompt backend;
  World world(config, witness, &backend);
  world.start(0, limited_move(1e6, 2.5e5), {1, 0});
  world.run();
  EXPECT_TIME(end_of(witness, 0), 1.5);
  EXPECT_TRUE(witness.record(0, "move").real);
  EXPECT_TIME(backend.predicted_s, 4);
}

// --- random flows ------------------------------------------------------------------------------

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

TEST(LimitedTransfer, RandomFlowsHaveMaxMinSharesUpToTheirLimits) {
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
