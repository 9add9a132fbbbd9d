// The learner beside a made-up engine: what is computed from what, what is kept, what is not.

#include "sim/run/learner.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "tests/support/scenario_run.hpp"

namespace convoy::sim {
namespace {

using engine::Contribution;
using engine::Outcome;
using engine::TaskInput;

// A model that is one number: every task adds its id, an aggregation sums up.
struct Number : engine::Weights {
  explicit Number(double v) : value(v) {
    const int count = ++alive;
    int most = most_alive.load();
    while (count > most && !most_alive.compare_exchange_weak(most, count)) {
    }
  }
  ~Number() override { --alive; }
  Number(const Number&) = delete;
  Number& operator=(const Number&) = delete;
  double value;
  static inline std::atomic<int> alive = 0;
  static inline std::atomic<int> most_alive = 0;
};
struct Step : engine::Update {
  explicit Step(double v) : value(v) {}
  double value;
};
struct Memory : engine::NodeState {
  explicit Memory(int n) : tasks(n) {}
  int tasks;
};

double value_of(const engine::Weights& w) { return dynamic_cast<const Number&>(w).value; }

class NumberTask : public engine::LocalTask {
 public:
  NumberTask(const TaskInput& input, engine::Submodel kept, std::stop_token stop)
      : input_(input), kept_(std::move(kept)), stop_(std::move(stop)) {}
  void learn_masks(int) override {}
  void train(int, std::optional<int>) override {
    if (input_.task == 99) {  // one that never ends by itself
      while (!stop_.stop_requested()) std::this_thread::yield();
      throw engine::Stopped();
    }
    if (input_.task == 98) throw base::UserError("node 3: does not like it");
  }
  Outcome finish() override {
    const int before = input_.state ? dynamic_cast<const Memory&>(*input_.state).tasks : 0;
    Outcome o;
    o.update = std::make_shared<Step>(static_cast<double>(input_.task + 1));
    o.state = std::make_shared<Memory>(before + 1);
    o.submodel = kept_;
    o.loss = value_of(*input_.received) + before;
    o.finite = input_.task != 97;
    return o;
  }
  const engine::Submodel& submodel() const override { return kept_; }

 private:
  TaskInput input_;
  engine::Submodel kept_;
  std::stop_token stop_;
};

class NumberEngine : public engine::Engine {
 public:
  explicit NumberEngine(engine::Submodel full) : full_(std::move(full)) {}
  void prepare_thread() const override {}
  std::shared_ptr<const engine::Weights> initial(const std::filesystem::path&) const override {
    return std::make_shared<Number>(0);
  }
  std::unique_ptr<engine::LocalTask> begin(const TaskInput& input,
                                           std::stop_token stop) const override {
    return std::make_unique<NumberTask>(input, full_, std::move(stop));
  }
  engine::Aggregated aggregate(const engine::Weights& current,
                               const std::vector<Contribution>& contributions) const override {
    double sum = value_of(current);
    for (const Contribution& c : contributions) sum += dynamic_cast<const Step&>(*c.update).value;
    engine::Aggregated a;
    a.weights = std::make_shared<Number>(sum);
    a.coverage_min = static_cast<std::int64_t>(contributions.size());
    a.shares.assign(contributions.size(), 1.0 / static_cast<double>(contributions.size()));
    return a;
  }
  engine::Evaluation evaluate(const engine::Weights& w, double,
                              const std::stop_token&) const override {
    engine::Evaluation e;
    e.exits.push_back({.after = 4, .top1 = value_of(w)});
    return e;
  }
  static void put(const std::filesystem::path& file, double value) { std::ofstream(file) << value; }
  static double get(const std::filesystem::path& file) {
    double value = 0;
    std::ifstream(file) >> value;
    return value;
  }
  void save(const engine::Weights& w, const std::filesystem::path& file,
            const Metadata&) const override {
    put(file, value_of(w));
  }
  void save(const engine::NodeState& s, const std::filesystem::path& file) const override {
    put(file, dynamic_cast<const Memory&>(s).tasks);
  }
  void save(const engine::Update& u, const std::filesystem::path& file) const override {
    put(file, dynamic_cast<const Step&>(u).value);
  }
  std::shared_ptr<const engine::Weights> load_weights(
      const std::filesystem::path& file) const override {
    return std::make_shared<Number>(get(file));
  }
  std::shared_ptr<const engine::NodeState> load_state(
      const std::filesystem::path& file) const override {
    return std::make_shared<Memory>(static_cast<int>(get(file)));
  }
  std::shared_ptr<const engine::Update> load_update(
      const std::filesystem::path& file) const override {
    return std::make_shared<Step>(get(file));
  }
  // Nobody here is elsewhere.
  engine::Parcel pack(const TaskInput&) const override { throw std::logic_error("pack"); }
  engine::Parcel pack(const Outcome&) const override { throw std::logic_error("pack"); }
  std::unique_ptr<engine::Unpacking> unpack(const std::string&, std::uint64_t,
                                            const std::string&) const override {
    throw std::logic_error("unpack");
  }
  std::shared_ptr<const engine::Weights> unpack_weights(engine::Unpacking&) const override {
    throw std::logic_error("unpack");
  }
  Outcome unpack_update(engine::Unpacking&, const TaskInput&) const override {
    throw std::logic_error("unpack");
  }

 private:
  engine::Submodel full_;
};

class LearnerTest : public testing::Test {
 protected:
  LearnerTest()
      : scenario(test::read_or_fail(
            "[fleet]\n[[fleet.nodes]]\ndevice = \"jetson-nano\"\ncount = 4\n[model]\narchitecture "
            "= \"cnn-small\"\n[data]\nsamples = 100\n[training]\nlearn = true\n[stop]\nrounds = "
            "5\n")),
        engine(
            std::make_shared<NumberEngine>(engine::full_submodel(*scenario.setting->architecture))),
        graph(std::make_shared<TaskGraph>(2)) {
    graph->compute({.label = "train", .at = 1, .flops = 1, .work = {Work::Kind::train, 1, {}}}, {},
                   {"update", 8});
    Number::most_alive = Number::alive.load();
  }

  std::unique_ptr<Learner> learner(bool resume = false, const std::atomic<bool>* stop = nullptr) {
    return std::make_unique<Learner>(
        scenario, engine, engine->initial({}),
        LearnerOptions{
            .workers = 2, .folder = folder.path(), .resume = resume, .interrupted = stop});
  }
  Assign task(TaskId id, NodeId node) const {
    return {.task = id, .graph = graph, .members = {0, node}};
  }

  // A round of nodes 1 to 4 with tasks from `first`; gives the new version's number.
  static double round(Learner& l, const LearnerTest& t, TaskId first) {
    std::vector<TaskId> tasks;
    for (NodeId node = 1; node <= 4; ++node) {
      l.assigned(t.task(first + node - 1, node));
      tasks.push_back(first + node - 1);
    }
    for (NodeId node = 1; node <= 4; ++node) l.done(first + node - 1, node);
    l.aggregate(tasks);
    l.aggregated();
    l.judge();
    return l.judged().accuracy();
  }

  test::TemporaryFolder folder;
  Scenario scenario;
  std::shared_ptr<NumberEngine> engine;
  std::shared_ptr<TaskGraph> graph;
};

TEST_F(LearnerTest, TasksStartFromTheVersionOfTheirAssignmentAndNodesRemember) {
  const auto l = learner();
  l->assigned(task(0, 1));
  l->assigned(task(1, 2));
  EXPECT_EQ(l->done(0, 1).loss, 0);
  l->aggregate({0});
  EXPECT_EQ(l->aggregated().coverage_min, 1);  // the model is 1 now
  l->assigned(task(2, 1));
  EXPECT_EQ(l->done(1, 2).loss, 0);  // from version 0, by a node without a past
  EXPECT_EQ(l->done(2, 1).loss, 2);  // from 1, and its node has done a task
  l->aggregate({1, 2});
  l->aggregated();
  l->judge();
  EXPECT_EQ(l->judged().accuracy(), 1 + 2 + 3);
}

TEST_F(LearnerTest, OnlyVersionsThatSomeoneNeedsAreKept) {
  const int before = Number::alive;
  {
    const auto l = learner();
    l->assigned(task(1000, 4));
    for (int i = 0; i < 20; ++i) {
      l->assigned(task(i, 1));
      l->done(i, 1);
      l->aggregate({i});
      l->aggregated();
      // The newest, what the slow node started from, and what each worker is about to let go.
      EXPECT_LE(Number::alive - before, 4) << i;
    }
    l->done(1000, 4);
  }
  EXPECT_EQ(Number::alive, before);
  EXPECT_LE(Number::most_alive - before, 5);  // one is being made
}

TEST_F(LearnerTest, WhatIsGivenUpIsStoppedAndForgotten) {
  const auto l = learner();
  l->assigned(task(99, 1));
  l->given_up(99);
  l->given_up(12345);  // never heard of
  l->assigned(task(1, 1));
  EXPECT_EQ(l->done(1, 1).loss, 0);  // the node has not learned from it
}

TEST_F(LearnerTest, AnInterruptEndsTheWaiting) {
  std::atomic<bool> stop = true;
  const auto l = learner(false, &stop);
  l->assigned(task(99, 1));
  EXPECT_THROW(l->done(99, 1), Interrupted);
}

TEST_F(LearnerTest, WhatATaskThrowsComesOutWhereItIsWaitedFor) {
  const auto l = learner();
  l->assigned(task(98, 3));
  EXPECT_THROW(l->done(98, 3), base::UserError);
}

TEST_F(LearnerTest, AResumedOneComputesNothingUntilItsCheckpointAndGoesOnFromThere) {
  double whole = 0;
  {
    const auto l = learner();
    for (int r = 0; r < 5; ++r) whole = round(*l, *this, 4 * r);
  }
  {
    const auto l = learner();
    round(*l, *this, 0);
    round(*l, *this, 4);
    // In the middle of a round: one is done, one is not, one held NaN.
    l->assigned(task(8, 1));
    l->assigned(task(9, 2));
    l->assigned(task(97, 3));
    EXPECT_FALSE(l->done(97, 3).finite);
    l->done(8, 1);
    l->checkpoint();
  }
  const auto l = learner(true);
  EXPECT_EQ(round(*l, *this, 0), 1 + 2 + 3 + 4);
  round(*l, *this, 4);
  l->assigned(task(97, 3));
  EXPECT_FALSE(l->done(97, 3).finite);
  EXPECT_EQ(round(*l, *this, 8), 12 * 13 / 2);
  round(*l, *this, 12);
  EXPECT_EQ(round(*l, *this, 16), whole);
}

TEST_F(LearnerTest, ACheckpointOfAResumedOneKeepsWhatItHasNotComeToYet) {
  {
    const auto l = learner();
    round(*l, *this, 0);
    for (NodeId node = 1; node <= 4; ++node) l->assigned(task(3 + node, node));
    l->done(4, 1);
    l->done(5, 2);
    l->checkpoint();
  }
  for (int again = 0; again < 3; ++again) {
    // Resumed, and stopped at several points of what the checkpoint before had seen.
    const auto l = learner(true);
    EXPECT_EQ(round(*l, *this, 0), 10);
    l->checkpoint();
    l->assigned(task(4, 1));
    l->checkpoint();
    if (again == 2) l->done(4, 1);
    l->checkpoint();
  }
  const auto l = learner(true);
  round(*l, *this, 0);
  EXPECT_EQ(round(*l, *this, 4), 36);
  // The states are those of then: every node has done two tasks.
  for (NodeId node = 1; node <= 4; ++node) {
    l->assigned(task(7 + node, node));
    EXPECT_EQ(l->done(7 + node, node).loss, 36 + 2);
  }
}

TEST_F(LearnerTest, ACheckpointKeepsOnlyWhatIsNeeded) {
  const auto l = learner();
  for (int r = 0; r < 4; ++r) {
    round(*l, *this, 4 * r);
    l->checkpoint();
  }
  int weights = 0;
  int updates = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path() / "checkpoint")) {
    const std::string name = entry.path().filename().string();
    weights += name.starts_with("weights-") ? 1 : 0;
    updates += name.starts_with("update-") ? 1 : 0;
  }
  EXPECT_EQ(weights, 1);
  EXPECT_EQ(updates, 0);
}

}  // namespace
}  // namespace convoy::sim
