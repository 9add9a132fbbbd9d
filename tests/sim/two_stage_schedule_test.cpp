// A pipeline of two stages, made by the test: what the stages hold in the world, and that they
// learn what one node with the whole model learns from the same micro-batches.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "base/random.hpp"
#include "engine/api/engine.hpp"
#include "engine/model/batches.hpp"
#include "engine/model/stage_costs.hpp"
#include "engine/model/submodel.hpp"
#include "sim/run/task_computation.hpp"
#include "sim/task/peak_memory.hpp"
#include "sim/world/world.hpp"
#include "tests/support/files.hpp"
#include "tests/support/small_world.hpp"

namespace convoy::sim {
namespace {

using engine::Stage;
using test::simple_world;
using test::Witness;

constexpr int samples = 20;
constexpr int batch = 8;

// GPipe (arXiv 1811.06965): all forward, then all back. 1F1B (PipeDream, arXiv 1806.03377): the
// backward pass of a micro-batch comes as early as it can, and the first of two stages is two
// forward passes ahead at most.
enum class Policy { gpipe, one_forward_one_backward };

std::shared_ptr<const engine::Architecture> model(const std::string& name, double dropout = 0) {
  engine::ModelOptions options;
  options.architecture = name;
  options.classes = 4;
  options.image_size = 16;
  options.exits = {1};
  options.dropout = dropout;
  return std::make_shared<const engine::Architecture>(engine::make_architecture(options));
}

class TwoStages {
 public:
  // Cut 0: one stage. `wanted`: micro-batches.
  TwoStages(const engine::Architecture& a, int cut, int wanted, Policy policy)
      : trace(engine::trace(a, engine::full_submodel(a))), wanted_(wanted), policy_(policy) {
    stages = engine::stages_between(trace, cut > 0 ? std::vector<int>{cut} : std::vector<int>());
  }

  // Of roles 0 and 1.
  [[nodiscard]] std::shared_ptr<const TaskGraph> graph(int epochs) {
    graph_ = std::make_shared<TaskGraph>(2);
    for (int s = 0; s < count(); ++s) {
      const double bytes = engine::transfer_bytes(trace, stages[at(s)]);
      weights_[at(s)] = graph_->artifact("weights", bytes, s);
      graph_->hold(weights_[at(s)], bytes);
    }
    const auto epoch = engine::plan_epoch(samples, batch, engine::needs_two_samples(trace));
    for (int e = 0; e < epochs; ++e) {
      for (std::int64_t b = 0; b < epoch.batches(); ++b) step(epoch.size_of(b));
    }
    std::vector<int> updates = {updates_[0]};
    if (count() > 1) updates.push_back(graph_->transfer("update", updates_[1], 0));
    graph_->compute({.label = "join", .work = engine::JoinStages{}}, updates, {"update", 0});
    return graph_;
  }
  // Bytes that a stage's weights take, and that it keeps of a micro-batch of the first batch.
  [[nodiscard]] double keeps(int stage) const {
    return engine::transfer_bytes(trace, stages[at(stage)]);
  }
  [[nodiscard]] double stash(int stage) const {
    return engine::stash(trace, stages[at(stage)], batch / wanted_).total();
  }

  engine::Trace trace;
  std::vector<Stage> stages;

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  [[nodiscard]] int count() const { return static_cast<int>(stages.size()); }

  void step(std::int64_t n) {
    microbatches_ = engine::microbatches_of(n, wanted_, engine::needs_two_samples(trace));
    sizes_.clear();
    for (int m = 0; m < microbatches_; ++m) {
      sizes_.push_back(static_cast<int>(engine::begin_of_microbatch(n, m + 1, microbatches_) -
                                        engine::begin_of_microbatch(n, m, microbatches_)));
    }
    forwards_ = backwards_ = {};
    const bool gpipe = policy_ == Policy::gpipe;
    for (int m = 0; m < microbatches_; ++m) {
      forward(m);
      if (gpipe) continue;
      if (count() > 1) backward(m, 1);
      if (count() == 1) {
        backward(m, 0);
      } else if (m > 0) {
        backward(m - 1, 0);
      }
    }
    for (int m = 0; gpipe && m < microbatches_; ++m) {
      for (int s = count(); s-- > 0;) backward(m, s);
    }
    if (!gpipe && count() > 1) backward(microbatches_ - 1, 0);
    for (int s = 0; s < count(); ++s) {
      updates_[at(s)] =
          graph_->compute({.label = "step",
                           .at = s,
                           .seconds = 1,
                           .work = engine::Step{stages[at(s)].first, stages[at(s)].last}},
                          {backwards_[at(s)].back()}, {"update", keeps(s)});
    }
  }

  void forward(int m) {
    int activation = -1;
    for (int s = 0; s < count(); ++s) {
      const Stage& stage = stages[at(s)];
      std::vector<int> inputs = {weights_[at(s)]};
      if (s > 0) inputs.push_back(graph_->transfer("activation", activation, s));
      activation = graph_->compute({.label = "forward",
                                    .at = s,
                                    .seconds = 1,
                                    .work = engine::Forward{.first = stage.first,
                                                            .last = stage.last,
                                                            .microbatch = m,
                                                            .microbatches = microbatches_}},
                                   std::move(inputs), {"activation", 1e3});
      graph_->hold(activation, engine::stash(trace, stage, sizes_[at(m)]).total());
      // Behind the step before, and not too far ahead of the backward passes.
      after(updates_[at(s)], activation);
      const int ahead = count() - s;
      if (policy_ != Policy::gpipe && m >= ahead)
        after(backwards_[at(s)][at(m - ahead)], activation);
      forwards_[at(s)].push_back(activation);
    }
  }

  void backward(int m, int s) {
    const Stage& stage = stages[at(s)];
    std::vector<int> inputs = {forwards_[at(s)][at(m)]};
    if (s + 1 < count()) {
      inputs.push_back(graph_->transfer("gradient", backwards_[at(s + 1)][at(m)], s));
    }
    const int gradient = graph_->compute({.label = "backward",
                                          .at = s,
                                          .seconds = 1,
                                          .work = engine::Backward{stage.first, stage.last, m}},
                                         std::move(inputs), {"gradient", 1e3});
    if (m > 0) after(backwards_[at(s)].back(), gradient);
    if (policy_ == Policy::gpipe) after(forwards_[at(s)].back(), gradient);
    backwards_[at(s)].push_back(gradient);
  }

  void after(int made, int by) {
    if (made >= 0) graph_->order(graph_->producer(made), graph_->producer(by));
  }

  int wanted_;
  Policy policy_;
  std::shared_ptr<TaskGraph> graph_;
  int microbatches_ = 0;  // of the step
  std::vector<int> sizes_;
  std::array<int, 2> weights_ = {-1, -1};
  std::array<int, 2> updates_ = {-1, -1};
  std::array<std::vector<int>, 2> forwards_;  // by stage and micro-batch, of the step
  std::array<std::vector<int>, 2> backwards_;
};

// In the middle.
int cut_of(const engine::Architecture& a) {
  const std::vector<int> places = engine::cuts(engine::trace(a, engine::full_submodel(a)));
  return places[places.size() / 2];
}

// What is taken at most on nodes 1 and 2 while they train for an epoch.
std::array<double, 2> taken_in_the_world(const std::shared_ptr<const TaskGraph>& graph) {
  Witness witness;
  World world(simple_world(2), witness);
  world.start(0, graph, {1, 2});
  world.run();
  EXPECT_GT(witness.end_of(EventKind::task_done), 0);
  EXPECT_EQ(world.memory_taken(1), 0);
  EXPECT_EQ(world.memory_taken(2), 0);
  return {world.usage(1).peak_memory, world.usage(2).peak_memory};
}

TEST(TwoStageSchedule, WithGPipeAStageHoldsAStashForEachMicroBatch) {
  const auto a = model("cnn-small");
  TwoStages two(*a, cut_of(*a), 4, Policy::gpipe);
  const auto [first, second] = taken_in_the_world(two.graph(1));
  EXPECT_EQ(first, two.keeps(0) + 4 * two.stash(0));
  EXPECT_EQ(second, two.keeps(1) + 4 * two.stash(1));
}

TEST(TwoStageSchedule, WithOneForwardOneBackwardTheFirstStageHoldsTwoStashes) {
  const auto a = model("cnn-small");
  TwoStages two(*a, cut_of(*a), 4, Policy::one_forward_one_backward);
  const auto [first, second] = taken_in_the_world(two.graph(1));
  EXPECT_EQ(first, two.keeps(0) + 2 * two.stash(0));
  EXPECT_EQ(second, two.keeps(1) + two.stash(1));
}

// No order that the graph leaves open needs more.
TEST(TwoStageSchedule, SoTheGraphSaysBeforehand) {
  const auto a = model("cnn-small");
  for (const int microbatches : {1, 2, 4, 8}) {
    for (const Policy policy : {Policy::gpipe, Policy::one_forward_one_backward}) {
      TwoStages two(*a, cut_of(*a), microbatches, policy);
      const auto graph = two.graph(1);
      const bool all = policy == Policy::gpipe;
      EXPECT_EQ(peak_held(*graph, 0),
                two.keeps(0) + (all ? microbatches : std::min(microbatches, 2)) * two.stash(0));
      EXPECT_EQ(peak_held(*graph, 1), two.keeps(1) + (all ? microbatches : 1) * two.stash(1));
    }
  }
}

class Learning {
 public:
  explicit Learning(const std::shared_ptr<const engine::Architecture>& a) {
    engine::EngineOptions options;
    auto data = std::make_shared<engine::Dataset>();
    data->shape = {.channels = a->channels, .height = a->height, .width = a->width, .classes = 4};
    base::Random random({1});
    options.parts.resize(3);
    for (int i = 0; i < samples; ++i) {
      data->labels.push_back(i % 4);
      for (int p = 0; p < a->channels * a->height * a->width; ++p) {
        data->pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
      }
      options.parts[1].train.push_back(i);
    }
    options.train = options.test = data;
    options.rules.transfer.weight = 0;
    options.training.optimizer.momentum = 0.9;
    options.architecture = a;
    engine_ = engine::open_engine(options);
    engine_->prepare_thread();
    weights_ = engine_->initial();
  }

  // The model that a task makes, as a file.
  [[nodiscard]] std::string made_by(const std::shared_ptr<const TaskGraph>& graph) const {
    TaskComputation task{.graph = graph, .worker = 0, .result = graph->result()};
    for (const int node : {1, 2}) {
      task.inputs.push_back(
          {.node = node, .task = 3, .brief = {.batch = batch}, .received = weights_});
    }
    const engine::Outcome outcome = carry_out(*engine_, task, {}, [](const engine::Submodel&) {});
    EXPECT_TRUE(outcome.finite);
    return file_of(*engine_->next_version(weights_, outcome.result));
  }
  [[nodiscard]] std::string first() const { return file_of(*weights_); }

 private:
  [[nodiscard]] std::string file_of(const engine::Weights& weights) const {
    engine_->save(weights, folder_.path() / "model.safetensors", {});
    return test::read_file(folder_.path() / "model.safetensors");
  }

  test::TemporaryFolder folder_;
  std::shared_ptr<const engine::Engine> engine_;
  std::shared_ptr<const engine::Weights> weights_;
};

// The last batch of an epoch, of 4 samples, is split into four micro-batches like the others; or,
// of eight that are wanted, into fewer.
TEST(TwoStageSchedule, LearnsTheSameBitsAsOneNodeFromTheSameMicroBatches) {
  for (const auto& a : {model("cnn-small"), model("vit-micro", 0.5), model("resnet18-cifar")}) {
    SCOPED_TRACE(a->name);
    const Learning learning(a);
    for (const int microbatches : {4, 8}) {
      const std::string alone =
          learning.made_by(TwoStages(*a, 0, microbatches, Policy::gpipe).graph(1));
      EXPECT_TRUE(alone != learning.first()) << "it learns";
      for (const Policy policy : {Policy::gpipe, Policy::one_forward_one_backward}) {
        EXPECT_TRUE(learning.made_by(TwoStages(*a, cut_of(*a), microbatches, policy).graph(1)) ==
                    alone);
      }
    }
  }
}

}  // namespace
}  // namespace convoy::sim
