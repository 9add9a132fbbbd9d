// Tests what waits in memory and what in files: never more in memory than the limit, nothing lost,
// and no file left.

#include "sim/run/held_results.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <thread>

#include "base/diagnostics.hpp"
#include "sim/run/learner.hpp"
#include "tests/support/files.hpp"
#include "tests/support/idle_engine.hpp"
#include "tests/support/scenario_run.hpp"

namespace convoy::sim {
namespace {

using engine::Artifact;
using engine::NodeState;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

// Counts the bytes of everything that is in memory.
struct Counted {
  explicit Counted(std::uint64_t bytes) : size(bytes) {
    const std::uint64_t now = in_memory += bytes;
    std::uint64_t before = most;
    while (before < now && !most.compare_exchange_weak(before, now)) {
    }
  }
  ~Counted() { in_memory -= size; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  std::uint64_t size;
  static inline std::atomic<std::uint64_t> in_memory = 0;
  static inline std::atomic<std::uint64_t> most = 0;
};

template <class Base>
struct Here : Base {
  Here(std::uint64_t bytes, double v) : counted(bytes), value(v) {}
  [[nodiscard]] std::uint64_t bytes() const override { return counted.size; }
  Counted counted;
  double value;
};
template <class Base>
struct There : Base {
  There(std::filesystem::path f, double value) : file(std::move(f)) {
    std::ofstream out(file);
    out << fmt::format("{}", value);  // reads back to the bit
    if (!out.flush()) throw base::UserError(file.string() + ": cannot be written");
  }
  ~There() override { std::filesystem::remove(file); }
  std::filesystem::path file;
};

template <class Base>
double value_of(const Base& object) {
  if (const auto* here = dynamic_cast<const Here<Base>*>(&object)) return here->value;
  double value = -1;
  std::ifstream(dynamic_cast<const There<Base>&>(object).file) >> value;
  return value;
}
double value_of(const engine::Update& update) {
  if (const auto* here = dynamic_cast<const Here<engine::Update>*>(&update)) return here->value;
  double value = -1;
  std::ifstream(dynamic_cast<const There<engine::Update>&>(update).file) >> value;
  return value;
}

struct Number : engine::Weights {
  explicit Number(double v) : value(v) {}
  double value;
};

constexpr std::uint64_t size_of_a_result = 1000;

// Trains to updates of 1,000 bytes whose value is (task + 1); a version is the sum of updates, each
// times a power of its place.
class WeighingSession : public engine::Session {
 public:
  explicit WeighingSession(engine::TaskInput input, engine::Submodel full)
      : input_(std::move(input)), full_(std::move(full)) {}
  std::shared_ptr<const Artifact> run(const engine::Work& work,
                                      const std::vector<engine::Input>& inputs) override {
    if (std::holds_alternative<engine::Train>(work)) {
      const double before = input_.state ? value_of<NodeState>(*input_.state) : 0.0;
      outcome_.result = std::make_shared<Here<engine::Update>>(
          size_of_a_result, static_cast<double>(input_.task + 1) + 0.001 * before);
      outcome_.state = std::make_shared<Here<NodeState>>(
          size_of_a_result / 10, before + static_cast<double>(input_.task % 7));
      return outcome_.result;
    }
    double sum = dynamic_cast<const Number&>(*inputs.at(0).artifact).value;
    for (std::size_t i = 1; i < inputs.size(); ++i) {
      const auto& update = dynamic_cast<const engine::Update&>(*inputs[i].artifact);
      sum = sum * 0.999 + value_of(update);
    }
    outcome_.result = std::make_shared<Number>(sum);
    outcome_.aggregation.emplace();
    outcome_.aggregation->shares.assign(inputs.size() - 1,
                                        1.0 / static_cast<double>(inputs.size() - 1));
    return outcome_.result;
  }
  engine::Outcome outcome() override {
    engine::Outcome outcome = outcome_;
    outcome.submodel = full_;
    return outcome;
  }
  const engine::Submodel& submodel() const override { return full_; }

 private:
  engine::TaskInput input_;
  engine::Submodel full_;
  engine::Outcome outcome_;
};

class WeighingEngine : public test::IdleEngine {
 public:
  explicit WeighingEngine(engine::Submodel full = {}) : full_(std::move(full)) {}
  std::shared_ptr<const engine::Weights> initial(const std::filesystem::path&) const override {
    return std::make_shared<Number>(0);
  }
  std::unique_ptr<engine::Session> open(const engine::TaskInput& input,
                                        std::stop_token) const override {
    return std::make_unique<WeighingSession>(input, full_);
  }
  std::shared_ptr<const engine::Weights> next_version(
      const std::shared_ptr<const engine::Weights>&,
      const std::shared_ptr<const Artifact>& result) const override {
    return std::dynamic_pointer_cast<const engine::Weights>(result);
  }
  std::shared_ptr<const Artifact> set_aside(const std::shared_ptr<const Artifact>& artifact,
                                            const std::filesystem::path& file) const override {
    const auto& update = dynamic_cast<const engine::Update&>(*artifact);
    return std::make_shared<There<engine::Update>>(file, value_of(update));
  }
  std::shared_ptr<const NodeState> set_aside(const std::shared_ptr<const NodeState>& state,
                                             const std::filesystem::path& file) const override {
    return std::make_shared<There<NodeState>>(file, value_of<NodeState>(*state));
  }
  // Whatever it is: the version's file is a number, and so are the others.
  static void put(const std::filesystem::path& file, double value) {
    std::ofstream(file) << fmt::format("{}", value);
  }
  static double get(const std::filesystem::path& file) {
    double value = 0;
    std::ifstream(file) >> value;
    return value;
  }
  void save(const engine::Weights& w, const std::filesystem::path& file,
            const Metadata&) const override {
    put(file, dynamic_cast<const Number&>(w).value);
  }
  void save(const NodeState& s, const std::filesystem::path& file) const override {
    put(file, value_of<NodeState>(s));
  }
  void save(const Artifact& a, const std::filesystem::path& file) const override {
    put(file, value_of(dynamic_cast<const engine::Update&>(a)));
  }
  std::shared_ptr<const engine::Weights> load_weights(
      const std::filesystem::path& file) const override {
    return std::make_shared<Number>(get(file));
  }
  std::shared_ptr<const NodeState> load_state(const std::filesystem::path& file) const override {
    return std::make_shared<Here<NodeState>>(size_of_a_result / 10, get(file));
  }
  std::shared_ptr<const Artifact> load_artifact(const std::filesystem::path& file) const override {
    return std::make_shared<Here<engine::Update>>(size_of_a_result, get(file));
  }

 private:
  engine::Submodel full_;
};

std::size_t files_in(const std::filesystem::path& folder) {
  if (!std::filesystem::exists(folder)) return 0;
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder),
                                                std::filesystem::directory_iterator()));
}

class HeldResultsTest : public testing::Test {
 protected:
  HeldResultsTest() { Counted::most = Counted::in_memory.load(); }

  const std::uint32_t seed = std::random_device()();
  testing::ScopedTrace says_seed{__FILE__, __LINE__, "seed " + std::to_string(seed)};
  std::mt19937 random{seed};
  test::TemporaryFolder folder;
  const std::filesystem::path held_folder = folder.path() / "run" / "held";
  std::shared_ptr<const engine::Engine> idle = std::make_shared<WeighingEngine>();
};

// From several threads, that make and drop results at random.
TEST_F(HeldResultsTest, NoMoreThanTheLimitIsInMemoryAndNothingIsLost) {
  for (const std::uint64_t limit : {0, 999, 1000, 5500, 100'000'000}) {
    Counted::most = Counted::in_memory.load();
    HeldResults held(idle, held_folder, limit);
    std::vector<std::jthread> threads;
    constexpr int makers = 3;
    for (int t = 0; t < makers; ++t) {
      threads.emplace_back([&, draw = std::mt19937(seed + t)]() mutable {
        std::vector<std::pair<std::shared_ptr<const Artifact>, double>> mine;
        for (int i = 0; i < 200; ++i) {
          const double value = 1000 * t + i;
          std::shared_ptr<const Artifact> made =
              std::make_shared<Here<engine::Update>>(1 + draw() % size_of_a_result, value);
          mine.emplace_back(held.keep(std::move(made)), value);
          if (draw() % 2 == 0) {
            const std::size_t gone = draw() % mine.size();
            mine.erase(mine.begin() + static_cast<std::ptrdiff_t>(gone));
          }
        }
        for (const auto& [kept, value] : mine) {
          EXPECT_EQ(value_of(dynamic_cast<const engine::Update&>(*kept)), value);
        }
      });
    }
    threads.clear();
    EXPECT_LE(held.most_in_memory(), limit);
    EXPECT_LE(Counted::most, limit + makers * size_of_a_result);  // those that are being made
    EXPECT_EQ(held.set_aside() == 0, limit > 1'000'000);
    EXPECT_EQ(Counted::in_memory, 0U);
    EXPECT_EQ(files_in(held_folder), 0U);
  }
  EXPECT_FALSE(std::filesystem::exists(held_folder));
}

TEST_F(HeldResultsTest, WhatAnInterruptedRunHasLeftIsRemoved) {
  std::filesystem::create_directories(held_folder / "deeper");
  std::ofstream(held_folder / "17") << "old";
  const HeldResults held(idle, held_folder, 0);
  EXPECT_FALSE(std::filesystem::exists(held_folder));
}

TEST_F(HeldResultsTest, WithoutAFolderEverythingStaysInMemory) {
  HeldResults held(idle, "", 0);
  const std::shared_ptr<const Artifact> made = std::make_shared<Here<engine::Update>>(5, 1);
  EXPECT_EQ(held.keep(made), made);
  EXPECT_EQ(held.set_aside(), 0U);
}

TEST_F(HeldResultsTest, AFolderThatCannotBeMadeIsNamed) {
  std::filesystem::create_directories(folder.path());
  HeldResults held(idle, held_folder, 0);
  std::ofstream(folder.path() / "run") << "a file where the run's folder should be";
  EXPECT_THAT(
      [&] {
        (void)held.keep(
            std::shared_ptr<const Artifact>(std::make_shared<Here<engine::Update>>(5, 1)));
      },
      ThrowsMessage<base::UserError>(
          AllOf(HasSubstr(held_folder.string() + ": "), HasSubstr("output.held_mib"))));
  std::filesystem::remove(folder.path() / "run");
}

// --- the learner -------------------------------------------------------------------------------

class HeldLearnerTest : public HeldResultsTest {
 protected:
  HeldLearnerTest()
      : scenario(test::read_or_fail(
            "[fleet]\n[[fleet.nodes]]\ndevice = \"jetson-nano\"\ncount = 12\n[model]\narchitecture "
            "= \"cnn-small\"\n[data]\nsamples = 100\n[training]\nlearn = true\n[stop]\nrounds = "
            "5\n")),
        graph(std::make_shared<TaskGraph>(2)) {
    const int model = graph->artifact("model", 8, 0);
    graph->compute({.label = "train", .at = 1, .flops = 1, .work = engine::Train{1, {}}},
                   {graph->transfer("download", model, 1)}, {"update", 8});
  }

  static Assign aggregation(TaskId id, std::vector<TaskId> tasks) {
    auto made = std::make_shared<TaskGraph>(1);
    std::vector<int> inputs = {made->artifact("model", 8, 0)};
    for (std::size_t i = 0; i < tasks.size(); ++i) inputs.push_back(made->artifact("update", 8, 0));
    made->compute({.label = "aggregate", .work = engine::Aggregate{}}, inputs, {"model", 8});
    return {.task = id,
            .graph = made,
            .members = {0},
            .kind = TaskKind::aggregation,
            .consumes = std::move(tasks),
            .publishes = made->result()};
  }

  // A random course: tasks are assigned, end, are given up while under way or after, and are
  // aggregated, in an order that `course` alone draws. Gives the versions. With `resumed` the
  // learner is replaced now and then by one that goes on from a checkpoint, which replays.
  struct Order {
    enum Kind { assign, done, give_up, publish } kind;
    TaskId task;
    NodeId node;
    std::vector<TaskId> takes;
  };
  static std::vector<Order> course(std::uint32_t number) {
    std::mt19937 draw(number);
    std::vector<Order> orders;
    std::map<NodeId, TaskId> under_way;
    std::vector<TaskId> waiting;
    TaskId next = 0;
    while (orders.size() < 150) {
      const NodeId node = static_cast<NodeId>(1 + draw() % 12);
      const auto there = under_way.find(node);
      if (there == under_way.end()) {
        under_way[node] = next;
        orders.push_back({Order::assign, next++, node, {}});
      } else if (draw() % 8 == 0) {
        orders.push_back({Order::give_up, there->second, node, {}});
        under_way.erase(there);
      } else {
        orders.push_back({Order::done, there->second, node, {}});
        waiting.push_back(there->second);
        under_way.erase(there);
      }
      if (waiting.size() > 2 && draw() % 12 == 0) {  // too old
        orders.push_back({Order::give_up, waiting.front(), node, {}});
        waiting.erase(waiting.begin());
      }
      if (waiting.size() > 5 && draw() % 4 == 0) {
        orders.push_back({Order::publish, next++, 0, std::exchange(waiting, {})});
      }
    }
    return orders;
  }

  std::unique_ptr<Learner> learner(int workers, bool resume) {
    return std::make_unique<Learner>(
        scenario, engine, engine->initial({}),
        LearnerOptions{.workers = workers, .folder = run_folder, .resume = resume});
  }
  void apply(Learner& l, const Order& order, std::vector<double>& versions) {
    switch (order.kind) {
      case Order::assign:
        l.assigned({.task = order.task, .graph = graph, .members = {0, order.node}, .worker = 1});
        break;
      case Order::done:
        l.done(order.task);
        break;
      case Order::give_up:
        l.given_up(order.task);
        break;
      case Order::publish:
        l.assigned(aggregation(order.task, order.takes));
        l.published(order.task);
        l.write_model();
        versions.push_back(WeighingEngine::get(run_folder / "model.safetensors"));
        break;
    }
  }
  // Orders up to `end`, of which those before `replayed` are of a run before.
  std::vector<double> play(const std::vector<Order>& orders, int workers, bool interrupted) {
    std::filesystem::remove_all(run_folder);
    std::filesystem::create_directories(run_folder);
    std::vector<double> versions;
    const std::size_t half = orders.size() / 2;
    if (interrupted) {
      std::vector<double> ignored;
      const auto l = learner(workers, false);
      for (std::size_t i = 0; i < half; ++i) apply(*l, orders[i], ignored);
      l->checkpoint();
      for (std::size_t i = half; i < half + 5; ++i) apply(*l, orders[i], ignored);
    }
    const auto l = learner(workers, interrupted);
    for (const Order& order : orders) apply(*l, order, versions);
    most = l->held().most_in_memory();
    aside = l->held().set_aside();
    return versions;
  }

  Scenario scenario;
  std::shared_ptr<TaskGraph> graph;
  std::shared_ptr<WeighingEngine> engine =
      std::make_shared<WeighingEngine>(engine::full_submodel(*scenario.setting->architecture));
  const std::filesystem::path run_folder = folder.path() / "run";
  std::uint64_t most = 0;
  std::uint64_t aside = 0;
};

TEST_F(HeldLearnerTest, ARandomCourseGivesTheSameVersionsWithAnyLimitWorkersAndResumed) {
  for (int trial = 0; trial < 4; ++trial) {
    const std::vector<Order> orders = course(random());
    scenario.output.held_mib = 512;
    const std::vector<double> expected = play(orders, 1, false);
    EXPECT_EQ(aside, 0U);
    ASSERT_FALSE(expected.empty());
    for (const double limit : {0.0, 1000.0, 3500.0, 1e9}) {
      scenario.output.held_mib = limit / (1 << 20);
      for (int workers = 1; workers <= 3; ++workers) {
        for (const bool interrupted : {false, true}) {
          Counted::most = Counted::in_memory.load();
          const std::vector<double> versions = play(orders, workers, interrupted);
          // Of a resumed run the versions before the checkpoint are not written again.
          ASSERT_FALSE(versions.empty());
          if (!interrupted) {
            EXPECT_EQ(versions, expected);
          }
          EXPECT_EQ(versions.back(), expected.back());
          EXPECT_LE(static_cast<double>(most), limit);
          // Besides: what each worker makes, and one that the simulation has in hand.
          EXPECT_LE(static_cast<double>(Counted::most),
                    limit + (workers + 1) * 1.1 * size_of_a_result);
          EXPECT_EQ(Counted::in_memory, 0U);
          EXPECT_FALSE(std::filesystem::exists(run_folder / "held"));
        }
      }
    }
  }
}

TEST_F(HeldLearnerTest, WhereNothingCanBeSetAsideTheTaskFailsAndNothingIsLost) {
  const std::vector<Order> orders = course(random());
  scenario.output.held_mib = 512;
  const std::vector<double> expected = play(orders, 1, false);
  std::filesystem::remove_all(run_folder);
  std::filesystem::create_directories(run_folder);
  scenario.output.held_mib =
      3500.0 / (1 << 20);  // three results, and then nothing can be put there
  std::vector<double> ignored;
  {
    const auto l = learner(2, false);
    std::ofstream(run_folder / "held") << "a file is in the way";
    EXPECT_THAT(
        [&] {
          for (const Order& order : orders) apply(*l, order, ignored);
        },
        ThrowsMessage<base::UserError>(
            AllOf(HasSubstr((run_folder / "held").string() + ": "), HasSubstr("--resume"))));
    l->checkpoint();
  }
  const auto l = learner(2, true);
  std::vector<double> versions;
  for (const Order& order : orders) apply(*l, order, versions);
  EXPECT_EQ(versions.back(), expected.back());
}

}  // namespace
}  // namespace convoy::sim
