// Tests layers that are a node's own: they go on from task to task, nobody aggregates them, and
// what is told of a version is the mean over the nodes' models.

#include "engine/learning/own_layers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "engine/api/objective.hpp"
#include "engine/learning/files.hpp"
#include "engine/learning/stage_session.hpp"
#include "tests/engine/learning/support.hpp"
#include "tests/support/expect_refused.hpp"
#include "tests/support/files.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);

namespace convoy::engine {
namespace {

using convoy::test::expect_refused;
using testing::HasSubstr;
using Made = std::shared_ptr<const Artifact>;
using State = std::shared_ptr<const NodeState>;

std::shared_ptr<const Architecture> with_one_exit(Architecture a) {
  a.exits = {a.exits.back()};
  return std::make_shared<const Architecture>(std::move(a));
}

// A model with running statistics in its own layers and in those of the server; node 1 has the
// first layers, and with `tail` the last ones, too.
class OwnLayers : public testing::Test {
 protected:
  OwnLayers() : architecture(with_one_exit(*test::small_with_norms(4))), layout(architecture) {
    options.architecture = architecture;
    options.train = test::striped_images(28, 4, 16);
    options.test = test::striped_images(40, 4, 16, 2);
    options.parts = test::dealt(28, 2);
    options.rules.transfer.weight = 0;
    options.training.optimizer.momentum = 0.9;
    engine.reset(convoy_make_engine(options));
    initial = engine->initial();
    traced = trace(*architecture, full_submodel(*architecture));
    const std::vector<int> positions = cuts(traced);
    cut = positions[positions.size() / 2];
    tail = positions.back();
    last = whole(traced).last;
  }

  [[nodiscard]] TaskBrief brief(bool has_tail) const {
    TaskBrief brief{.batch = 4};
    brief.own_before = cut;
    if (has_tail) brief.own_from = tail;
    return brief;
  }

  struct Done {
    Outcome device;
    Made update;  // of the others' layers
    Tensors front;
  };
  // A task of two batches.
  Done train(int node, std::int64_t task, const std::shared_ptr<const Weights>& version,
             const State& state, bool has_tail = false) {
    const auto device = engine->open(
        {.node = node, .task = task, .brief = brief(has_tail), .received = version, .state = state},
        {});
    const auto server =
        engine->open({.node = 0, .task = task, .brief = brief(has_tail), .received = version}, {});
    const int end = has_tail ? tail : last;
    const std::vector<Input> nothing;
    for (int b = 0; b < 2; ++b) {
      Made at =
          device->run(Forward{.first = 0, .last = cut, .labels = !has_tail}, {{version, nullptr}});
      if (has_tail) {
        at = server->run(Forward{.first = cut, .last = end, .labels = false}, {{at, nullptr}});
        at = device->run(TrainStage{tail, last}, {{at, nullptr}});
        at = server->run(Backward{.first = cut, .last = end, .step = true}, {{at, nullptr}});
      } else {
        at = server->run(TrainStage{cut, last}, {{at, nullptr}});
      }
      device->run(Backward{.first = 0, .last = cut, .step = true}, {{at, nullptr}});
    }
    const Made taken = server->run(TakeStage{cut, end}, nothing);
    const Made update = server->run(JoinStages{.partial = true}, {{taken, nullptr}});
    return {device->outcome(), update, inside(*device->outcome().state).own};
  }
  [[nodiscard]] bool is_own(std::size_t tensor, bool has_tail) const {
    for (const Stage& stage : own_stages(brief(has_tail), last)) {
      const auto of = tensors_of(layout, traced, stage);
      if (std::find(of.begin(), of.end(), tensor) != of.end()) return true;
    }
    return false;
  }
  // The version with other values in the layers that are own, or in the others.
  [[nodiscard]] std::shared_ptr<const TensorWeights> changed(const Weights& version, bool own,
                                                             bool has_tail) const {
    Tensors tensors = inside(version).tensors;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (is_own(i, has_tail) == own) tensors[i] = tensors[i] * 1.25;
    }
    return std::make_shared<const TensorWeights>(tensors, inside(version).trained);
  }

  std::shared_ptr<const Architecture> architecture;
  Layout layout;
  EngineOptions options;
  std::unique_ptr<Engine> engine;
  std::shared_ptr<const Weights> initial;
  Trace traced;
  int cut = 0;
  int tail = 0;
  int last = 0;
};

void expect_equal(const Tensors& a, const Tensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].defined(), b[i].defined()) << i;
    if (!a[i].defined()) continue;
    EXPECT_TRUE(at::equal(a[i], b[i])) << i;
  }
}

bool are_equal(const Tensors& a, const Tensors& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].defined() && !at::equal(a[i], b[i])) return false;
  }
  return true;
}

TEST_F(OwnLayers, GoOnFromTaskToTaskWhateverTheVersionHasInTheirPlace) {
  for (const bool has_tail : {false, true}) {
    const Done first = train(1, 1, initial, nullptr, has_tail);
    ASSERT_EQ(first.front.size(), layout.size());
    for (std::size_t i = 0; i < layout.size(); ++i) {
      EXPECT_EQ(first.front[i].defined(), is_own(i, has_tail)) << layout.tensors[i].name;
    }
    EXPECT_FALSE(are_equal(first.front, inside(*initial).tensors));
    // The second task begins with what the first has left: with the version's layers in this place
    // changed it learns the same, to the bit, and without the state another.
    const Done second = train(1, 2, initial, first.device.state, has_tail);
    const Done same = train(1, 2, changed(*initial, true, has_tail), first.device.state, has_tail);
    expect_equal(second.front, same.front);
    expect_equal(as_update(second.update)->brings, as_update(same.update)->brings);
    EXPECT_EQ(second.device.loss, same.device.loss);
    EXPECT_FALSE(are_equal(second.front, train(1, 2, initial, nullptr, has_tail).front));
    // The others' layers come from the version.
    const Done other =
        train(1, 2, changed(*initial, false, has_tail), first.device.state, has_tail);
    EXPECT_FALSE(are_equal(second.front, other.front));
  }
}

// As if the version held them: what a node learns does not depend on where its layers come from.
TEST_F(OwnLayers, AreTrainedAsTheVersionsWouldBe) {
  const Done first = train(1, 1, initial, nullptr);
  const Done second = train(1, 2, initial, first.device.state);
  const auto whole_version = with_own(layout, inside(*initial), inside(*first.device.state));
  expect_equal(second.front, train(1, 2, whole_version, nullptr).front);
}

TEST_F(OwnLayers, NobodyAggregatesThem) {
  std::vector<Input> updates;
  std::vector<Tensors> brings;
  for (const int node : {1, 2}) {
    const Done done = train(node, node, initial, nullptr);
    brings.push_back(as_update(done.update)->brings);
    EXPECT_TRUE(as_update(done.update)->rest_is_own);
    updates.push_back({done.update, nullptr});
  }
  const auto next = test::aggregate(*engine, initial, updates);
  const TensorWeights& version = inside(*next.weights);
  const Tensors& before = inside(*initial).tensors;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (is_own(i, false)) {
      EXPECT_TRUE(version.tensors[i].is_same(before[i])) << layout.tensors[i].name;
      EXPECT_FALSE(brings[0][i].defined()) << "nobody has sent it";
      continue;
    }
    const Tensor mean = (brings[0][i] * 16 + brings[1][i] * 12) / 28;
    const Tensor wanted = layout.tensors[i].buffer ? mean : before[i] + mean;
    EXPECT_LE((version.tensors[i] - wanted).abs().max().item<double>(), 1e-6);
  }
  EXPECT_EQ(next.report.coverage_min, 2) << "own layers do not count";
  EXPECT_EQ(next.report.untrained, 0);
}

TEST_F(OwnLayers, AVersionIsAsGoodAsTheNodesModelsInTheMean) {
  const Done a = train(1, 1, initial, nullptr);
  const Done b = train(2, 2, initial, nullptr);
  const auto of = [&](const Done& done) {
    return engine->evaluate(*with_own(layout, inside(*initial), inside(*done.device.state)), 1, {});
  };
  const Evaluation both = engine->evaluate_own(*initial, {a.device.state, b.device.state}, 1, {});
  const Evaluation alone = engine->evaluate_own(*initial, {a.device.state}, 1, {});
  EXPECT_EQ(alone.loss(), of(a).loss());
  EXPECT_NE(of(a).loss(), of(b).loss());
  EXPECT_DOUBLE_EQ(both.loss(), (of(a).loss() + of(b).loss()) / 2);
  EXPECT_DOUBLE_EQ(both.accuracy(), (of(a).accuracy() + of(b).accuracy()) / 2);
  EXPECT_DOUBLE_EQ(both.exits[0].f1, (of(a).exits[0].f1 + of(b).exits[0].f1) / 2);
  EXPECT_LT(both.exits[0].untrained, engine->evaluate(*initial, 1, {}).exits[0].untrained);
}

TEST_F(OwnLayers, ComeBackFromFilesAndCompleteAVersionsFile) {
  convoy::test::TemporaryFolder folder;
  const Done done = train(1, 1, initial, nullptr, true);
  engine->save(*done.device.state, folder.path() / "state");
  const State read = engine->load_state(folder.path() / "state");
  expect_equal(inside(*read).own, done.front);
  engine->save(*done.update, folder.path() / "update");
  EXPECT_TRUE(as_update(engine->load_artifact(folder.path() / "update"))->rest_is_own);
  // The same names as in a version's file.
  engine->save(*initial, folder.path() / "model", {});
  engine->save_own(*done.device.state, folder.path() / "own", {{"node", "n"}});
  TensorFile model = read_safetensors(folder.path() / "model");
  const TensorFile own = read_safetensors(folder.path() / "own");
  EXPECT_EQ(own.metadata.at("node"), "n");
  std::size_t replaced = 0;
  for (auto& [name, tensor] : model.tensors) {
    if (const Tensor* mine = own.find(name)) {
      tensor = *mine;
      ++replaced;
    }
  }
  EXPECT_EQ(replaced, own.tensors.size());
  EXPECT_GT(replaced, 0);
  expect_equal(weights_from(layout, model, "a file")->tensors,
               with_own(layout, inside(*initial), inside(*done.device.state))->tensors);
  TensorFile bad = to_file(layout, inside(*done.device.state));
  for (auto& [name, tensor] : bad.tensors) {
    if (name.starts_with("own:")) tensor = at::zeros({3, 3, 3});
  }
  EXPECT_THROW(state_from(layout, bad, "a file"), base::UserError);
}

TEST_F(OwnLayers, WithNanTheTaskHasFailed) {
  Tensors nan = inside(*initial).tensors;
  nan[0] = at::full_like(nan[0], std::numeric_limits<float>::quiet_NaN());
  const auto version = std::make_shared<const TensorWeights>(nan, inside(*initial).trained);
  EXPECT_FALSE(train(1, 1, version, nullptr).device.finite);
  EXPECT_TRUE(train(1, 1, initial, nullptr).device.finite);
}

TEST_F(OwnLayers, WhatTheyCannotHaveIsRefused) {
  const auto open = [&](TaskBrief brief) {
    return engine->open({.node = 1, .task = 1, .brief = std::move(brief), .received = initial}, {});
  };
  const auto forward = [&](Session& session, int to) {
    session.run(Forward{.first = 0, .last = to}, {{initial, nullptr}});
  };
  expect_refused(
      [&] {
        open(brief(false))->run(Train{}, {{initial, nullptr}});
      },
      "only who trains a model in stages can have layers of its own");
  expect_refused([&] { forward(*open(brief(false)), cut + 1); },
                 "some are the node's own, and some are not");
  expect_refused(
      [&] {
        const auto session = open(brief(false));
        forward(*session, cut);
        session->run(TakeStage{0, cut}, {});
      },
      "are the node's own, and nobody takes their update");
  TaskBrief all = brief(false);
  all.own_before = last;
  expect_refused([&] { forward(*open(all), cut); }, "some must be others'");
  TaskBrief crossed = brief(true);
  crossed.own_from = cut;
  expect_refused([&] { forward(*open(crossed), cut); }, "some must be others'");
  TaskBrief narrow = brief(false);
  narrow.rate = 0.5;
  expect_refused([&] { forward(*open(narrow), cut); }, "only who trains the full model");
  LearningRules rules;
  rules.own_layers = true;
  EXPECT_THAT(why_no_objective(*architecture, rules), HasSubstr("layers of its own"));
}

}  // namespace
}  // namespace convoy::engine
