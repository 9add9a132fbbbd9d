// Tests memory that stays between activities on random graphs: bounds, limits, nothing left behind.

#include <rapidcheck.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iostream>
#include <map>

#include "base/random.hpp"
#include "sim/task/peak_memory.hpp"
#include "sim/world/world.hpp"
#include "tests/support/small_world.hpp"

namespace convoy::sim {
namespace {

using test::limited;
using test::simple_world;
using test::Witness;

// A graph of computes and transfers over `roles`, with held artifacts, computes' memory and orders.
std::shared_ptr<const TaskGraph> random_graph(base::Random& random, int roles, int size) {
  auto graph = std::make_shared<TaskGraph>(roles);
  TaskGraph& g = *graph;
  const auto below = [&](int n) { return static_cast<int>(random.below(n)); };
  const auto maybe_hold = [&](int artifact) {
    if (below(2) == 0) g.hold(artifact, 1 + below(30));
  };
  for (int role = 0; role < roles; ++role) maybe_hold(g.artifact("given", 1e5, role));
  for (int i = 0; i < size; ++i) {
    const int from = below(static_cast<int>(g.artifacts().size()));
    const int place = g.artifacts()[static_cast<std::size_t>(from)].place;
    int made = -1;
    if (below(3) == 0 && roles > 1) {
      made = g.transfer("move", from, (place + 1 + below(roles - 1)) % roles);
    } else {
      std::vector<int> inputs = {from};
      const int other = below(static_cast<int>(g.artifacts().size()));
      const bool fits = g.artifacts()[static_cast<std::size_t>(other)].place == place;
      if (fits && other != from) inputs.push_back(other);
      made = g.compute({.label = "work",
                        .at = place,
                        .seconds = 0.25 * below(5),
                        .memory = static_cast<double>(below(20)),
                        .priority = below(3)},
                       inputs, {"made", 1e5 * below(4)});
    }
    maybe_hold(made);
    if (i > 0 && below(3) == 0) g.order(below(i), i);
    if (below(4) == 0) {  // all earlier ones come before it
      for (int before = 0; before < i; ++before) g.order(before, i);
    }
  }
  g.repeat(1 + below(2));
  return graph;
}

// All moments that are possible, with one compute of the role at a time: the most that is taken.
double by_trying(const TaskGraph& graph, int role) {
  const auto& activities = graph.activities();
  std::vector<int> state(activities.size(), 0);  // 0: not started, 1: runs, 2: has ended
  double most = 0;
  const auto taken = [&] {
    double all = 0;
    for (std::size_t i = 0; i < activities.size(); ++i) {
      const bool here = activities[i].kind == ActivityKind::compute && activities[i].at == role;
      if (here && state[i] == 1) all += activities[i].memory;
    }
    for (std::size_t x = 0; x < graph.artifacts().size(); ++x) {
      const Artifact& artifact = graph.artifacts()[x];
      if (artifact.place != role) continue;
      const bool given = artifact.producer < 0;
      const bool started = given || state[static_cast<std::size_t>(artifact.producer)] > 0;
      int left = 0;
      for (std::size_t i = 0; i < activities.size(); ++i) {
        const auto& inputs = activities[i].inputs;
        const bool takes =
            std::find(inputs.begin(), inputs.end(), static_cast<int>(x)) != inputs.end();
        if (takes && state[i] < 2) ++left;
      }
      const bool stays = graph.consumers()[x] == 0 || (given && graph.repeat() > 1);
      if (started && (stays || left > 0)) all += artifact.held;
    }
    return all;
  };
  const std::function<void(std::size_t, bool)> choose = [&](std::size_t i, bool computes) {
    if (i == activities.size()) {
      most = std::max(most, taken());
      return;
    }
    const bool here = activities[i].kind == ActivityKind::compute && activities[i].at == role;
    bool possible = true;  // all before it have ended
    for (std::size_t before = 0; before < i; ++before) {
      const auto& next = graph.successors()[before];
      const bool waits = std::find(next.begin(), next.end(), static_cast<int>(i)) != next.end();
      possible = possible && (!waits || state[before] == 2);
    }
    for (const int s : {0, 1, 2}) {
      if (s > 0 && !possible) break;
      if (s == 1 && here && computes) continue;
      state[i] = s;
      choose(i + 1, computes || (s == 1 && here));
    }
    state[i] = 0;
  };
  choose(0, false);
  return most;
}

TEST(PeakMemory, IsTheMostOfAllPossibleMoments) {
  EXPECT_TRUE(rc::check([] {
    base::Random random({*rc::gen::arbitrary<std::uint64_t>()});
    const auto graph = random_graph(random, 2, *rc::gen::inRange(1, 8));
    for (const int role : {0, 1}) {
      const double tried = by_trying(*graph, role);
      const double most = peak_memory(*graph, role);
      RC_ASSERT(most == tried);
      RC_ASSERT(peak_memory(*graph, role, 0) >= most);
      RC_ASSERT(peak_held(*graph, role) <= most);
      RC_ASSERT(least_memory(*graph, role) <= most);
    }
  }));
}

// Two unordered computes take something, and behind both more is made: it is not there any more.
TEST(PeakMemory, WhatTwoUnorderedComputesTakeIsGoneBehindBoth) {
  TaskGraph graph(2);
  const auto make = [&](const char* label, std::vector<int> inputs, double held) {
    const int made =
        graph.compute({.label = label, .at = 1, .seconds = 1}, std::move(inputs), {label, 1});
    if (held > 0) graph.hold(made, held);
    return made;
  };
  const int given = graph.artifact("given", 1, 1);
  graph.hold(given, 100);
  const int one = make("one", {given}, 1);
  const int other = make("other", {given}, 2);
  // Apart from both, so that they are no turning point.
  const int aside = graph.compute({.label = "aside", .seconds = 1}, {}, {"aside", 1});
  const int more = make("more", {one, other}, 90);
  const int there = graph.transfer("there", aside, 1);
  make("end", {more, there}, 0);
  EXPECT_EQ(peak_memory(graph, 1), 103);

  for (int i = 0; i < 60; ++i) {
    const int next = graph.artifact("more given", 1, 1);
    graph.hold(next, 1);
    make("a", {next}, 0);
    make("b", {next}, 0);
  }
  EXPECT_EQ(peak_memory(graph, 1), 60 + 103);
}

// Batch after batch, with a stash from the forward to the backward, and weights through all of
// them: in the middle of a batch two things besides the weights are there.
TEST(PeakMemory, OfAChainOfManyBatchesIsThatOfOne) {
  constexpr int batches = 4000;
  auto graph = std::make_shared<TaskGraph>(2);
  const int weights = graph->artifact("weights", 0, 1);
  graph->hold(weights, 1000);
  int before = weights;
  for (int batch = 0; batch < batches; ++batch) {
    const int stash = graph->compute({.label = "forward", .at = 1, .seconds = 1, .memory = 3},
                                     {weights, before}, {"stash", 1});
    graph->hold(stash, 100);
    const int there = graph->transfer("up", stash, 0);
    const int gradient =
        graph->compute({.label = "both", .seconds = 1, .memory = 8}, {there}, {"gradient", 1});
    graph->hold(gradient, 20);
    // The server's step comes at the same time as the transfer.
    const int step =
        graph->compute({.label = "step", .seconds = 1, .memory = 50}, {there}, {"step", 0});
    graph->order(graph->producer(gradient), graph->producer(step));
    const int back = graph->transfer("down", gradient, 1);
    graph->hold(back, 10);
    before = graph->compute({.label = "backward", .at = 1, .seconds = 1, .memory = 5},
                            {back, stash}, {"end", 0});
    graph->order(graph->producer(step), graph->producer(before));
  }
  EXPECT_EQ(peak_memory(*graph, 1), 1000 + 100 + 10 + 5);
  EXPECT_EQ(peak_memory(*graph, 1, 0), 1000 + 100 + 10 + 5);
  EXPECT_EQ(peak_held(*graph, 1), 1000 + 100 + 10);
  EXPECT_EQ(peak_memory(*graph, 0), 20 + 50);
  EXPECT_EQ(least_memory(*graph, 1), 1000 + 100 + 3);
}

// Runs a test of a world in a process of its own: there is one world per process. True if it
// succeeded.
bool in_a_child(const std::function<bool()>& test) {
  std::cout.flush();
  const pid_t child = ::fork();
  if (child == 0) ::_exit(test() ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Each wait is some task's and some node's, and the computes that waited did so after they were
// ready.
bool waits_add_up(const World& world, const Witness& witness, int nodes) {
  double of_tasks = 0;
  double of_nodes = 0;
  for (const auto& [task, seconds] : witness.memory_waits) of_tasks += seconds;
  for (int node = 1; node <= nodes; ++node) of_nodes += world.usage(node).memory_wait_s;
  bool good = std::abs(of_tasks - of_nodes) <= 1e-9 * (1 + of_nodes);
  for (const auto& [key, records] : witness.records) {
    for (const ActivityRecord& r : records) {
      if (r.memory_asked_s < 0) continue;
      good = good && r.ready_s <= r.memory_asked_s &&
             r.memory_asked_s <= (r.start_s < 0 ? r.end_s : r.start_s) &&
             witness.memory_waits.contains(r.task);
    }
  }
  return good;
}

// Of what is taken at each event: never above the limit, and nothing at the end.
bool stays_within(std::uint64_t seed, double limit) {
  base::Random random({seed});
  constexpr int nodes = 3;
  WorldConfig config = limited(nodes, limit);
  for (int node = 1; node <= nodes; ++node) {
    config.nodes[node].concurrent_computes = static_cast<int>(random.below(3));
  }
  config.nodes[2].behaviour.outages = {{8, 2}};
  Witness witness;
  World world(config, witness);
  constexpr int tasks = 25;
  for (int i = 0; i < 2 * tasks; ++i) world.set_timer(i, 20 * random.uniform());
  bool within = true;
  std::map<TaskId, int> ends;
  int started = 0;
  int cancelled = 0;
  witness.on_event = [&](const Event& event) {
    for (int node = 1; node <= nodes; ++node) {
      within = within && world.memory_taken(node) <= limit;
    }
    if (event.kind == EventKind::task_done || event.kind == EventKind::task_failed) {
      ++ends[event.task];
    }
    if (event.kind != EventKind::timer_fired) return;
    if (event.timer < tasks) {
      const auto graph = random_graph(random, 2, 1 + static_cast<int>(random.below(12)));
      const auto first = static_cast<NodeId>(1 + random.below(nodes));
      world.start(event.timer, graph, {first, static_cast<NodeId>(1 + first % nodes)});
      ++started;
    } else if (event.timer % 5 == 0) {
      const std::size_t before = world.tasks();
      world.cancel(event.timer - tasks);
      if (world.tasks() < before) ++cancelled;
    }
  };
  world.run();
  for (int node = 1; node <= nodes; ++node) {
    within = within && world.memory_taken(node) == 0 && world.usage(node).peak_memory <= limit;
  }
  return within && waits_add_up(world, witness, nodes) && started == tasks && world.tasks() == 0 &&
         static_cast<int>(ends.size()) + cancelled == tasks;
}

TEST(HeldMemory, RandomTasksStayWithinTheLimitAndLeaveNothing) {
  EXPECT_TRUE(rc::check([] {
    const auto seed = *rc::gen::arbitrary<std::uint64_t>();
    const double limit = *rc::gen::inRange(20, 200);
    RC_ASSERT(in_a_child([&] { return stays_within(seed, limit); }));
  }));
}

// What a task needs on each of its nodes; empty: it keeps nothing between its activities.
std::map<NodeId, double> needs_of(const TaskGraph& graph, const std::vector<NodeId>& members,
                                  const WorldConfig& config) {
  std::map<NodeId, double> needs;
  if (!graph.holds()) return needs;
  for (int role = 0; role < graph.roles(); ++role) {
    const NodeId node = members[static_cast<std::size_t>(role)];
    const double peak = peak_memory(graph, role, config.nodes[node].concurrent_computes);
    double most = 0;
    for (const Activity& a : graph.activities()) {
      if (a.kind == ActivityKind::compute && a.at == role) most = std::max(most, a.memory);
    }
    const bool keeps = peak_held(graph, role) > 0;
    if (keeps || most > 0) needs[node] += keeps ? peak : most;
  }
  return needs;
}

struct Arrival {
  double time = 0;
  TaskId task = no_task;
  std::shared_ptr<const TaskGraph> graph;
  std::map<NodeId, double> needs;
  bool fits = true;
};

// Of tasks that come at random: each that fits alone ends and no other one begins; whatever of its
// nodes' memory is taken; and of two that need memory of the same node the earlier begins first.
bool all_that_fit_end_in_order(std::uint64_t seed, double limit) {
  base::Random random({seed});
  constexpr int nodes = 4;
  constexpr int tasks = 40;
  WorldConfig config = limited(nodes, limit);
  for (int node = 1; node <= nodes; ++node) {
    config.nodes[node].concurrent_computes = static_cast<int>(random.below(3));
  }
  Witness witness;
  World world(config, witness);
  for (int i = 0; i < tasks; ++i) world.set_timer(i, random.below(12));
  std::vector<Arrival> arrivals;
  std::map<TaskId, Event> ends;
  bool good = true;
  witness.on_event = [&](const Event& event) {
    for (int node = 1; node <= nodes; ++node) good = good && world.memory_taken(node) <= limit;
    if (event.kind == EventKind::task_done || event.kind == EventKind::task_failed) {
      ends[event.task] = event;
    }
    if (event.kind != EventKind::timer_fired) return;
    Arrival& a = arrivals.emplace_back();
    a.time = event.time;
    a.task = event.timer;
    a.graph = random_graph(random, 2, 1 + static_cast<int>(random.below(10)));
    const auto first = static_cast<NodeId>(1 + random.below(nodes));
    const std::vector<NodeId> members = {
        first, static_cast<NodeId>(1 + (first + random.below(nodes - 1)) % nodes)};
    a.needs = needs_of(*a.graph, members, config);
    for (const auto& [node, bytes] : a.needs) a.fits = a.fits && bytes <= limit;
    if (!a.graph->holds()) {
      for (const Activity& what : a.graph->activities()) a.fits = a.fits && what.memory <= limit;
    }
    world.start(a.task, a.graph, members);
  };
  world.run();
  std::map<TaskId, double> begins;
  for (const auto& [key, records] : witness.records) {
    for (const ActivityRecord& record : records) {
      const auto there = begins.try_emplace(key.first, record.ready_s).first;
      there->second = std::min(there->second, record.ready_s);
    }
  }
  for (const Arrival& a : arrivals) {
    const Event& end = ends[a.task];
    good = good && end.kind == (a.fits ? EventKind::task_done : EventKind::task_failed);
    if (a.fits || !a.graph->holds()) continue;
    good = good && end.cause == Cause::out_of_memory && end.time == a.time &&
           !begins.contains(a.task) && end.needed == a.needs.at(end.node) && end.capacity == limit;
  }
  for (std::size_t i = 0; i < arrivals.size(); ++i) {
    for (std::size_t j = i + 1; j < arrivals.size(); ++j) {
      const Arrival& one = arrivals[i];
      const Arrival& other = arrivals[j];
      if (!one.fits || !other.fits) continue;
      const bool both = std::ranges::any_of(
          one.needs, [&](const auto& need) { return other.needs.contains(need.first); });
      if (both) good = good && begins.at(one.task) <= begins.at(other.task);
    }
  }
  for (int node = 1; node <= nodes; ++node) {
    good = good && world.memory_taken(node) == 0 && world.usage(node).peak_memory <= limit;
  }
  return good && waits_add_up(world, witness, nodes) && arrivals.size() == tasks &&
         world.tasks() == 0;
}

TEST(HeldMemory, EveryRandomTaskThatFitsAloneEndsAndNobodyOvertakes) {
  EXPECT_TRUE(rc::check([] {
    const auto seed = *rc::gen::arbitrary<std::uint64_t>();
    const double limit = *rc::gen::inRange(20, 200);
    RC_ASSERT(in_a_child([&] { return all_that_fit_end_in_order(seed, limit); }));
  }));
}

// A task alone on its nodes ends if they have what peak_memory says.
bool ends_within_its_peak(std::uint64_t seed) {
  base::Random random({seed});
  const auto graph = random_graph(random, 2, 1 + static_cast<int>(random.below(15)));
  WorldConfig config = simple_world(2);
  for (const int role : {0, 1}) {
    const int concurrent = static_cast<int>(random.below(3));
    config.nodes[role + 1].concurrent_computes = concurrent;
    // 0 would be no limit.
    config.nodes[role + 1].memory = std::max(peak_memory(*graph, role, concurrent), 1e-3);
  }
  Witness witness;
  World world(config, witness);
  world.start(0, graph, {1, 2});
  world.run();
  return witness.end_of(EventKind::task_done) >= 0;
}

TEST(HeldMemory, WhatPeakMemorySaysIsEnough) {
  EXPECT_TRUE(rc::check([] {
    const auto seed = *rc::gen::arbitrary<std::uint64_t>();
    RC_ASSERT(in_a_child([&] { return ends_within_its_peak(seed); }));
  }));
}

}  // namespace
}  // namespace convoy::sim
