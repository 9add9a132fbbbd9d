// Tests the learner with an artificial engine: what is computed from which version, and what is
// kept.

#include "sim/run/learner.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "tests/support/scenario_run.hpp"

namespace convoy::sim {
namespace {

using engine::Input;
using engine::Outcome;
using engine::TaskInput;

// A model that is one number: every task adds its id, an aggregation adds the updates.
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

class NumberSession : public engine::Session {
 public:
  NumberSession(const TaskInput& input, engine::Submodel kept, std::stop_token stop)
      : input_(input), kept_(std::move(kept)), stop_(std::move(stop)) {}

  std::shared_ptr<const engine::Artifact> run(const engine::Work& work,
                                              const std::vector<Input>& inputs) override {
    if (std::holds_alternative<engine::Train>(work)) {
      if (input_.task == 99) {  // a task that never ends by itself
        while (!stop_.stop_requested()) std::this_thread::yield();
        throw engine::Stopped();
      }
      if (input_.task == 98) throw base::UserError("node 3: does not like it");
      ++trained_;
      outcome_.result = std::make_shared<Step>(static_cast<double>(input_.task + 1) * trained_);
      outcome_.loss = value_of(*input_.received) + remembered();
      outcome_.finite = input_.task != 97;
    } else if (std::holds_alternative<engine::Aggregate>(work)) {
      double sum = dynamic_cast<const Number&>(*inputs.at(0).artifact).value;
      for (std::size_t i = 1; i < inputs.size(); ++i) sum += step(inputs[i]);
      sum += told(input_);
      outcome_.result = std::make_shared<Number>(sum);
      outcome_.aggregation.emplace();
      outcome_.aggregation->coverage_min = static_cast<std::int64_t>(inputs.size()) - 1;
      outcome_.aggregation->shares.assign(inputs.size() - 1,
                                          1.0 / static_cast<double>(inputs.size() - 1));
    } else if (std::holds_alternative<engine::Combine>(work)) {
      double sum = 0;
      for (const Input& input : inputs) sum += step(input);
      outcome_.result = std::make_shared<Step>(sum);
    }
    return outcome_.result;
  }
  Outcome outcome() override {
    Outcome outcome = outcome_;
    outcome.state = std::make_shared<Memory>(remembered() + 1);
    outcome.submodel = kept_;
    return outcome;
  }
  const engine::Submodel& submodel() const override { return kept_; }

 private:
  static double step(const Input& input) {
    return dynamic_cast<const Step&>(*input.artifact).value;
  }
  // A number of whatever is known of others at work.
  static double told(const TaskInput& input) {
    double sum = 0;
    for (const engine::TaskAtWork& other :
         input.at_work.value_or(std::vector<engine::TaskAtWork>())) {
      const auto* state = dynamic_cast<const Memory*>(other.state.get());
      const int tasks = state == nullptr ? 9 : state->tasks;
      sum += 1000 * other.node + 100 * tasks + 10 * static_cast<double>(other.version) +
             other.brief.rate;
    }
    return sum;
  }
  [[nodiscard]] int remembered() const {
    return input_.state ? dynamic_cast<const Memory&>(*input_.state).tasks : 0;
  }

  TaskInput input_;
  engine::Submodel kept_;
  std::stop_token stop_;
  Outcome outcome_;
  int trained_ = 0;
};

class NumberEngine : public engine::Engine {
 public:
  explicit NumberEngine(engine::Submodel full) : full_(std::move(full)) {}
  void prepare_thread() const override {}
  std::shared_ptr<const engine::Weights> initial(const std::filesystem::path&) const override {
    return std::make_shared<Number>(0);
  }
  std::unique_ptr<engine::Session> open(const TaskInput& input,
                                        std::stop_token stop) const override {
    return std::make_unique<NumberSession>(input, full_, std::move(stop));
  }
  bool needs_received() const override { return false; }
  std::shared_ptr<const engine::Weights> next_version(
      const std::shared_ptr<const engine::Weights>& current,
      const std::shared_ptr<const engine::Artifact>& result) const override {
    if (auto weights = std::dynamic_pointer_cast<const engine::Weights>(result)) return weights;
    return std::make_shared<Number>(value_of(*current) + dynamic_cast<const Step&>(*result).value);
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
  void save(const engine::Artifact& u, const std::filesystem::path& file) const override {
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
  std::shared_ptr<const engine::Artifact> load_artifact(
      const std::filesystem::path& file) const override {
    return std::make_shared<Step>(get(file));
  }
  // All nodes are simulated here.
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
    const int model = graph->artifact("model", 8, 0);
    graph->compute({.label = "train", .at = 1, .flops = 1, .work = engine::Train{1, {}}},
                   {graph->transfer("download", model, 1)}, {"update", 8});
    Number::most_alive = Number::alive.load();
  }

  std::unique_ptr<Learner> learner(bool resume = false, const std::atomic<bool>* stop = nullptr) {
    return std::make_unique<Learner>(
        scenario, engine, engine->initial({}),
        LearnerOptions{
            .workers = 2, .folder = folder.path(), .resume = resume, .interrupted = stop});
  }
  Assign task(TaskId id, NodeId node) const {
    return {.task = id, .graph = graph, .members = {0, node}, .worker = 1};
  }
  // The server's task that takes these results; it makes a version if `publishes`.
  static Assign aggregation(TaskId id, std::vector<TaskId> tasks, bool publishes = true) {
    auto made = std::make_shared<TaskGraph>(1);
    std::vector<int> inputs;
    if (publishes) inputs.push_back(made->artifact("model", 8, 0));
    for (std::size_t i = 0; i < tasks.size(); ++i) inputs.push_back(made->artifact("update", 8, 0));
    const engine::Work work =
        publishes ? engine::Work(engine::Aggregate{}) : engine::Work(engine::Combine{});
    made->compute({.label = "aggregate", .work = work}, inputs, {"model", 8});
    return {.task = id,
            .graph = made,
            .members = {0},
            .kind = TaskKind::aggregation,
            .consumes = std::move(tasks),
            .publishes = publishes ? made->result() : -1};
  }
  // A task from its assignment to its end, without other events.
  TaskLearned aggregate(Learner& l, const std::vector<TaskId>& tasks) {
    l.assigned(aggregation(next_aggregation, tasks));
    return l.published(next_aggregation++);
  }

  // A round of nodes 1 to 4 with tasks from `first` on; gives the new version's number.
  static double round(Learner& l, LearnerTest& t, TaskId first) {
    std::vector<TaskId> tasks;
    for (NodeId node = 1; node <= 4; ++node) {
      l.assigned(t.task(first + node - 1, node));
      tasks.push_back(first + node - 1);
    }
    for (const TaskId task : tasks) l.done(task);
    t.next_aggregation = 1000000 + first;
    t.aggregate(l, tasks);
    return l.finish_evaluation(l.begin_evaluation()).accuracy();
  }

  test::TemporaryFolder folder;
  Scenario scenario;
  std::shared_ptr<NumberEngine> engine;
  std::shared_ptr<TaskGraph> graph;
  TaskId next_aggregation = 1000000;
};

TEST_F(LearnerTest, TasksStartFromTheVersionOfTheirAssignmentAndNodesRemember) {
  const auto l = learner();
  l->assigned(task(0, 1));
  l->assigned(task(1, 2));
  EXPECT_EQ(l->done(0).loss, 0);
  EXPECT_EQ(aggregate(*l, {0}).aggregation->coverage_min, 1);  // the model is 1 now
  l->assigned(task(2, 1));
  EXPECT_EQ(l->done(1).loss, 0);  // from version 0, by a node without state
  EXPECT_EQ(l->done(2).loss, 2);  // from version 1; its node has done a task before
  aggregate(*l, {1, 2});
  EXPECT_EQ(l->finish_evaluation(l->begin_evaluation()).accuracy(), 1 + 2 + 3);
}

TEST_F(LearnerTest, OnlyVersionsThatSomeoneNeedsAreKept) {
  const int before = Number::alive;
  {
    const auto l = learner();
    l->assigned(task(1000, 4));
    for (int i = 0; i < 20; ++i) {
      l->assigned(task(i, 1));
      l->done(i);
      aggregate(*l, {i});
      // Alive: the newest version, the slow node's base, and one that each worker is about to
      // release.
      EXPECT_LE(Number::alive - before, 4) << i;
    }
    l->done(1000);
  }
  EXPECT_EQ(Number::alive, before);
  EXPECT_LE(Number::most_alive - before, 5);  // one more while it is made
}

TEST_F(LearnerTest, WhatIsGivenUpIsStoppedAndForgotten) {
  const auto l = learner();
  l->assigned(task(99, 1));
  l->given_up(99);
  l->given_up(12345);  // an unknown task
  l->assigned(task(1, 1));
  EXPECT_EQ(l->done(1).loss, 0);  // the node's state is unchanged
}

TEST_F(LearnerTest, WhatDivergedIsForgotten) {
  const auto l = learner();
  l->assigned(task(97, 1));
  EXPECT_FALSE(l->done(97).finite);
  l->assigned(task(1, 1));
  EXPECT_EQ(l->done(1).loss, 0);  // the node's state is unchanged
}

TEST_F(LearnerTest, AnInterruptEndsTheWaiting) {
  std::atomic<bool> stop = true;
  const auto l = learner(false, &stop);
  l->assigned(task(99, 1));
  EXPECT_THROW(l->done(99), Interrupted);
}

TEST_F(LearnerTest, WhatATaskThrowsComesOutWhereItIsWaitedFor) {
  const auto l = learner();
  l->assigned(task(98, 3));
  EXPECT_THROW(l->done(98), base::UserError);
}

// Has every update that is asked for, and writes down what it is told.
class Devices : public RealNodes {
 public:
  void attach(ElasticClock& /*clock*/) override {}
  void begin(const RealActivity& /*activity*/) override {}
  void give_up(TaskId /*task*/) override {}
  void use(std::shared_ptr<const engine::Engine> /*engine*/) override {}
  void assigned(const TaskInput& input, std::shared_ptr<const TaskGraph> /*graph*/) override {
    told.push_back("assigned " + std::to_string(input.task));
  }
  Outcome outcome(TaskId task) override {
    told.push_back("outcome " + std::to_string(task));
    Outcome outcome;
    outcome.result = std::make_shared<Step>(1);
    return outcome;
  }
  void taken_before(NodeId node, TaskId task) override {
    told.push_back("node " + std::to_string(node) + " taken " + std::to_string(task));
  }
  bool has_outcome(TaskId /*task*/) override { return true; }
  [[nodiscard]] bool has_orders() const override { return false; }
  void flush_orders() override {}

  std::vector<std::string> told;
};

// The first word may have been lost when the coordinator was killed.
TEST_F(LearnerTest, ARealNodeIsToldAgainOfWhatAResumedRunHadTaken) {
  using Told = std::vector<std::string>;
  scenario.world.nodes[2].real.emplace();
  Devices devices;
  for (const bool resume : {false, true}) {
    Learner l(scenario, engine, engine->initial({}),
              {.folder = folder.path(), .resume = resume, .real = &devices});
    l.assigned(task(0, 2));
    l.assigned(task(1, 1));
    l.done(0, 2);
    l.done(1, 1);
    l.checkpoint();
    EXPECT_EQ(std::exchange(devices.told, {}),
              resume ? Told{"node 2 taken 0"} : (Told{"assigned 0", "outcome 0"}));
  }
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
    // In the middle of a round: one task is done, one is not, one held NaN.
    l->assigned(task(8, 1));
    l->assigned(task(9, 2));
    l->assigned(task(97, 3));
    EXPECT_FALSE(l->done(97).finite);
    l->done(8);
    l->checkpoint();
  }
  const auto l = learner(true);
  EXPECT_EQ(round(*l, *this, 0), 1 + 2 + 3 + 4);
  round(*l, *this, 4);
  l->assigned(task(97, 3));
  EXPECT_FALSE(l->done(97).finite);
  EXPECT_EQ(round(*l, *this, 8), 12 * 13 / 2);
  round(*l, *this, 12);
  EXPECT_EQ(round(*l, *this, 16), whole);
}

TEST_F(LearnerTest, ACheckpointOfAResumedOneKeepsWhatItHasNotComeToYet) {
  {
    const auto l = learner();
    round(*l, *this, 0);
    for (NodeId node = 1; node <= 4; ++node) l->assigned(task(3 + node, node));
    l->done(4);
    l->done(5);
    l->checkpoint();
  }
  for (int again = 0; again < 3; ++again) {
    // Resumed, and interrupted at several points up to the previous checkpoint.
    const auto l = learner(true);
    EXPECT_EQ(round(*l, *this, 0), 10);
    l->checkpoint();
    l->assigned(task(4, 1));
    l->checkpoint();
    if (again == 2) l->done(4);
    l->checkpoint();
  }
  const auto l = learner(true);
  round(*l, *this, 0);
  EXPECT_EQ(round(*l, *this, 4), 36);
  // The states are those of that time: every node has done two tasks.
  for (NodeId node = 1; node <= 4; ++node) {
    l->assigned(task(7 + node, node));
    EXPECT_EQ(l->done(7 + node).loss, 36 + 2);
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
    updates += name.starts_with("result-") ? 1 : 0;
  }
  EXPECT_EQ(weights, 1);
  EXPECT_EQ(updates, 0);
}

TEST_F(LearnerTest, APassOfTheGraphIsLearnedLikeAnother) {
  const auto l = learner();
  graph->repeat(3);
  l->assigned(task(4, 1));
  l->done(4);
  aggregate(*l, {4});
  EXPECT_EQ(l->finish_evaluation(l->begin_evaluation()).accuracy(),
            5 * 3);  // trained three times by one session
}

TEST_F(LearnerTest, AResultMayPublishByItselfAndIsAppliedToWhatIsThere) {
  const auto l = learner();
  for (TaskId id = 0; id < 3; ++id) {
    Assign order = task(id, 1 + static_cast<NodeId>(id));
    order.publishes = graph->result();
    l->assigned(order);
  }
  double sum = 0;
  for (const TaskId id : {1, 0, 2}) {  // all from version 0, one after another
    EXPECT_EQ(l->done(id).loss, 0);
    l->published(id);
    EXPECT_EQ(l->finish_evaluation(l->begin_evaluation()).accuracy(),
              sum += static_cast<double>(id) + 1);
  }
}

TEST_F(LearnerTest, AggregationsUnderWayAtOnceLoseNothing) {
  const auto l = learner();
  for (TaskId id = 0; id < 4; ++id) {
    l->assigned(task(id, 1 + static_cast<NodeId>(id)));
    l->done(id);
  }
  l->assigned(aggregation(100, {0}));
  l->assigned(aggregation(101, {1, 2}));
  l->assigned(aggregation(102, {3}));
  l->given_up(102);  // its updates are free again
  l->assigned(aggregation(103, {3}));
  for (const TaskId id : {101, 100, 103}) l->published(id);
  EXPECT_EQ(l->finish_evaluation(l->begin_evaluation()).accuracy(), 1 + 2 + 3 + 4);
}

// Node 1 trained once before, node 2 never; both are at work when the update of node 3 is taken.
// What was known at that time counts, whatever they do before the version is there.
TEST_F(LearnerTest, AnAggregationKnowsOthersAtWorkAsTheyWereWhenItWasOrdered) {
  const auto begin = [&](Learner& l) {
    round(l, *this, 0);
    for (NodeId node = 1; node <= 2; ++node) {
      Assign other = task(10 + node, node);
      other.brief.rate = 0.5;
      l.assigned(other);
    }
    l.assigned(task(20, 3));
    l.done(20);
    Assign taking = aggregation(100, {20});
    taking.at_work = {11, 12};
    l.assigned(taking);
    l.done(11);
    l.given_up(12);
  };
  const double expected = (1 + 2 + 3 + 4) + 21 + (1000 + 100 + 10 + 0.5) + (2000 + 100 + 10 + 0.5);
  {
    const auto l = learner();
    begin(*l);
    l->checkpoint();
    l->published(100);
    EXPECT_EQ(l->finish_evaluation(l->begin_evaluation()).accuracy(), expected);
  }
  const auto l = learner(true);
  begin(*l);
  l->published(100);
  EXPECT_EQ(l->finish_evaluation(l->begin_evaluation()).accuracy(), expected);
}

// The second aggregation is computed anew when the first has made its version: of what was known
// when it was ordered, and without what had diverged by then.
TEST_F(LearnerTest, AnAggregationBehindAnotherKeepsWhatItKnewOfOthers) {
  const auto l = learner();
  for (TaskId id = 0; id < 3; ++id) {
    l->assigned(task(id, 1 + static_cast<NodeId>(id)));
    if (id < 2) l->done(id);
  }
  l->assigned(task(97, 4));  // diverges
  l->done(97);
  l->assigned(aggregation(100, {0}));
  Assign second = aggregation(101, {1});
  second.at_work = {2, 97};
  l->assigned(second);
  l->done(2);  // from now on its node has a state
  l->published(100);
  l->published(101);
  // 9: no state was known of node 3, whose task began from version 0 with a rate of 1.
  EXPECT_EQ(l->finish_evaluation(l->begin_evaluation()).accuracy(), 1 + 2 + 3000 + 900 + 0 + 1);
}

TEST_F(LearnerTest, AHierarchyCombinesFirst) {
  const auto l = learner();
  for (TaskId id = 0; id < 4; ++id) {
    l->assigned(task(id, 1 + static_cast<NodeId>(id)));
    l->done(id);
  }
  l->assigned(aggregation(100, {0, 1}, false));
  l->assigned(aggregation(101, {2, 3}, false));
  for (const TaskId id : {100, 101}) l->done(id);
  l->let_go({0, 1, 2, 3});
  aggregate(*l, {100, 101});
  EXPECT_EQ(l->finish_evaluation(l->begin_evaluation()).accuracy(), 1 + 2 + 3 + 4);
}

TEST_F(LearnerTest, ACheckpointBeforeTheFirstVersionKeepsWhatWasLearned) {
  {
    const auto l = learner();
    for (NodeId node = 1; node <= 4; ++node) l->assigned(task(node, node));
    l->done(1);
    l->assigned(aggregation(99'999, {1}, false));
    l->given_up(99'999);  // for example because its node was lost
    l->assigned(aggregation(100, {1}, false));
    l->done(100);
    l->let_go({1});
    l->assigned(task(5, 1));
    l->done(5);
    l->checkpoint();
  }
  const auto l = learner(true);
  for (NodeId node = 1; node <= 4; ++node) l->assigned(task(node, node));
  EXPECT_EQ(l->done(1).loss, 0);
  l->assigned(aggregation(99'999, {1}, false));
  l->given_up(99'999);
  l->assigned(aggregation(100, {1}, false));
  l->done(100);
  l->assigned(task(5, 1));
  EXPECT_EQ(l->done(5).loss, 1);  // its node had trained once before
  for (TaskId id = 2; id <= 4; ++id) l->done(id);
  aggregate(*l, {2, 3, 4, 5, 100});
  EXPECT_EQ(l->finish_evaluation(l->begin_evaluation()).accuracy(), 2 + 3 + 4 + 5 + 6);
}

}  // namespace
}  // namespace convoy::sim
