// Tests that nodes that share one model as stages train what one node would train alone.

#include "engine/learning/stage_session.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "tests/engine/learning/support.hpp"
#include "tests/support/expect_refused.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);

namespace convoy::engine {
namespace {

using convoy::test::expect_refused;
constexpr int node = 1;
using Made = std::shared_ptr<const Artifact>;

EngineOptions options_for(std::shared_ptr<const Architecture> architecture, int samples) {
  EngineOptions options;
  options.train = test::striped_images(samples, architecture->classes, architecture->height);
  options.test = options.train;
  options.parts = test::dealt(samples, 1);
  options.rules.transfer.weight = 0;
  options.training.optimizer.momentum = 0.9;
  options.architecture = std::move(architecture);
  return options;
}

// With one exit, at the end.
std::shared_ptr<const Architecture> small(const std::string& name) {
  ModelOptions model;
  model.exits = {1};
  model.architecture = name;
  model.classes = 4;
  model.image_size = 16;
  return std::make_shared<const Architecture>(make_architecture(model));
}

// A task of a device and a server that share the model.
struct Split {
  Split(const EngineOptions& options, const TaskBrief& brief)
      : engine(convoy_make_engine(options)), weights(engine->initial()) {
    const Architecture& a = *options.architecture;
    const Submodel submodel = nested_submodel(a, brief.rate, options.rules.mask.all_blocks);
    traced = trace(a, submodel);
    device = engine->open({.node = node, .task = 7, .brief = brief, .received = weights}, {});
    server = engine->open(
        {.node = 0, .task = 7, .brief = brief, .received = weights, .part = device->submodel()},
        {});
  }
  // Whose session has the stage of this number; the device's are listed.
  [[nodiscard]] Session& session(std::size_t stage) const {
    const bool on_device = std::find(own.begin(), own.end(), stage) != own.end();
    return on_device ? *device : *server;
  }

  // A step of M micro-batches: all forward, then all back. Gives the updates of the stages.
  std::vector<Input> step(int microbatches) {
    std::vector<Made> ends;
    for (int m = 0; m < microbatches; ++m) {
      Made at;
      for (std::size_t s = 0; s < stages.size(); ++s) {
        Forward forward{.first = stages[s].first,
                        .last = stages[s].last,
                        .microbatch = m,
                        .microbatches = microbatches,
                        .recompute = recompute,
                        .labels = labels};
        at = session(s).run(forward, {{weights, nullptr}, {at, nullptr}});
        if (s == 0) sent = std::dynamic_pointer_cast<const Activation>(at);
      }
      ends.push_back(at);
    }
    for (int m = 0; m < microbatches; ++m) {
      Made at = ends[static_cast<std::size_t>(m)];
      for (std::size_t s = stages.size(); s-- > 0;) {
        at = session(s).run(Backward{stages[s].first, stages[s].last, m}, {{at, nullptr}});
      }
    }
    std::vector<Input> updates;
    for (std::size_t s = 0; s < stages.size(); ++s) {
      updates.push_back({session(s).run(Step{stages[s].first, stages[s].last}, {}), nullptr});
    }
    return updates;
  }
  std::shared_ptr<const TensorUpdate> train(int steps, int microbatches) {
    std::vector<Input> updates;
    for (int i = 0; i < steps; ++i) updates = step(microbatches);
    return as_update(server->run(JoinStages{}, updates));
  }

  // The same with the works of split learning: the stage at the end goes forward and back at once,
  // steps bring no update, and the updates are taken after the last one. One micro-batch a step,
  // or several at the last stage alone if there is one stage.
  std::shared_ptr<const TensorUpdate> train_at_once(int steps, int microbatches = 1) {
    const Stage last = stages.back();
    for (int i = 0; i < steps * microbatches; ++i) {
      Made at;
      for (std::size_t s = 0; s + 1 < stages.size(); ++s) {
        Forward forward{.first = stages[s].first,
                        .last = stages[s].last,
                        .recompute = recompute,
                        .labels = labels};
        at = session(s).run(forward, {{weights, nullptr}, {at, nullptr}});
      }
      const TrainStage end{last.first, last.last, i % microbatches, microbatches};
      at = session(stages.size() - 1).run(end, {{weights, nullptr}, {at, nullptr}});
      for (std::size_t s = stages.size() - 1; s-- > 0;) {
        const Backward back{stages[s].first, stages[s].last, 0, true};
        at = session(s).run(back, {{at, nullptr}});
      }
    }
    std::vector<Input> updates;
    for (std::size_t s = 0; s < stages.size(); ++s) {
      const TakeStage take{stages[s].first, stages[s].last};
      updates.push_back({session(s).run(take, {}), nullptr});
    }
    return as_update(server->run(JoinStages{}, updates));
  }

  std::unique_ptr<Engine> engine;
  std::shared_ptr<const Weights> weights;
  Trace traced;
  std::unique_ptr<Session> device;
  std::unique_ptr<Session> server;
  std::vector<Stage> stages;
  std::vector<std::size_t> own = {0};
  bool recompute = false;
  bool labels = true;
  std::shared_ptr<const Activation> sent;  // by the first stage, last
};

// What the node trains alone.
Outcome alone(const Split& split, const TaskBrief& brief, int steps) {
  const auto session =
      split.engine->open({.node = node, .task = 7, .brief = brief, .received = split.weights}, {});
  session->run(Train{.epochs = 0, .steps = steps}, {{split.weights, nullptr}});
  return session->outcome();
}

void expect_near(const TensorUpdate& update, const TensorUpdate& wanted, double tolerance) {
  ASSERT_EQ(update.brings.size(), wanted.brings.size());
  for (std::size_t i = 0; i < wanted.brings.size(); ++i) {
    ASSERT_EQ(update.brings[i].defined(), wanted.brings[i].defined()) << i;
    if (!wanted.brings[i].defined()) continue;
    if (tolerance <= 0) {
      EXPECT_TRUE(at::equal(update.brings[i], wanted.brings[i])) << i;
    } else {
      EXPECT_LE((update.brings[i] - wanted.brings[i]).abs().max().item<double>(), tolerance) << i;
    }
  }
  EXPECT_EQ(update.submodel.kept, wanted.submodel.kept);
  EXPECT_EQ(update.submodel.depth, wanted.submodel.depth);
  EXPECT_EQ(update.samples, wanted.samples);
  EXPECT_EQ(update.rate, wanted.rate);
  EXPECT_EQ(update.base_version, wanted.base_version);
  EXPECT_EQ(update.steps, wanted.steps);
}

// 20 samples in batches of 8: 8, 8, 4, and so on.
TEST(StageSession, DeviceAndServerTrainWhatTheDeviceWouldTrainAlone) {
  for (const double rate : {1.0, 0.5}) {
    const EngineOptions options = options_for(test::small_with_norms(4), 20);
    const TaskBrief brief{.rate = rate, .batch = 8};
    for (const bool recompute : {false, true}) {
      Split split(options, brief);
      split.recompute = recompute;
      const std::vector<int> positions = cuts(split.traced);
      split.stages = stages_between(split.traced, {positions[positions.size() / 2]});
      const auto update = split.train(5, 1);
      const Outcome whole = alone(split, brief, 5);
      expect_near(*update, test::update_of(whole), 0);
      const Outcome device = split.device->outcome();
      EXPECT_NEAR(device.loss, whole.loss, 1e-5);
      EXPECT_EQ(device.samples, whole.samples);
      EXPECT_TRUE(device.finite);
      EXPECT_EQ(device.submodel.kept, whole.submodel.kept);
      EXPECT_TRUE(split.server->outcome().finite);
      // The joined update is one like others.
      const auto staged = test::aggregate(*split.engine, split.weights, {{update, nullptr}});
      const auto usual = test::aggregate(*split.engine, split.weights, {{whole.result, nullptr}});
      const Tensors& a = inside(*staged.weights).tensors;
      const Tensors& b = inside(*usual.weights).tensors;
      for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(at::equal(a[i], b[i])) << i;
    }
  }
}

// Batch norms, and batches of unlike sizes; at every possible place.
TEST(StageSession, TheWorksOfSplitLearningTrainTheSame) {
  const EngineOptions options = options_for(test::small_with_norms(4), 20);
  const TaskBrief brief{.batch = 8};
  const std::vector<int> positions = cuts(Split(options, brief).traced);
  for (const int cut : positions) {
    SCOPED_TRACE(cut);
    Split split(options, brief);
    split.recompute = cut == positions[1];
    split.stages = stages_between(split.traced, {cut});
    const auto update = split.train_at_once(5);
    const Outcome whole = alone(split, brief, 5);
    expect_near(*update, test::update_of(whole), 0);
    EXPECT_NEAR(split.device->outcome().loss, whole.loss, 1e-5);
    EXPECT_EQ(split.device->outcome().samples, whole.samples);
  }
  // Labels that stay: the last stage is the device's, too.
  Split split(options_for(small("cnn-small"), 20), brief);
  const std::vector<int> places = cuts(split.traced);
  split.stages = stages_between(split.traced, {places[1], places.back()});
  split.own = {0, 2};
  split.labels = false;
  expect_near(*split.train_at_once(5), test::update_of(alone(split, brief, 5)), 0);
}

TEST(StageSession, AStageThatGoesForwardAndBackAtOnceStepsBehindItsLastMicroBatch) {
  const EngineOptions options = options_for(small("cnn-small"), 16);
  const TaskBrief brief{.batch = 8};
  Split split(options, brief);
  split.stages = {whole(split.traced)};
  split.own = {0};
  expect_near(*split.train_at_once(3, 2), test::update_of(alone(split, brief, 3)), 1e-5);
}

TEST(StageSession, AnUpdateIsNotTakenInTheMiddleOfABatch) {
  const EngineOptions options = options_for(small("mlp"), 16);
  Split split(options, {.batch = 8});
  split.stages = stages_between(split.traced, {cuts(split.traced)[2]});
  const Stage first = split.stages[0];
  const Stage last = split.stages[1];
  const std::vector<Input> weights = {{split.weights, nullptr}};
  expect_refused(
      [&] {
        split.device->run(TakeStage{first.first, first.last}, weights);
      },
      "nothing went forward");
  const auto there = split.device->run(Forward{first.first, first.last}, weights);
  expect_refused(
      [&] {
        split.device->run(TakeStage{first.first, first.last}, weights);
      },
      "before micro-batch 0 is back");
  expect_refused(
      [&] {
        split.server->run(TrainStage{first.last, first.last + 1}, {weights[0], {there, nullptr}});
      },
      "forward and back at once");
  const auto back =
      split.server->run(TrainStage{last.first, last.last}, {weights[0], {there, nullptr}});
  // The server has stepped and the device not: they are no update together.
  split.device->run(Backward{first.first, first.last}, {{back, nullptr}});
  const auto behind = split.device->run(TakeStage{first.first, first.last}, {});
  const auto ahead = split.server->run(TakeStage{last.first, last.last}, {});
  expect_refused(
      [&] {
        split.server->run(JoinStages{}, {{behind, nullptr}, {ahead, nullptr}});
      },
      "different trainings");
}

TEST(StageSession, MicroBatchesAreThoseOfTheSameBatch) {
  const EngineOptions options = options_for(small("cnn-small"), 20);
  const TaskBrief brief{.batch = 8};
  for (const int microbatches : {2, 3, 4}) {
    Split split(options, brief);
    split.stages = stages_between(split.traced, {cuts(split.traced)[2], cuts(split.traced)[5]});
    split.own = {0, 1};
    const auto update = split.train(4, microbatches);
    expect_near(*update, test::update_of(alone(split, brief, 4)), 1e-5);
  }
}

// The first and the last stage at the device.
TEST(StageSession, LabelsMayStayWithTheSamples) {
  const EngineOptions options = options_for(small("cnn-small"), 20);
  const TaskBrief brief{.batch = 8};
  Split split(options, brief);
  const std::vector<int> positions = cuts(split.traced);
  split.stages = stages_between(split.traced, {positions[2], positions.back()});
  split.own = {0, 2};
  split.labels = false;
  const auto update = split.train(3, 1);
  ASSERT_TRUE(split.sent);
  EXPECT_FALSE(split.sent->labels.defined());
  EXPECT_EQ(split.sent->tensors.size(), 1);
  expect_near(*update, test::update_of(alone(split, brief, 3)), 0);

  Split without(options, brief);
  without.stages = stages_between(without.traced, {positions[2]});
  without.labels = false;
  EXPECT_THROW(without.step(1), base::UserError) << "the server does not know the labels";
}

TEST(StageSession, DropoutDependsOnTheSamplesNodeAndNotOnWhereItIsCut) {
  ModelOptions model;
  model.architecture = "vit-micro";
  model.classes = 4;
  model.image_size = 16;
  model.dropout = 0.5;
  const EngineOptions options =
      options_for(std::make_shared<const Architecture>(make_architecture(model)), 16);
  const TaskBrief brief{.batch = 8};
  std::vector<std::shared_ptr<const TensorUpdate>> updates;
  for (const std::size_t at : {0, 1, 4}) {
    Split split(options, brief);
    const std::vector<int> positions = cuts(split.traced);
    split.stages = at == 0 ? std::vector<Stage>{whole(split.traced)}
                           : stages_between(split.traced, {positions[at]});
    updates.push_back(split.train(2, 2));
  }
  expect_near(*updates[1], *updates[0], 0);
  expect_near(*updates[2], *updates[0], 0);
}

TEST(StageSession, AServersNanIsToldToTheDevice) {
  EngineOptions options = options_for(small("mlp"), 16);
  options.training.optimizer.learning_rate = 1e30;
  Split split(options, {.batch = 8});
  split.stages = stages_between(split.traced, {cuts(split.traced)[2]});
  split.train(4, 1);
  EXPECT_FALSE(split.device->outcome().finite);
}

TEST(StageSession, WhatCannotBeSharedIsRefused) {
  const auto architecture = small("mlp");
  const EngineOptions options = options_for(architecture, 16);
  const TaskBrief brief{.batch = 8};
  Split split(options, brief);
  split.stages = stages_between(split.traced, {cuts(split.traced)[2]});
  const Stage first = split.stages[0];
  const Stage last = split.stages[1];
  const std::vector<Input> weights = {{split.weights, nullptr}};
  expect_refused(
      [&] {
        split.device->run(Backward{first.first, first.last, 0}, weights);
      },
      "nothing went forward");
  expect_refused(
      [&] {
        split.server->run(Forward{last.first, last.last}, weights);
      },
      "micro-batch 0 did not come");
  expect_refused([&] { split.server->run(Forward{0, first.last}, weights); }, "no data");
  expect_refused([&] { split.device->run(Forward{0, 1000}, weights); }, "there is no stage");
  expect_refused(
      [&] {
        split.device->run(Forward{0, first.last, 0, 9}, weights);
      },
      "cannot be split into 9");
  const std::vector<Input> updates = split.step(1);
  expect_refused([&] { split.server->run(JoinStages{}, {updates[0]}); }, "none holds");
  expect_refused([&] { split.server->run(JoinStages{}, {updates[0], updates[0]}); }, "two hold");
  expect_refused(
      [&] {
        split.server->run(JoinStages{}, {updates[0], split.step(1)[1]});
      },
      "different trainings");
  expect_refused([&] { split.server->run(Aggregate{}, {weights[0], updates[0]}); }, "no update");
  expect_refused([&] { split.device->run(Forward{1, first.last}, weights); }, "did not come");

  for (const char* key : {"proximal", "kept", "masked labels"}) {
    EngineOptions other = options;
    if (std::string(key) == "proximal") other.training.proximal = 0.1;
    if (std::string(key) == "kept") other.training.keep_optimizer = true;
    if (std::string(key) == "masked labels") other.rules.labels.masked = true;
    Split refused(other, brief);
    refused.stages = split.stages;
    expect_refused([&] { refused.step(1); }, key);
  }
  std::stop_source stop;
  stop.request_stop();
  const auto stopped = split.engine->open({.node = node, .brief = brief, .received = split.weights},
                                          stop.get_token());
  EXPECT_THROW(stopped->run(Forward{0, first.last}, weights), Stopped);
}

}  // namespace
}  // namespace convoy::engine
