// Tests pipelines that learn: that the number of workers, the moment of a checkpoint and tasks that
// are lost change no bit, and that a run in the world ends with what one device would learn.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/random.hpp"
#include "engine/model/stage.hpp"
#include "engine/model/submodel.hpp"
#include "sim/run/learner.hpp"
#include "sim/run/open_engine.hpp"
#include "sim/schedule/pipeline_works.hpp"
#include "tests/support/hand_pipeline.hpp"
#include "tests/support/scenario_run.hpp"
#include "tests/support/seed.hpp"

namespace convoy::sim {
namespace {

using test::HandCosts;

std::string scenario_of(const std::string& stop = "rounds = 3") {
  return R"(
name = "pipeline"
seed = 5
[[fleet.nodes]]
device = "jetson-nano"
count = 5
[model]
architecture = "cnn-small"
dropout = 0.2
[data]
samples = 90
test_samples = 40
local_test_share = 0
[training]
learn = true
optimizer = { kind = "sgd", learning_rate = 0.05, momentum = 0.9 }
[schedule]
kind = "fedavg"
[output]
checkpoint_s = 0
[stop]
)" + stop +
         "\n";
}

// Dropout draws by a device's samples, and so differently in other groups.
std::string without_dropout(std::string text) {
  const std::string key = "dropout = 0.2\n";
  return text.erase(text.find(key), key.size());
}

// A pipeline whose layers all take the same time, as tasks of `rounds` rounds.
class Tasks {
 public:
  Tasks(const engine::Architecture& model, PipelinePlan plan, int rounds = 1,
        bool vertical_sync = false)
      : costs_(test::equal_costs(static_cast<int>(plan.stages.size()))), plan_(std::move(plan)) {
    costs_.ahead = costs_.back = 1e3;
    costs_.weights = 1e4;
    const engine::Trace trace = engine::trace(model, engine::full_submodel(model));
    const std::vector<int> places = engine::cuts(trace);
    const std::size_t count = plan_.stages.size();
    std::vector<int> cuts;
    for (std::size_t p = 1; p < count; ++p) cuts.push_back(places[places.size() * p / count]);
    int devices = 0;
    for (const PipelineStage& stage : plan_.stages) {
      devices += static_cast<int>(stage.members.size());
    }
    PipelineOptions options{.rounds = rounds, .collect_at = 0};
    options.works = pipeline_works(
        plan_, {.stages = engine::stages_between(trace, cuts), .vertical_sync = vertical_sync});
    made_ = make_pipeline(test::hand_problem(costs_, devices), plan_, options);
    samples_ = rounds * plan_.microbatch * plan_.microbatches;
  }

  // The n-th that is published, on nodes 1, 2, ...
  [[nodiscard]] Assign task(TaskId id, int n) const {
    Assign order{.task = id,
                 .graph = made_.graph,
                 .members = {},
                 .worker = 0,
                 .brief = {.samples_before = static_cast<double>(n) * samples_},
                 .in_time = true,
                 .publishes = made_.result,
                 .label = "pipeline"};
    for (const int device : made_.devices) order.members.push_back(1 + device);
    return order;
  }

 private:
  HandCosts costs_;
  PipelinePlan plan_;
  PipelineGraph made_;
  int samples_ = 0;
};

class PipelineLearning : public testing::Test {
 protected:
  [[nodiscard]] const engine::Architecture& model() const {
    return *scenario.setting->architecture;
  }
  [[nodiscard]] Tasks straight(int stages, int microbatches = 4) const {
    PipelinePlan plan = test::straight(stages, microbatches, test::Windows::doubled);
    plan.microbatch = 6;
    for (PipelineStage& stage : plan.stages) stage.members.front().samples = 6;
    return {model(), plan};
  }
  [[nodiscard]] Tasks pipedream(bool vertical_sync) const {
    PipelinePlan plan = test::pipedream(3, 7);
    plan.microbatch = 3;
    for (PipelineStage& stage : plan.stages) stage.members.front().samples = 3;
    return {model(), plan, 1, vertical_sync};
  }
  [[nodiscard]] Tasks grouped(int rounds = 2) const {
    return {model(), test::two_groups(3), rounds};
  }

  std::unique_ptr<Learner> learner(const std::string& name, int workers = 1, bool resume = false) {
    return std::make_unique<Learner>(
        scenario, engine, engine->initial(),
        LearnerOptions{.workers = workers, .folder = folder.path() / name, .resume = resume});
  }

  // The first `until` activities end, pass after pass in an order that the graph allows.
  static void end(Learner& learner, const Assign& order, std::uint64_t seed,
                  int until = std::numeric_limits<int>::max()) {
    const TaskGraph& graph = *order.graph;
    base::Random random({seed});
    for (int pass = 0; pass < graph.repeat(); ++pass) {
      std::vector<int> left = graph.waits_for();
      std::vector<int> ready;
      for (std::size_t i = 0; i < left.size(); ++i) {
        if (left[i] == 0) ready.push_back(static_cast<int>(i));
      }
      while (!ready.empty()) {
        if (until-- == 0) return;
        const std::size_t which = random.below(ready.size());
        const int ended = ready[which];
        ready.erase(ready.begin() + static_cast<std::ptrdiff_t>(which));
        learner.activity_ended(order.task, ended);
        for (const int next : graph.successors()[static_cast<std::size_t>(ended)]) {
          if (--left[static_cast<std::size_t>(next)] == 0) ready.push_back(next);
        }
      }
    }
  }
  static TaskLearned publish(Learner& learner, const Assign& order, std::uint64_t seed) {
    learner.assigned(order);
    end(learner, order, seed);
    const TaskLearned learned = learner.done(order.task);
    learner.published(order.task);
    return learned;
  }
  // The model after three tasks.
  std::string learned(const Tasks& tasks, const std::string& name, int workers,
                      std::uint64_t seed) {
    const auto l = learner(name, workers);
    for (int n = 0; n < 3; ++n) {
      const TaskLearned learned = publish(*l, tasks.task(n, n), seed + static_cast<unsigned>(n));
      EXPECT_TRUE(learned.finite);
      EXPECT_GT(learned.loss, 0);
    }
    return model_of(*l, name);
  }
  std::string model_of(const Learner& l, const std::string& name) {
    std::filesystem::create_directories(folder.path() / name);
    l.write_model();
    return test::read_file(folder.path() / name / "model.safetensors");
  }

  test::TemporaryFolder folder;
  Scenario scenario = test::read_or_fail(scenario_of());
  std::shared_ptr<const engine::Engine> engine =
      open_engine(scenario, *scenario.schedule.make(scenario.setting), "cpu");
};

TEST_F(PipelineLearning, StagesOfOneDeviceLearnTheBitsOfOneDevice) {
  const std::string alone = learned(straight(1), "alone", 1, 1);
  EXPECT_EQ(learned(straight(2), "two", 2, 2), alone);
  EXPECT_EQ(learned(straight(3), "three", 1, 3), alone);
  EXPECT_NE(learned(straight(3, 3), "others", 1, 3), alone);
}

TEST_F(PipelineLearning, NeitherWorkersNorTheOrderThatTheGraphLeavesOpenChangeABit) {
  base::Random random({test::drawn_seed()});
  int number = 0;
  for (const Tasks& tasks : {grouped(), pipedream(false), pipedream(true)}) {
    const auto run = [&](int workers) {
      return learned(tasks, std::to_string(number++), workers, random.below(1'000'000));
    };
    const std::string one = run(1);
    for (const int workers : {1, 2, 3}) EXPECT_EQ(run(workers), one) << workers;
  }
}

// What it has computed does not count, and the next task takes the same samples.
TEST_F(PipelineLearning, ATaskThatIsLostLeavesNothing) {
  const Tasks tasks = grouped();
  const std::string whole = learned(tasks, "whole", 1, 1);
  base::Random random({test::drawn_seed()});
  for (int run = 0; run < 4; ++run) {
    const std::string name = "lost" + std::to_string(run);
    const auto l = learner(name, 2);
    TaskId id = 0;
    for (int n = 0; n < 3; ++n) {
      const Assign lost = tasks.task(id++, n);
      l->assigned(lost);
      const auto activities = lost.graph->activities().size() * 2;
      end(*l, lost, random.below(1000), static_cast<int>(random.below(activities)));
      l->given_up(lost.task);
      publish(*l, tasks.task(id++, n), random.below(1000));
    }
    EXPECT_EQ(model_of(*l, name), whole);
  }
}

TEST_F(PipelineLearning, WhateverTheMomentOfItsCheckpointItEndsTheSame) {
  base::Random random({test::drawn_seed()});
  for (const Tasks& tasks : {grouped(), pipedream(false)}) {
    const std::string name = std::to_string(random.below(1'000'000'000));
    const std::string whole = learned(tasks, name + "whole", 1, 1);
    for (int killed = 0; killed < 3; ++killed) {
      const std::string part = name + std::to_string(killed);
      {
        const auto l = learner(part, 2);
        for (int n = 0; n < killed; ++n) publish(*l, tasks.task(n, n), 7);
        const Assign under_way = tasks.task(killed, killed);
        l->assigned(under_way);
        end(*l, under_way, 7, static_cast<int>(random.below(100)));
        l->checkpoint();
      }
      const auto l = learner(part, 1, true);
      for (int n = 0; n < 3; ++n) publish(*l, tasks.task(n, n), 9);
      EXPECT_EQ(model_of(*l, part), whole) << killed;
    }
  }
}

// --- in the world --------------------------------------------------------------------------------

class Straight : public Schedule {
 public:
  Straight(Tasks tasks, int count) : tasks_(std::move(tasks)), count_(count) {}
  Orders on(const Event& event) override {
    if (event.kind == EventKind::published) ++published_;
    const bool is_next = event.kind == EventKind::run_started || event.kind == EventKind::published;
    if (!is_next) return {};
    if (published_ == count_) return {Finish{}};
    return {tasks_.task(published_, published_)};
  }
  [[nodiscard]] std::vector<PlannedTask> plan() const override {
    const Assign order = tasks_.task(0, 0);
    return {{1, "pipeline", order.graph, order.members}};
  }

 private:
  Tasks tasks_;
  int count_;
  int published_ = 0;
};

TEST_F(PipelineLearning, ARunInTheWorldEndsWithTheSameBits) {
  const test::ScenarioRun run(scenario_of(), {"pipeline", [this](const auto&) {
                                                return std::make_unique<Straight>(straight(3), 3);
                                              }});
  EXPECT_EQ(run.result().status, RunStatus::done) << run.result().cause;
  EXPECT_EQ(run.summary().rounds, 3);
  EXPECT_EQ(run.summary().tasks, 3);
  ASSERT_TRUE(run.summary().accuracy);
  // Metadata tell the scenario and the version, which are the same here.
  EXPECT_EQ(test::read_file(run.folder() / "model.safetensors"),
            learned(straight(1), "alone", 1, 1));
}

// The tensors of a file in safetensors: what stands behind its header, which has the scenario's
// hash.
std::string tensors_of(const std::filesystem::path& file) {
  const std::string all = test::read_file(file);
  std::uint64_t header = 0;
  for (int i = 8; i-- > 0;) header = (header << 8) | static_cast<unsigned char>(all.at(i));
  return all.substr(8 + header);
}

// Three stages of one device. The second device is lost in the midst of a round, for good: the
// device of the third has a copy of its weights and takes over. With the weights of the copy the
// run ends with the bits of one device that never lost anything.
TEST_F(PipelineLearning, TheNewHolderGoesOnFromTheBitsOfTheCopy) {
  constexpr double lost_s = 0.05;
  std::string text = without_dropout(scenario_of("rounds = 4"));
  const auto put = [&](const std::string& before, const std::string& after) {
    text.replace(text.find(before), before.size(), after);
  };
  put("[[fleet.nodes]]\ndevice = \"jetson-nano\"\ncount = 5\n",
      fmt::format("[[fleet.nodes]]\nname = \"a\"\ndevice = \"jetson-nano\"\n"
                  "[[fleet.nodes]]\nname = \"b\"\ndevice = \"jetson-nano\"\n"
                  "outages = [{{ at_s = {}, for_s = 1e6 }}]\n"
                  "[[fleet.nodes]]\nname = \"c\"\ndevice = \"jetson-nano\"\n",
                  lost_s));
  put("kind = \"fedavg\"\n",
      "kind = \"asteroid\"\n[schedule.pipeline]\nmicrobatch = 6\nmicrobatches = 4\n"
      "replicate = true\nstages = [{ to = \"block1\", nodes = [\"a\"] }, "
      "{ to = \"block2\", nodes = [\"b\"] }, { nodes = [\"c\"] }]\n");
  const test::ScenarioRun run(text);
  ASSERT_EQ(run.result().status, RunStatus::done) << run.result().cause;
  const std::vector<double> versions = run.versions();
  ASSERT_EQ(versions.size(), 4U);
  EXPECT_TRUE(versions.front() < lost_s && run.summary().tasks_failed == 1);
  const std::string sent = "SELECT node FROM traffic WHERE label = ";
  EXPECT_FALSE(
      test::query_store(run.folder(), sent + "'replicate@1' AND node = 2 AND peer = 3").empty());
  // What moved came from c's copy, not from the server.
  for (const auto& from : test::query_store(run.folder(), sent + "'weights'")) EXPECT_EQ(from, "3");
  scenario = test::read_or_fail(text);
  engine = open_engine(scenario, *scenario.schedule.make(scenario.setting), "cpu");
  const auto alone = learner("alone");
  for (int n = 0; n < 4; ++n) publish(*alone, straight(1).task(n, n), 1);
  model_of(*alone, "alone");
  EXPECT_EQ(tensors_of(run.folder() / "model.safetensors"),
            tensors_of(folder.path() / "alone" / "model.safetensors"));
}

// --- the kinds -----------------------------------------------------------------------------------

// `more`: keys of [schedule.KIND].
struct PipelineKind {
  std::string name;
  std::string schedule;
  std::string more;
};

class PipelineKinds : public PipelineLearning, public testing::WithParamInterface<PipelineKind> {
 protected:
  static std::string scenario_of_kind(const std::string& of_nodes = "") {
    std::string text = scenario_of("rounds = 4");
    const auto put = [&](const std::string& before, const std::string& after) {
      text.replace(text.find(before), before.size(), after);
    };
    put("count = 5\n", "count = 4\n[[fleet.nodes]]\ndevice = \"jetson-tx2\"\n" + of_nodes);
    put("kind = \"fedavg\"\n", "kind = \"" + GetParam().schedule +
                                   "\"\n[schedule.pipeline]\nmicrobatch = 6\n"
                                   "microbatches = 4\n[schedule." +
                                   GetParam().schedule + "]\n" + GetParam().more);
    return text;
  }
  [[nodiscard]] static bool is_synchronous() { return GetParam().schedule != "pipedream"; }

  // Of a synchronous pipeline: what one device learns from the same micro-batches, in a task each.
  void expect_as_one_device(const std::string& file) {
    const auto l = learner("alone");
    const Tasks tasks = straight(1);
    for (int n = 0; n < 4; ++n) publish(*l, tasks.task(n, n), 1);
    std::filesystem::create_directories(folder.path() / "alone");
    l->write_model();
    const auto alone = engine->load_weights(folder.path() / "alone" / "model.safetensors");
    const auto got = engine->load_weights(file);
    const engine::Evaluation one = engine->evaluate(*alone, 1, {});
    const engine::Evaluation other = engine->evaluate(*got, 1, {});
    EXPECT_NEAR(other.loss(), one.loss(), 1e-4 * one.loss());
    EXPECT_LE(std::abs(other.accuracy() - one.accuracy()), 0.05);
  }
};

TEST_P(PipelineKinds, EndWithWhatOneDeviceWouldLearn) {
  scenario = test::read_or_fail(without_dropout(scenario_of_kind()));
  engine = open_engine(scenario, *scenario.schedule.make(scenario.setting), "cpu");
  const test::ScenarioRun run(without_dropout(scenario_of_kind()));
  EXPECT_EQ(run.result().status, RunStatus::done) << run.result().cause;
  EXPECT_EQ(run.summary().rounds, 4);
  EXPECT_EQ(run.summary().tasks, 4);
  ASSERT_TRUE(run.summary().accuracy);
  if (is_synchronous()) expect_as_one_device(run.folder() / "model.safetensors");
}

// The last device goes in the midst of the first round, and comes back.
TEST_P(PipelineKinds, LearnOnWhenADeviceIsLost) {
  const test::ScenarioRun run(
      without_dropout(scenario_of_kind("outages = [{ at_s = 0.05, for_s = 0.3 }]\n")));
  EXPECT_EQ(run.result().status, RunStatus::done) << run.result().cause;
  EXPECT_EQ(run.summary().rounds, 4);
  EXPECT_GT(run.summary().tasks_failed, 0);
  if (is_synchronous()) expect_as_one_device(run.folder() / "model.safetensors");
}

INSTANTIATE_TEST_SUITE_P(
    All, PipelineKinds,
    testing::Values(PipelineKind{"asteroid", "asteroid", ""}, PipelineKind{"dapple", "dapple", ""},
                    PipelineKind{"gpipe", "gpipe", ""}, PipelineKind{"ring", "dataparallel", ""},
                    PipelineKind{"server", "dataparallel", "reduce = \"server\"\n"},
                    PipelineKind{"pipedream", "pipedream", ""},
                    PipelineKind{"vertical", "pipedream", "vertical_sync = true\n"}),
    [](const testing::TestParamInfo<PipelineKind>& info) { return info.param.name; });

}  // namespace
}  // namespace convoy::sim
