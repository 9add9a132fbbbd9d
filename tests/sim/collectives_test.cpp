// Collectives in the world: their closed forms, and what comes to whom.

#include "sim/task/collectives.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <set>

#include "tests/support/expect_time.hpp"
#include "tests/support/hand_pipeline.hpp"

namespace convoy::sim {
namespace {

using test::PipelineRuns;
using test::worker;
using enum CollectiveShape;

constexpr double rate = 1e6;     // bytes/s
constexpr double latency = 0.5;  // s of a message

enum class What { all_reduce, reduce_scatter, all_gather, broadcast };

struct Made {
  std::shared_ptr<TaskGraph> graph;
  std::vector<int> own;
  Collective result;
};

Made make(What what, int n, double bytes, const CollectiveOptions& options) {
  Made made{std::make_shared<TaskGraph>(n), {}, {}};
  for (int i = 0; i < n; ++i) made.own.push_back(made.graph->artifact("sum", bytes, i));
  std::vector<int> others(static_cast<std::size_t>(n - 1));
  std::iota(others.begin(), others.end(), 1);
  switch (what) {
    case What::all_reduce:
      made.result = all_reduce(*made.graph, made.own, options);
      break;
    case What::reduce_scatter:
      made.result = reduce_scatter(*made.graph, made.own, options);
      break;
    case What::all_gather:
      made.result = all_gather(*made.graph, made.own, options);
      break;
    case What::broadcast:
      made.result = broadcast(*made.graph, made.own.front(), others, options);
      break;
  }
  return made;
}

TaskId add(PipelineRuns& runs, const Made& made) {
  PipelineGraph graph{.graph = made.graph, .devices = {}, .roles = {}};
  for (int i = 0; i < made.graph->roles(); ++i) graph.devices.push_back(i);
  return runs.add(graph, worker(rate, latency / 2));
}

TEST(Collectives, TakeWhatTheirClosedFormsSay) {
  PipelineRuns runs;
  std::vector<double> expected;
  for (int n = 2; n <= 9; ++n) {
    const double bytes = n * 1e6;  // chunks of 1 s
    const double whole = n + latency;
    const double chunk = 1 + latency;
    const double turns = n - 1;
    const double rounds = std::ceil(std::log2(n));
    add(runs, make(What::all_reduce, n, bytes, {}));
    expected.push_back(2 * turns * chunk);
    EXPECT_NEAR(expected.back(), 2 * (n - 1.0) / n * bytes / rate + 2 * (n - 1) * latency, 1e-9);
    add(runs, make(What::reduce_scatter, n, bytes, {}));
    expected.push_back(turns * chunk);
    add(runs, make(What::all_gather, n, bytes, {}));
    expected.push_back(turns * chunk);
    add(runs, make(What::broadcast, n, bytes, {}));
    expected.push_back(2 * turns * chunk);
    add(runs, make(What::broadcast, n, bytes, {.shape = tree}));
    expected.push_back(rounds * whole);
    if (n != 2 && n != 4 && n != 8) continue;
    add(runs, make(What::all_reduce, n, bytes, {.shape = tree}));
    expected.push_back(2 * rounds * whole);
    add(runs, make(What::reduce_scatter, n, bytes, {.shape = tree}));
    expected.push_back(rounds * whole + turns + rounds * latency);
    add(runs, make(What::all_gather, n, bytes, {.shape = tree}));
    expected.push_back(rounds * whole + turns + rounds * latency);
  }
  runs.run();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_TIME(runs.end_of(static_cast<TaskId>(i)), expected[i]) << i;
  }
}

TEST(Collectives, ATreeOfAnyNumberTakesNoMoreRoundsThanItsHeight) {
  PipelineRuns runs;
  for (int n = 2; n <= 12; ++n) add(runs, make(What::all_reduce, n, 1e6, {.shape = tree}));
  runs.run();
  for (int n = 2; n <= 12; ++n) {
    const double rounds = std::ceil(std::log2(n));
    EXPECT_LE(runs.end_of(n - 2), 2 * rounds * (1 + latency) + 1e-9) << n;
    EXPECT_GE(runs.end_of(n - 2), (rounds + 1) * (1 + latency) - 1e-9) << n;
  }
}

TEST(Collectives, AddingTakesTheTimeItIsGiven) {
  const auto add_s = [](const CollectiveAdd& add) {
    return add.bytes * 1e-7 * (add.role == 0 ? 2 : 1);
  };
  PipelineRuns runs;
  const auto ring_of_4 = add(runs, make(What::all_reduce, 4, 4e6, {.adds = true, .add_s = add_s}));
  const auto tree_of_4 =
      add(runs, make(What::all_reduce, 4, 4e6, {.shape = tree, .adds = true, .add_s = add_s}));
  runs.run();
  // The slowest chunk of the ring: role 0 adds 0.2 s to it and two others 0.1 s; that which role 0
  // begins does without. Behind it, nobody waits: links are free.
  EXPECT_TIME(runs.end_of(ring_of_4), 6 * (1 + latency) + 0.2 + 2 * 0.1);
  // Role 2 adds for 0.4 s, then the root for 0.8 s.
  EXPECT_TIME(runs.end_of(tree_of_4), 4 * (4 + latency) + 0.4 + 0.8);
}

// With a participant that begins 10 s later nobody ends before its part has come.
TEST(Collectives, EverybodyWaitsForTheLast) {
  PipelineRuns runs;
  for (const auto shape : {ring, tree}) {
    for (const bool adds : {false, true}) {
      for (int late = 0; late < 5; ++late) {
        Made made{std::make_shared<TaskGraph>(5), {}, {}};
        for (int i = 0; i < 5; ++i) {
          const double seconds = i == late ? 10 : 0;
          made.own.push_back(made.graph->compute({.at = i, .seconds = seconds}, {}, {"sum", 5e6}));
        }
        made.result = all_reduce(*made.graph, made.own, {.shape = shape, .adds = adds});
        for (int i = 0; i < 5; ++i) {
          std::vector<int> inputs = made.result.arrived[static_cast<std::size_t>(i)];
          inputs.push_back(made.own[static_cast<std::size_t>(i)]);
          made.graph->compute({.label = "done", .at = i}, std::move(inputs), {"done", 0});
        }
        add(runs, made);
      }
    }
  }
  runs.run();
  for (std::size_t i = 0; i < runs.made.size(); ++i) {
    const auto task = static_cast<TaskId>(i);
    // In a ring the late one has to send all of its chunks yet, in a tree its whole part, and what
    // is made of it comes to all: none goes on without its part.
    const bool is_ring = i < 10;
    if (is_ring) {
      EXPECT_TIME(runs.end_of(task), 10 + 2 * 4 * (1 + latency));
    } else {
      EXPECT_GE(runs.end_of(task), 10 + 5 + latency - 1e-9) << i;
    }
    for (std::size_t k = 0; k < 5; ++k) {
      const auto& done = runs.witness.records.at({task, "done"}).at(k);
      const auto role = done.what->at;
      if (role == static_cast<int>(i % 5)) continue;
      EXPECT_GE(done.end_s, 10 + 1 + latency - 1e-9) << i << ", " << role;
    }
  }
}

// The artifact given at the start of which this is a copy, if computes give on what came first.
int origin(const TaskGraph& graph, int artifact) {
  while (graph.producer(artifact) >= 0) {
    const Activity& a = graph.activities()[static_cast<std::size_t>(graph.producer(artifact))];
    artifact = a.inputs.front();
  }
  return artifact;
}

TEST(Collectives, WhatComesToAParticipantOfARingIsKnown) {
  EXPECT_TRUE(rc::check([] {
    const int n = *rc::gen::inRange(1, 12);
    const CollectiveOptions options{.adds = *rc::gen::arbitrary<bool>()};
    const auto what = *rc::gen::element(What::all_reduce, What::reduce_scatter);
    const Made made = make(what, n, *rc::gen::inRange(0, 1000), options);
    for (int i = 0; i < n; ++i) {
      const std::vector<int>& came = made.result.arrived[static_cast<std::size_t>(i)];
      RC_ASSERT(came.size() ==
                static_cast<std::size_t>(what == What::all_reduce ? 2 * (n - 1) : n - 1));
      for (int k = 0; k + 1 < n; ++k) {
        const int from = ((i - 1 - k) % n + n) % n;
        RC_ASSERT(origin(*made.graph, came[static_cast<std::size_t>(k)]) == from);
      }
    }
  }));
}

// A chunk, and those whose parts are in it.
struct Part {
  int chunk = 0;
  std::multiset<int> of;
};

// What the artifacts of an all-reduce are, if the computes add.
std::vector<Part> added_up(const Made& made, CollectiveShape shape) {
  const int n = made.graph->roles();
  std::vector<Part> parts(made.graph->artifacts().size());
  for (int i = 0; i < n; ++i) {
    parts[made.own[i]] = {shape == ring ? first_chunk_of(i, n) : 0, {i}};
  }
  for (const Activity& a : made.graph->activities()) {
    Part& out = parts[a.outputs.front()];
    out = parts[a.inputs.front()];
    if (a.kind == ActivityKind::transfer) continue;
    const auto& work = std::get<engine::Forward>(a.work);
    EXPECT_EQ(work.microbatch, out.chunk);
    EXPECT_EQ(work.microbatches, shape == ring ? n : 1);
    EXPECT_EQ(work.first, a.at);
    if (work.labels) out.of.insert(a.at);
    for (std::size_t i = 1; i < a.inputs.size(); ++i) {
      out.of.insert(parts[a.inputs[i]].of.begin(), parts[a.inputs[i]].of.end());
    }
  }
  return parts;
}

TEST(Collectives, EverybodyHasTheWholeSumInTheEndWithEachPartOnce) {
  for (const auto shape : {ring, tree}) {
    for (int n = 2; n <= 11; ++n) {
      CollectiveOptions options{.shape = shape, .adds = true};
      options.add = [](const CollectiveAdd& add) {
        return engine::Forward{.first = add.role,
                               .microbatch = add.chunk,
                               .microbatches = add.chunks,
                               .labels = add.own};
      };
      const Made made = make(What::all_reduce, n, 1000, options);
      const std::vector<Part> parts = added_up(made, shape);
      std::multiset<int> all;
      for (int i = 0; i < n; ++i) all.insert(i);
      for (const std::vector<int>& came : made.result.arrived) {
        std::set<int> chunks;
        const std::size_t from = shape == ring ? n - 2 : came.size() - 1;
        for (std::size_t k = from; k < came.size(); ++k) {
          EXPECT_EQ(parts[came[k]].of, all) << n;
          chunks.insert(parts[came[k]].chunk);
        }
        EXPECT_EQ(chunks.size(), shape == ring ? n : 1);
      }
    }
  }
}

TEST(Collectives, SizesSumExactly) {
  EXPECT_TRUE(rc::check([] {
    const int n = *rc::gen::inRange(1, 40);
    const double bytes = *rc::gen::inRange(0, 1'000'000'000);
    const std::vector<double> chunks = chunks_of(bytes, n);
    RC_ASSERT(chunks.size() == static_cast<std::size_t>(n));
    RC_ASSERT(std::accumulate(chunks.begin(), chunks.end(), 0.0) == bytes);
    const auto [least, most] = std::minmax_element(chunks.begin(), chunks.end());
    RC_ASSERT(*most - *least <= 1);
    for (const double chunk : chunks) RC_ASSERT(chunk == std::floor(chunk));
    // A ring moves 2 (n-1) times the whole, whatever the chunks; everybody gets each chunk.
    const Made made = make(What::all_reduce, n, bytes, {});
    double moved = 0;
    for (const Activity& a : made.graph->activities()) moved += a.bytes;
    RC_ASSERT(moved == 2.0 * (n - 1) * bytes);
  }));
}

TEST(Collectives, OneParticipantNeedsNothing) {
  for (const auto what :
       {What::all_reduce, What::reduce_scatter, What::all_gather, What::broadcast}) {
    for (const auto shape : {ring, tree}) {
      const Made made = make(what, 1, 100, {.shape = shape});
      EXPECT_TRUE(made.graph->activities().empty());
      EXPECT_TRUE(made.result.arrived.at(0).empty());
    }
  }
}

TEST(Collectives, RefuseTwoAtOneRoleAndUnlikeSizes) {
  TaskGraph graph(2);
  const int one = graph.artifact("a", 10, 0);
  const int same_role = graph.artifact("b", 10, 0);
  const int larger = graph.artifact("c", 11, 1);
  EXPECT_THROW(all_reduce(graph, {one, same_role}, {}), std::invalid_argument);
  EXPECT_THROW(all_reduce(graph, {one, larger}, {}), std::invalid_argument);
  EXPECT_THROW(broadcast(graph, one, {0}, {}), std::invalid_argument);
}

}  // namespace
}  // namespace convoy::sim
