// Tests several computes at once on a node: times by hand, and against a calculation step by step.

#include "sim/world/shared_processor.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>

#include "base/random.hpp"
#include "sim/world/world.hpp"
#include "tests/support/expect_time.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/small_world.hpp"

namespace convoy::sim {
namespace {

using test::one_compute;
using test::simple_world;
using test::Witness;

WorldConfig world_of_one(int concurrent_computes) {
  WorldConfig config = simple_world(1);
  config.nodes[1].concurrent_computes = concurrent_computes;
  return config;
}

std::shared_ptr<const TaskGraph> with_share(double seconds, double share) {
  auto graph = std::make_shared<TaskGraph>(1);
  graph->compute({.label = "work", .seconds = seconds, .share = share}, {}, {"result", 0});
  return graph;
}

std::shared_ptr<const TaskGraph> with_guarantee(double seconds, double share) {
  auto graph = std::make_shared<TaskGraph>(1);
  graph->compute({.label = "work", .seconds = seconds, .share = share, .at_least = true}, {},
                 {"result", 0});
  return graph;
}

std::shared_ptr<const TaskGraph> with_draw(double seconds, double watts) {
  auto graph = std::make_shared<TaskGraph>(1);
  graph->compute({.label = "work", .seconds = seconds, .watts = watts}, {}, {"result", 0});
  return graph;
}

// Calls at the given times, in order.
void at(World& world, Witness& witness, std::vector<double> times,
        std::function<void(std::size_t)> call) {
  for (std::size_t i = 0; i < times.size(); ++i) {
    world.set_timer(static_cast<std::int64_t>(i), times[i]);
  }
  witness.on_event = [call = std::move(call)](const Event& event) {
    if (event.kind == EventKind::timer_fired) call(static_cast<std::size_t>(event.timer));
  };
}

std::shared_ptr<const platforms::Trace> speed_trace(std::vector<double> time,
                                                    std::vector<double> speed) {
  auto trace = std::make_shared<platforms::Trace>();
  trace->time = std::move(time);
  trace->of(platforms::Column::speed) = std::move(speed);
  return trace;
}

TEST(SharedProcessor, TwoEqualComputesHaveHalfTheNodeEachAndAThirdWaits) {
  Witness witness;
  World world(world_of_one(2), witness);
  for (const TaskId task : {0, 1, 2}) world.start(task, one_compute(4), {1});
  world.run();
  for (const TaskId task : {0, 1}) EXPECT_TIME(witness.record(task, "work").end_s, 8);
  EXPECT_TIME(witness.record(2, "work").start_s, 8);
  EXPECT_TIME(witness.record(2, "work").end_s, 12);
  EXPECT_TIME(world.usage(1).busy_s, 12);
}

// Two that share a node, one with a share of another (0.1 has no exact double), and one that
// SimGrid runs.
TEST(SharedProcessor, WhatEndsAtTheSameTimeIsOneInstant) {
  WorldConfig config = simple_world(3);
  config.nodes[1].concurrent_computes = 2;
  config.nodes[2].concurrent_computes = 0;
  Witness witness;
  World world(config, witness);
  for (const TaskId task : {0, 1}) world.start(task, one_compute(1.5), {1});
  world.start(2, with_share(0.3, 0.1), {2});
  world.start(3, one_compute(3), {3});
  world.start(4, one_compute(4), {3});
  world.run();
  std::vector<TaskId> first;  // of the tasks, by instant
  for (const Event& event : witness.events) {
    if (event.kind != EventKind::task_done) continue;
    first.push_back(event.task);
    EXPECT_EQ(event.last, event.task >= 3) << event.task;
    EXPECT_EQ(event.time, witness.record(event.task, "work").end_s);
  }
  EXPECT_EQ(first, (std::vector<TaskId>{0, 1, 2, 3, 4}));
  EXPECT_TIME(witness.record(3, "work").end_s, 3);
}

TEST(SharedProcessor, TheLongerOneIsFasterWhenTheShorterHasEnded) {
  Witness witness;
  World world(world_of_one(0), witness);
  world.start(0, one_compute(2), {1});
  world.start(1, one_compute(4), {1});
  world.run();
  EXPECT_TIME(witness.record(0, "work").end_s, 4);
  EXPECT_TIME(witness.record(1, "work").end_s, 6);
}

TEST(SharedProcessor, WithoutALimitAnyNumberRuns) {
  Witness witness;
  World world(world_of_one(0), witness);
  for (TaskId task = 0; task < 1000; ++task) world.start(task, one_compute(1), {1});
  world.run();
  for (TaskId task = 0; task < 1000; ++task) {
    EXPECT_EQ(witness.record(task, "work").start_s, 0);
    EXPECT_TIME(witness.record(task, "work").end_s, 1000);
  }
}

// At 2 s the first has 2 s of work left. Until 4 s both do 1 s of work.
TEST(SharedProcessor, WhoComesInTheMiddleTakesHalf) {
  Witness witness;
  World world(world_of_one(0), witness);
  world.start(0, one_compute(4), {1});
  at(world, witness, {2}, [&](std::size_t) { world.start(1, one_compute(1), {1}); });
  world.run();
  EXPECT_TIME(witness.record(1, "work").end_s, 4);
  EXPECT_TIME(witness.record(0, "work").end_s, 5);
}

TEST(SharedProcessor, AShareIsKeptWhenOthersEnd) {
  Witness witness;
  World world(world_of_one(0), witness);
  world.start(0, with_share(4, 0.5), {1});
  world.start(1, with_share(1, 0.25), {1});
  world.start(2, with_share(3, 0.25), {1});
  world.run();
  EXPECT_TIME(witness.record(0, "work").end_s, 8);
  EXPECT_TIME(witness.record(1, "work").end_s, 4);
  EXPECT_TIME(witness.record(2, "work").end_s, 12);
  EXPECT_TIME(world.usage(1).busy_s, 8);  // as long as the work takes on all of the node
}

TEST(SharedProcessor, AShareHoldsOnANodeThatRunsOneAtATime) {
  Witness witness;
  World world(world_of_one(1), witness);
  world.start(0, with_share(2, 0.5), {1});
  world.start(1, one_compute(2), {1});
  world.start(2, with_share(1, 0.25), {1});
  world.run();
  EXPECT_TIME(witness.record(0, "work").end_s, 4);
  EXPECT_TIME(witness.record(1, "work").end_s, 6);
  EXPECT_TIME(witness.record(2, "work").end_s, 10);
}

// Half and a quarter run. Another half waits until the quarter has ended at 4 s, and ends at 6 s.
// A quarter that came later would have had room, but waits for its turn.
TEST(SharedProcessor, SharesAboveOneWaitAndAreNotOvertaken) {
  Witness witness;
  World world(world_of_one(0), witness);
  world.start(0, with_share(4, 0.5), {1});
  world.start(1, with_share(1, 0.25), {1});
  world.start(2, with_share(1, 0.5), {1});
  world.start(3, with_share(1, 0.25), {1});
  world.run();
  EXPECT_TIME(witness.record(0, "work").end_s, 8);
  EXPECT_TIME(witness.record(2, "work").start_s, 4);
  EXPECT_TIME(witness.record(2, "work").end_s, 6);
  EXPECT_TIME(witness.record(3, "work").start_s, 6);
  EXPECT_TIME(witness.record(3, "work").end_s, 10);
}

// A quarter and a half have a third and two thirds, until 1.5 s; then the first has all.
TEST(SharedProcessor, GuaranteedSharesDivideWhatIsLeftInProportion) {
  Witness witness;
  World world(world_of_one(0), witness);
  world.start(0, with_guarantee(1, 0.25), {1});
  world.start(1, with_guarantee(1, 0.5), {1});
  world.run();
  EXPECT_TIME(witness.record(1, "work").end_s, 1.5);
  EXPECT_TIME(witness.record(0, "work").end_s, 2);
  EXPECT_TIME(world.usage(1).busy_s, 2);
}

// An exact quarter, and two guaranteed ones that have 3/8 each beside it; a compute without a share
// comes at 1 s, and while it is there nobody has more than a quarter.
TEST(SharedProcessor, GuaranteesLeaveExactSharesAndTheRestWhatIsTheirs) {
  Witness witness;
  World world(world_of_one(0), witness);
  world.start(0, with_share(2, 0.25), {1});
  world.start(1, with_guarantee(1, 0.25), {1});
  world.start(2, with_guarantee(3, 0.25), {1});
  at(world, witness, {1}, [&](std::size_t) { world.start(3, one_compute(0.25), {1}); });
  world.run();
  EXPECT_TIME(witness.record(3, "work").end_s, 2);
  // 3/8 + 1/4 = 5/8 by 2 s; then 3/8 of each second.
  EXPECT_TIME(witness.record(1, "work").end_s, 3);
  // 1 s by 3 s, then three quarters.
  EXPECT_TIME(witness.record(2, "work").end_s, 3 + 2 / 0.75);
  EXPECT_TIME(witness.record(0, "work").end_s, 8);
}

TEST(SharedProcessor, TenTenthsAreOne) {
  Witness witness;
  World world(world_of_one(0), witness);
  for (TaskId task = 0; task < 10; ++task) world.start(task, with_share(1, 0.1), {1});
  world.run();
  for (TaskId task = 0; task < 10; ++task) EXPECT_TIME(witness.record(task, "work").end_s, 10);
}

// One has half, until 4 s, and three others a sixth each. Who asks for all of it has it from 4 s to
// 5 s: the three stand still. Then they have 1/3, 4/3 and 1/3 s of work left.
TEST(SharedProcessor, WithoutAShareOneHasAPartOfTheRest) {
  Witness witness;
  World world(world_of_one(0), witness);
  world.start(0, with_share(2, 0.5), {1});
  world.start(1, one_compute(1), {1});
  world.start(2, one_compute(2), {1});
  world.start(3, with_share(1, 1), {1});
  world.start(4, one_compute(1), {1});
  world.run();
  EXPECT_TIME(witness.record(0, "work").end_s, 4);
  EXPECT_TIME(witness.record(1, "work").end_s, 6);
  EXPECT_TIME(witness.record(2, "work").end_s, 7);
  EXPECT_TIME(witness.record(3, "work").start_s, 4);
  EXPECT_TIME(witness.record(3, "work").end_s, 5);
  EXPECT_EQ(witness.record(4, "work").start_s, 0);
  EXPECT_TIME(witness.record(4, "work").end_s, 6);
  EXPECT_TIME(world.usage(1).busy_s, 7);
}

// A plan whose shares sum to 1 holds, whatever else the node computes: the first ends at 2 s and is
// followed by an equal one, as planned.
TEST(SharedProcessor, WhoHasNoShareHoldsUpNobodyWhoHasOne) {
  Witness witness;
  World world(world_of_one(0), witness);
  world.start(0, with_share(1, 0.5), {1});
  world.start(1, with_share(4, 0.5), {1});
  at(world, witness, {1, 2}, [&](std::size_t i) {
    world.start(static_cast<TaskId>(2 + i), i == 0 ? one_compute(1) : with_share(1, 0.5), {1});
  });
  world.run();
  EXPECT_TIME(witness.record(0, "work").end_s, 2);
  EXPECT_TIME(witness.record(3, "work").end_s, 4);
  EXPECT_TIME(witness.record(1, "work").end_s, 8);
  EXPECT_TIME(witness.record(2, "work").end_s, 6);
}

TEST(SharedProcessor, WhoIsCancelledLeavesItsPartToTheOthers) {
  Witness witness;
  World world(world_of_one(0), witness);
  for (const TaskId task : {0, 1}) world.start(task, one_compute(4), {1});
  at(world, witness, {4}, [&](std::size_t) { world.cancel(0); });
  world.run();
  EXPECT_EQ(witness.record(0, "work").cause, Cause::cancelled);
  EXPECT_TIME(witness.record(1, "work").end_s, 6);
}

TEST(SharedProcessor, ANodesLossSaysHowMuchWasFinished) {
  WorldConfig config = world_of_one(0);
  config.nodes[1].behaviour.lost_at_s = 2;
  Witness witness;
  World world(config, witness);
  world.start(0, one_compute(4), {1});
  world.start(1, with_share(4, 0.5), {1});
  world.run();
  std::map<TaskId, double> finished;
  for (const Event& event : witness.events) {
    if (event.kind == EventKind::task_failed) finished[event.task] = event.finished;
  }
  EXPECT_NEAR(finished.at(0), 0.25, 1e-9);
  EXPECT_NEAR(finished.at(1), 0.25, 1e-9);
}

// The load takes half from 2 s to 6 s of every 8 s: 2 s of work are done by 2 s, 4 s by 6 s, 6 s by
// 8 s. With a slowdown of 2 that is two computes of 1.5 s, or one of 0.75 s with a quarter.
TEST(SharedProcessor, FollowsTheNodesSpeedAndSlowdown) {
  WorldConfig config = simple_world(2);
  for (const std::size_t node : {1, 2}) {
    config.nodes[node].concurrent_computes = 0;
    config.nodes[node].behaviour.slowdown = 2;
    config.nodes[node].behaviour.load = BackgroundLoad{0.5, 8, 4, 2};
  }
  Witness witness;
  World world(config, witness);
  for (const TaskId task : {0, 1}) world.start(task, one_compute(1.5), {1});
  world.start(2, with_share(0.75, 0.25), {2});
  world.run();
  for (const TaskId task : {0, 1, 2}) EXPECT_TIME(witness.record(task, "work").end_s, 8);
  const auto changes = std::count_if(
      witness.events.begin(), witness.events.end(),
      [](const Event& e) { return e.kind == EventKind::node_changed && e.node == 1; });
  EXPECT_GE(changes, 2);
}

// The load takes half at all times; also of a node that computes one after the other.
TEST(SharedProcessor, ALoadWithoutPeriodSlowsItAsItSlowsOthers) {
  WorldConfig config = simple_world(2);
  config.nodes[1].concurrent_computes = 0;
  for (const std::size_t node : {1, 2}) config.nodes[node].behaviour.load = BackgroundLoad{0.5};
  Witness witness;
  World world(config, witness);
  for (const TaskId task : {0, 1}) world.start(task, one_compute(1), {1});
  for (const TaskId task : {2, 3}) world.start(task, one_compute(1), {2});
  world.run();
  for (const TaskId task : {0, 1, 3}) EXPECT_TIME(witness.record(task, "work").end_s, 4);
  EXPECT_TIME(witness.record(2, "work").end_s, 2);
}

TEST(SharedProcessor, StandsStillWhereTheTraceSaysSo) {
  WorldConfig config = world_of_one(0);
  config.nodes[1].behaviour.trace = speed_trace({0, 1, 3, 20}, {1, 0, 1, 1});
  Witness witness;
  World world(config, witness);
  for (const TaskId task : {0, 1}) world.start(task, one_compute(1), {1});
  at(world, witness, {2}, [&](std::size_t) { world.start(2, one_compute(1), {1}); });
  world.run();
  // Half of the first two at 1 s; from 3 s on a third each: 0.5 s of work by 4.5 s, then one alone.
  for (const TaskId task : {0, 1}) EXPECT_TIME(witness.record(task, "work").end_s, 4.5);
  EXPECT_TIME(witness.record(2, "work").end_s, 5);
}

TEST(SharedProcessor, JitterIsThatOfTheActivity) {
  WorldConfig config = world_of_one(0);
  config.nodes[1].behaviour.jitter = 0.5;
  config.seed = 5;
  Witness witness;
  World world(config, witness);
  world.start(0, with_share(1, 0.25), {1});
  world.run();
  base::Random random({config.seed, 1, 0, 0, 0});
  const double factor = std::exp(0.5 * random.normal());
  EXPECT_TIME(witness.record(0, "work").end_s, 4 * factor);
}

TEST(SharedProcessor, WhatTakesNoTimeEndsAtOnceAmongOthers) {
  Witness witness;
  World world(world_of_one(0), witness);
  world.start(0, one_compute(2), {1});
  world.start(1, one_compute(0), {1});
  world.start(2, with_share(0, 0.5), {1});
  world.run();
  EXPECT_EQ(witness.record(1, "work").end_s, 0);
  EXPECT_EQ(witness.record(2, "work").end_s, 0);
  EXPECT_TIME(witness.record(0, "work").end_s, 2);
}

TEST(SharedProcessor, EndsTogetherWithATransferThatEndsAtTheTime) {
  WorldConfig config = simple_world(2);
  config.nodes[2].concurrent_computes = 0;
  Witness witness;
  World world(config, witness);
  world.start(0, one_compute(2), {1});
  world.start(1, one_compute(2), {2});
  world.start(2, test::one_transfer(2e6), {1, 2});
  world.run();
  std::vector<TaskId> order;
  for (const Event& event : witness.events) {
    if (event.kind != EventKind::task_done) continue;
    order.push_back(event.task);
    EXPECT_TIME(event.time, 2);
    EXPECT_EQ(event.last, event.task == 1);
  }
  EXPECT_EQ(order, (std::vector<TaskId>{0, 2, 1}));  // by node
}

// The first ends at 2 s, the second at 4 s. The node draws 10 W all the time.
TEST(SharedProcessor, TheNodesDrawIsChargedOnceAndShared) {
  WorldConfig config = world_of_one(0);
  config.nodes[1].power = {2, 10, {}};
  Witness witness;
  World world(config, witness);
  world.start(0, one_compute(1), {1});
  world.start(1, one_compute(3), {1});
  world.run();
  EXPECT_NEAR(world.energy_j(1), 40, 1e-9);
  EXPECT_NEAR(witness.record(0, "work").energy_j, 10, 1e-9);
  EXPECT_NEAR(witness.record(1, "work").energy_j, 30, 1e-9);
}

// Work costs the same above the idle draw, however slowly it is done: 1 s at a share of a quarter.
TEST(SharedProcessor, AShareDrawsItsPart) {
  WorldConfig config = world_of_one(0);
  config.nodes[1].power = {2, 10, {}};
  Witness witness;
  World world(config, witness);
  world.start(0, with_share(1, 0.25), {1});
  world.run();
  EXPECT_NEAR(world.energy_j(1), 4 * 2 + 1 * 8, 1e-9);
  EXPECT_TIME(world.usage(1).busy_s, 1);
}

// Until 4 s the node draws 20 W, then 10 W for the 2 s that the second has left.
TEST(SharedProcessor, WhoDrawsMostSaysWhatTheNodeDraws) {
  WorldConfig config = world_of_one(0);
  config.nodes[1].power = {2, 10, {}};
  Witness witness;
  World world(config, witness);
  world.start(0, with_draw(2, 20), {1});
  world.start(1, one_compute(4), {1});
  world.run();
  EXPECT_NEAR(world.energy_j(1), 4 * 20 + 2 * 10, 1e-9);
  EXPECT_NEAR(witness.record(1, "work").energy_j, 2 * 20 + 2 * 10, 1e-9);
}

struct Job {
  double comes = 0;
  double work = 0;
  double share = 0;
  double end = -1;
};

// Step by step: the same by steps from event to event, with the work left of each.
void simulate(std::vector<Job>& jobs) {
  std::vector<double> left;
  for (const Job& job : jobs) left.push_back(job.work);
  double now = 0;
  while (true) {
    double shares = 0;
    int others = 0;
    const auto runs = [&](std::size_t i) { return jobs[i].comes <= now && jobs[i].end < 0; };
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      if (!runs(i)) continue;
      shares += jobs[i].share;
      others += jobs[i].share > 0 ? 0 : 1;
    }
    const auto speed = [&](std::size_t i) {
      return jobs[i].share > 0 ? jobs[i].share : (1 - shares) / others;
    };
    double step = std::numeric_limits<double>::infinity();
    std::size_t ends = jobs.size();
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      if (jobs[i].comes > now) step = std::min(step, jobs[i].comes - now);
    }
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      if (!runs(i) || left[i] / speed(i) > step) continue;
      step = left[i] / speed(i);
      ends = i;
    }
    if (std::isinf(step)) return;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      if (runs(i)) left[i] -= step * speed(i);
    }
    now += step;
    if (ends < jobs.size()) jobs[ends].end = now;
    // A comer is there although the sum of the steps may be a hair short of it.
    for (const Job& job : jobs) {
      if (std::abs(job.comes - now) < 1e-12) now = std::max(now, job.comes);
    }
  }
}

TEST(SharedProcessor, AgreesWithACalculationStepByStep) {
  base::Random random({test::drawn_seed()});
  std::vector<Job> jobs;
  for (int i = 0; i < 300; ++i) {
    Job job;
    job.comes = 0.5 + 200 * random.uniform();
    job.work = 0.1 + random.uniform();
    jobs.push_back(job);
  }
  for (std::size_t i = 0; i < 3; ++i) jobs[i].share = 0.1;
  Witness witness;
  World world(world_of_one(0), witness);
  std::vector<double> times;
  for (const Job& job : jobs) times.push_back(job.comes);
  at(world, witness, times, [&](std::size_t i) {
    world.start(static_cast<TaskId>(i), with_share(jobs[i].work, jobs[i].share), {1});
  });
  world.run();
  simulate(jobs);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    EXPECT_NEAR(witness.record(static_cast<TaskId>(i), "work").end_s, jobs[i].end, 1e-8) << i;
  }
}

}  // namespace
}  // namespace convoy::sim
