// Tests the execution of a task's graph, with an engine whose artifacts are numbers: what each
// compute gets, and how many artifacts are alive.

#include "sim/run/task_computation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

#include "tests/support/idle_engine.hpp"

namespace convoy::sim {
namespace {

using engine::Backward;
using engine::Forward;
using engine::Step;

// A number; counts how many there are at once.
struct Number : engine::Artifact {
  explicit Number(double value) : value(value) { most = std::max(most, ++alive); }
  ~Number() override { --alive; }
  Number(const Number&) = delete;

  double value;
  static inline int alive = 0;
  static inline int most = 0;
};

double value_of(const engine::Input& input) {
  if (!input.artifact) throw std::logic_error("an input is missing");
  return dynamic_cast<const Number&>(*input.artifact).value;
}

struct Version : engine::Weights {};

// Each compute gives 1 more than the sum of its inputs that are numbers.
class Adding : public engine::Session {
 public:
  std::shared_ptr<const engine::Artifact> run(const engine::Work&,
                                              const std::vector<engine::Input>& inputs) override {
    double sum = 1;
    for (const engine::Input& input : inputs) {
      if (dynamic_cast<const Version*>(input.artifact.get()) == nullptr) sum += value_of(input);
    }
    return std::make_shared<Number>(sum);
  }
  engine::Outcome outcome() override { return {}; }
  const engine::Submodel& submodel() const override { return submodel_; }

 private:
  engine::Submodel submodel_;
};

class AddingEngine : public test::IdleEngine {
 public:
  std::unique_ptr<engine::Session> open(const engine::TaskInput&, std::stop_token) const override {
    return std::make_unique<Adding>();
  }
};

double result_of(const std::shared_ptr<const TaskGraph>& graph, int result) {
  TaskComputation task;
  task.graph = graph;
  task.worker = graph->roles() - 1;
  task.result = result;
  task.inputs.resize(static_cast<std::size_t>(graph->roles()));
  for (engine::TaskInput& input : task.inputs) input.received = std::make_shared<Version>();
  const engine::Outcome outcome =
      carry_out(AddingEngine(), task, std::stop_token(), [](const engine::Submodel&) {});
  return outcome.result ? value_of({outcome.result, {}}) : -1;
}

// Split learning, unrolled: five computes and two transfers a batch. The last result is that of the
// node's last step.
std::shared_ptr<const TaskGraph> split(int batches) {
  auto graph = std::make_shared<TaskGraph>(2);
  const int model = graph->artifact("model", 1e6, 0);
  const int weights = graph->transfer("download", model, 1);
  int step = weights;
  for (int batch = 0; batch < batches; ++batch) {
    const int made = graph->compute(
        {.label = "forward", .at = 1, .seconds = 1, .work = Forward{.first = 0, .last = 1}},
        {weights, step}, {"activation", 1e4});
    const int there = graph->transfer("up", made, 0);
    const int out =
        graph->compute({.label = "forward", .seconds = 1, .work = Forward{.first = 1, .last = 2}},
                       {model, there}, {"output", 0});
    const int gradient =
        graph->compute({.label = "backward", .seconds = 1, .work = Backward{.first = 1, .last = 2}},
                       {out}, {"gradient", 1e4});
    graph->compute({.label = "step", .seconds = 1, .work = Step{.first = 1, .last = 2}}, {gradient},
                   {"update", 0});
    const int back = graph->transfer("down", gradient, 1);
    const int end = graph->compute(
        {.label = "backward", .at = 1, .seconds = 1, .work = Backward{.first = 0, .last = 1}},
        {back, made}, {"end", 0});
    step = graph->compute(
        {.label = "step", .at = 1, .seconds = 1, .work = Step{.first = 0, .last = 1}}, {end},
        {"update", 0});
  }
  return graph;
}

// A batch: forward s + 1, there + 1, backward + 1, backward of (gradient + forward) + 1, step + 1.
double after(int batches) {
  double step = 0;
  for (int batch = 0; batch < batches; ++batch) {
    const double forward = step + 1;
    const double gradient = forward + 2;
    step = gradient + forward + 2;
  }
  return step;
}

TEST(TaskComputation, EachComputeGetsWhatItsInputsAre) {
  const auto graph = split(3);
  EXPECT_EQ(result_of(graph, graph->result()), after(3));
}

TEST(TaskComputation, ALongGraphKeepsAHandfulOfArtifacts) {
  const auto graph = split(1000);
  Number::most = 0;
  result_of(graph, graph->result());
  EXPECT_LE(Number::most, 4);
  EXPECT_EQ(Number::alive, 0);
}

TEST(TaskComputation, AResultThatOthersTakeIsKept) {
  const auto graph = split(3);
  const int activation = graph->activities()[1].outputs.front();
  EXPECT_EQ(graph->artifacts()[static_cast<std::size_t>(activation)].name, "activation");
  EXPECT_EQ(result_of(graph, activation), 1);
}

TEST(TaskComputation, EachPassHasTheFirstArtifactsAgain) {
  auto graph = std::make_shared<TaskGraph>(1);
  const int model = graph->artifact("model", 0, 0);
  const int half = graph->compute({.label = "forward", .work = Forward{}}, {model}, {"half", 0});
  graph->compute({.label = "step", .work = Step{}}, {model, half, half}, {"whole", 0});
  graph->repeat(3);
  Number::most = 0;
  EXPECT_EQ(result_of(graph, graph->result()), 3);
  EXPECT_LE(Number::most, 3);
}

TEST(TaskComputation, ResultsOfOtherTasksAreThereInEachPass) {
  auto graph = std::make_shared<TaskGraph>(1);
  const int model = graph->artifact("model", 0, 0);
  const int given = graph->artifact("update", 0, 0);
  graph->compute({.label = "step", .work = Step{}}, {model, given}, {"sum", 0});
  graph->repeat(2);
  TaskComputation task;
  task.graph = graph;
  task.result = graph->result();
  task.inputs.resize(1);
  task.inputs[0].received = std::make_shared<Version>();
  task.given = {{std::make_shared<Number>(5), {}}};
  const engine::Outcome outcome =
      carry_out(AddingEngine(), task, std::stop_token(), [](const engine::Submodel&) {});
  EXPECT_EQ(value_of({outcome.result, {}}), 6);
}

}  // namespace
}  // namespace convoy::sim
