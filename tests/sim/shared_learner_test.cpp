// Tests what a learner keeps of tasks that share a session, and that a resumed one ends the same.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "sim/run/learner.hpp"
#include "tests/support/halves_engine.hpp"
#include "tests/support/scenario_run.hpp"
#include "tests/support/seed.hpp"

namespace convoy::sim {
namespace {

using test::halves_graph;
using test::HalvesEngine;
using testing::HasSubstr;

constexpr TaskId servers = 1'000'000;  // tasks of the server count from here

class SharedLearner : public testing::Test {
 protected:
  SharedLearner()
      : scenario(test::read_or_fail(
            "[fleet]\n[[fleet.nodes]]\ndevice = \"jetson-nano\"\ncount = 4\n[model]\narchitecture "
            "= \"cnn-small\"\n[data]\nsamples = 100\n[training]\nlearn = true\n[stop]\nrounds = "
            "5\n")),
        engine(std::make_shared<HalvesEngine>(
            engine::full_submodel(*scenario.setting->architecture))) {}

  std::unique_ptr<Learner> learner(const std::string& name, bool resume = false, int workers = 2) {
    return std::make_unique<Learner>(
        scenario, engine, engine->initial({}),
        LearnerOptions{.workers = workers, .folder = folder.path() / name, .resume = resume});
  }
  static Assign task(TaskId id, NodeId node, std::int64_t group, int batches) {
    return {.task = id,
            .graph = halves_graph(batches),
            .members = {0, node},
            .worker = 1,
            .shared = SharedSession{.group = group}};
  }
  // A task of a node alone.
  static Assign alone(TaskId id, NodeId node) {
    auto graph = std::make_shared<TaskGraph>(2);
    const int here = graph->transfer("download", graph->artifact("model", 8, 0), 1);
    graph->compute({.label = "train", .at = 1, .work = engine::Step{}}, {here}, {"update", 8});
    return {.task = id, .graph = graph, .members = {0, node}, .worker = 1};
  }
  static Assign taking(TaskId id, std::int64_t group) {
    auto graph = std::make_shared<TaskGraph>(1);
    graph->compute({.label = "take", .work = engine::TakeStage{1, 2}}, {}, {"part", 8});
    return {.task = id,
            .graph = graph,
            .members = {0},
            .kind = TaskKind::aggregation,
            .shared = SharedSession{.group = group, .ends = true}};
  }
  static Assign aggregation(TaskId id, std::vector<TaskId> tasks) {
    auto graph = std::make_shared<TaskGraph>(1);
    std::vector<int> inputs = {graph->artifact("model", 8, 0)};
    for (std::size_t i = 0; i < tasks.size(); ++i) inputs.push_back(graph->artifact("part", 8, 0));
    graph->compute({.label = "aggregate", .work = engine::Aggregate{}}, inputs, {"model", 8});
    return {.task = id,
            .graph = graph,
            .members = {0},
            .kind = TaskKind::aggregation,
            .consumes = std::move(tasks),
            .publishes = graph->result()};
  }

  test::TemporaryFolder folder;
  Scenario scenario;
  std::shared_ptr<HalvesEngine> engine;
};

// What happens in a run, one thing after another, as a function of the learner and what it tells.
using Told = std::vector<double>;
using Happening = std::function<void(Learner&, Told&)>;

// Rounds of nodes 1 to 3 that share the server's half, some of whose tasks are lost, and of node 4,
// which trains alone.
class RandomRun {
 public:
  explicit RandomRun(std::uint64_t seed) : random_({seed}) {}

  template <class Fixture>
  std::vector<Happening> make(int rounds) {
    for (int round = 0; round < rounds; ++round) {
      std::vector<TaskId> updates;
      add_alone(Fixture::alone(next_, 4), updates);
      std::vector<Going> going;
      for (NodeId node = 1; node <= 3; ++node) {
        const int batches = 1 + static_cast<int>(random_.below(3));
        going.push_back(begin(Fixture::task(next_, node, round, batches)));
      }
      while (!going.empty()) {
        advance(going, round, updates,
                [&](NodeId node) { return begin(Fixture::task(next_, node, round, 2)); });
      }
      const TaskId take = servers_++;
      add([order = Fixture::taking(take, round)](Learner& l, Told&) { l.assigned(order); });
      add([take](Learner& l, Told&) { l.activity_ended(take, 0); });
      add([take](Learner& l, Told& told) { told.push_back(l.done(take).loss); });
      updates.push_back(take);
      const TaskId last = servers_++;
      add([order = Fixture::aggregation(last, updates)](Learner& l, Told&) { l.assigned(order); });
      add([last](Learner& l, Told& told) {
        l.published(last);
        told.push_back(l.finish_evaluation(l.begin_evaluation()).accuracy());
      });
    }
    return std::move(all_);
  }

 private:
  struct Going {
    Assign order;
    int ended = 0;
  };

  void add(Happening happening) { all_.push_back(std::move(happening)); }
  Going begin(Assign order) {
    ++next_;
    add([order](Learner& l, Told&) { l.assigned(order); });
    return {std::move(order)};
  }
  void add_alone(Assign order, std::vector<TaskId>& updates) {
    const TaskId id = begin(std::move(order)).order.task;
    add([id](Learner& l, Told& told) { told.push_back(l.done(id).loss); });
    updates.push_back(id);
  }
  template <class Again>
  void advance(std::vector<Going>& going, int round, std::vector<TaskId>& updates, Again again) {
    const std::size_t which = random_.below(going.size());
    const TaskId id = going[which].order.task;
    if (random_.below(30) == 0) {
      add([id](Learner& l, Told&) { l.given_up(id); });
      const NodeId node = going[which].order.worker_node();
      going.erase(going.begin() + static_cast<std::ptrdiff_t>(which));
      if (round % 2 == 0) going.push_back(again(node));  // it comes back, into the same group
      return;
    }
    const int activity = going[which].ended++;
    add([id, activity](Learner& l, Told&) { l.activity_ended(id, activity); });
    if (going[which].ended < static_cast<int>(going[which].order.graph->activities().size())) {
      return;
    }
    going.erase(going.begin() + static_cast<std::ptrdiff_t>(which));
    add([id](Learner& l, Told& told) { told.push_back(l.done(id).loss); });
    updates.push_back(id);
  }

  base::Random random_;
  std::vector<Happening> all_;
  TaskId next_ = 0;
  TaskId servers_ = servers;
};

// Makes what the generator needs known to it.
struct Made : SharedLearner {
  using SharedLearner::aggregation;
  using SharedLearner::alone;
  using SharedLearner::taking;
  using SharedLearner::task;
};

Told play(Learner& learner, const std::vector<Happening>& all, std::size_t until) {
  Told told;
  for (std::size_t i = 0; i < until; ++i) all[i](learner, told);
  return told;
}

TEST_F(SharedLearner, WhateverTheMomentOfItsCheckpointsItEndsTheSame) {
  base::Random random({test::drawn_seed()});
  for (int run = 0; run < 12; ++run) {
    const std::vector<Happening> all = RandomRun(random.below(1'000'000)).make<Made>(4);
    const std::string name = std::to_string(run);
    const Told whole = play(*learner(name + "whole", false, 1), all, all.size());
    std::size_t until = 0;
    for (int part = 0; part < 4; ++part) {
      const auto l = learner(name, part > 0);
      until = part == 3 ? all.size() : until + random.below(all.size() - until);
      const Told told = play(*l, all, until);
      EXPECT_EQ(told, Told(whole.begin(), whole.begin() + std::ssize(told)));
      l->checkpoint();
    }
  }
}

TEST_F(SharedLearner, AnOpenGroupIsInACheckpointByItsBeginningOnly) {
  const std::vector<Happening> all = RandomRun(3).make<Made>(1);
  {
    const auto l = learner("a");
    play(*l, all, all.size() - 5);  // all tasks of nodes are done, the server's is not ordered
    l->checkpoint();
  }
  int results = 0;
  const std::filesystem::path path = folder.path() / "a" / "checkpoint";
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    results += entry.path().filename().string().starts_with("result-") ? 1 : 0;
  }
  EXPECT_EQ(results, 1);  // of the node that trains alone
  const auto l = learner("a", true);
  engine->served = 0;
  play(*l, all, all.size());
  EXPECT_GT(engine->served, 0);
  l->checkpoint();
  const auto again = learner("a", true);
  engine->served = 0;
  play(*again, all, all.size());
  EXPECT_EQ(engine->served, 0);  // the group has ended, and its results are known
}

void expect_wrong(const std::function<void()>& order, const std::string& why) {
  try {
    order();
    ADD_FAILURE() << "expected: " << why;
  } catch (const std::logic_error& e) {
    EXPECT_THAT(e.what(), HasSubstr(why));
  }
}

void end_all(Learner& l, const Assign& order) {
  for (std::size_t i = 0; i < order.graph->activities().size(); ++i) {
    l.activity_ended(order.task, static_cast<int>(i));
  }
  l.done(order.task);
}

TEST_F(SharedLearner, OrdersThatBreakAGroupAreErrors) {
  const auto l = learner("a");
  l->assigned(task(0, 1, 7, 1));
  end_all(*l, task(0, 1, 7, 1));
  expect_wrong([&] { l->assigned(aggregation(servers, {0})); }, "whose group 7 has not ended");
  expect_wrong([&] { l->assigned(alone(1, 1)); }, "has had a task in group 7");
  expect_wrong([&] { l->assigned(task(2, 1, 8, 1)); }, "has had a task in group 7");
  Assign elsewhere = task(3, 2, 7, 1);
  elsewhere.members = {3, 2};
  expect_wrong([&] { l->assigned(elsewhere); }, "another node has the session than in group 7");
}

// What tasks that came to nothing have done to the shared session counts if another has answered,
// and else not: the next round of a schedule takes the same batches again.
TEST_F(SharedLearner, AGroupThatNobodyHasAnsweredBeginsAnew) {
  const auto taken = [&](const std::string& name, const std::function<void(Learner&)>& before) {
    const auto l = learner(name);
    before(*l);
    l->assigned(task(10, 1, 7, 2));
    end_all(*l, task(10, 1, 7, 2));
    l->assigned(taking(servers, 7));
    l->activity_ended(servers, 0);
    return l->done(servers).loss;
  };
  const auto begin = [](Learner& l, TaskId id, NodeId node) {
    l.assigned(task(id, node, 7, 2));
    for (int activity = 0; activity < 5; ++activity) l.activity_ended(id, activity);
  };
  const double alone = taken("alone", [](Learner&) {});
  EXPECT_EQ(taken("again",
                  [&](Learner& l) {
                    begin(l, 0, 1);
                    begin(l, 1, 2);
                    l.given_up(0);
                    l.given_up(1);
                  }),
            alone);
  EXPECT_NE(taken("answered",
                  [&](Learner& l) {
                    begin(l, 0, 2);
                    begin(l, 1, 3);
                    for (int activity = 5; activity < 14; ++activity) l.activity_ended(1, activity);
                    l.done(1);
                    l.given_up(0);
                  }),
            alone);
}

TEST_F(SharedLearner, AGroupEndsOnceAndWhenNoneOfItIsUnderWay) {
  const auto l = learner("a");
  l->assigned(task(0, 1, 7, 1));
  l->assigned(task(1, 2, 7, 1));
  end_all(*l, task(0, 1, 7, 1));
  l->assigned(taking(servers, 7));
  expect_wrong([&] { end_all(*l, taking(servers, 7)); }, "task 1 of it is under way");
}

TEST_F(SharedLearner, TasksOfAGroupBeginFromOneVersionAndNotAfterItsEnd) {
  const auto l = learner("a");
  l->assigned(alone(9, 4));
  l->done(9);
  l->assigned(task(0, 1, 7, 1));
  l->assigned(aggregation(servers, {9}));
  l->published(servers);
  expect_wrong([&] { l->assigned(task(1, 2, 7, 1)); }, "starts from another version than group 7");
  end_all(*l, task(0, 1, 7, 1));
  l->assigned(task(2, 3, 8, 1));
  end_all(*l, task(2, 3, 8, 1));
  l->assigned(taking(servers + 1, 8));
  end_all(*l, taking(servers + 1, 8));
  expect_wrong([&] { l->assigned(task(3, 2, 8, 1)); }, "after the end of group 8");
}

// Its results come from elsewhere.
class NoDevices : public RealNodes {
 public:
  void attach(ElasticClock& /*clock*/) override {}
  void begin(const RealActivity& /*activity*/) override {}
  void give_up(TaskId /*task*/) override {}
  void use(std::shared_ptr<const engine::Engine> /*engine*/) override {}
  void assigned(const engine::TaskInput& /*input*/,
                std::shared_ptr<const TaskGraph> /*graph*/) override {}
  engine::Outcome outcome(TaskId /*task*/) override { return {}; }
  void taken_before(NodeId /*node*/, TaskId /*task*/) override {}
  bool has_outcome(TaskId /*task*/) override { return false; }
  [[nodiscard]] bool has_orders() const override { return false; }
  void flush_orders() override {}
};

TEST_F(SharedLearner, RealNodesAreRefused) {
  scenario.world.nodes[2].real.emplace();
  NoDevices devices;
  Learner l(scenario, engine, engine->initial({}), {.folder = folder.path(), .real = &devices});
  l.assigned(task(0, 1, 7, 1));
  try {
    l.assigned(task(1, 2, 7, 1));
    ADD_FAILURE() << "a real node took part";
  } catch (const base::UserError& e) {
    EXPECT_THAT(e.what(), HasSubstr("which only simulated nodes can"));
  }
}

}  // namespace
}  // namespace convoy::sim
