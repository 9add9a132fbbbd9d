// Tests a last stage that the batches of several nodes train in turn, and updates that hold a part
// of the layers.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <limits>

#include "engine/learning/files.hpp"
#include "engine/learning/stage_session.hpp"
#include "tests/engine/learning/support.hpp"
#include "tests/support/expect_refused.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);

namespace convoy::engine {
namespace {

using convoy::test::expect_refused;
using testing::HasSubstr;
using Made = std::shared_ptr<const Artifact>;

constexpr std::int64_t group = 5;

EngineOptions options_for(const std::string& name, double dropout = 0) {
  ModelOptions model;
  model.exits = {1};
  model.architecture = name;
  model.classes = 4;
  model.image_size = 16;
  model.dropout = dropout;
  EngineOptions options;
  options.architecture = std::make_shared<const Architecture>(make_architecture(model));
  options.train = test::striped_images(28, 4, 16);
  options.test = options.train;
  options.parts = test::dealt(28, 2);  // 16 and 12
  options.rules.transfer.weight = 0;
  options.training.optimizer.momentum = 0.9;
  return options;
}

// Two nodes with the first layers, and a server that has the rest once.
struct OneServer {
  explicit OneServer(const EngineOptions& options, bool shared = true)
      : engine(convoy_make_engine(options)),
        weights(engine->initial()),
        traced(trace(*options.architecture, full_submodel(*options.architecture))) {
    const std::vector<int> positions = cuts(traced);
    cut = positions[positions.size() / 2];
    last = whole(traced).last;
    for (const int node : {1, 2}) {
      devices.push_back(engine->open(
          {.node = node, .task = node, .brief = {.batch = 4}, .received = weights}, {}));
    }
    server = engine->open(
        {.node = 0, .task = group, .brief = {.batch = 4}, .received = weights, .shared = shared},
        {});
  }
  [[nodiscard]] Session& device(int node) const {
    return *devices[static_cast<std::size_t>(node - 1)];
  }
  Made forward(int node) { return device(node).run(Forward{0, cut}, {{weights, nullptr}}); }
  Made serve(const Made& activation) {
    return server->run(TrainStage{cut, last}, {{activation, nullptr}});
  }
  Made back(int node, const Made& gradient) {
    device(node).run(Backward{0, cut}, {{gradient, nullptr}});
    return device(node).run(Step{0, cut}, {});
  }
  // A batch of the node, from its samples to the step of its part.
  Made batch(int node) { return back(node, serve(forward(node))); }
  Made part() { return server->run(TakeStage{cut, last}, {}); }

  std::unique_ptr<Engine> engine;
  std::shared_ptr<const Weights> weights;
  Trace traced;
  int cut = 0;
  int last = 0;
  std::vector<std::unique_ptr<Session>> devices;
  std::unique_ptr<Session> server;
};

Made partial(Session& session, const Made& stage) {
  return session.run(JoinStages{.partial = true}, {{stage, nullptr}});
}

void expect_equal(const Tensors& a, const Tensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].defined(), b[i].defined()) << i;
    if (!a[i].defined()) continue;
    EXPECT_TRUE(at::equal(a[i], b[i])) << i;
  }
}

const StageUpdate& stage_update(const Made& made) {
  return dynamic_cast<const StageUpdate&>(*made);
}

TEST(SharedStage, ABatchAtOnceIsForwardBackwardAndStep) {
  for (const double dropout : {0.0, 0.5}) {
    const EngineOptions options = options_for("vit-micro", dropout);
    OneServer at_once(options, false);
    OneServer apart(options, false);
    for (int b = 0; b < 5; ++b) {
      at_once.batch(1);
      const Made activation = apart.forward(1);
      const Made end = apart.server->run(Forward{apart.cut, apart.last}, {{activation, nullptr}});
      const Made gradient = apart.server->run(Backward{apart.cut, apart.last}, {{end, nullptr}});
      apart.server->run(Step{apart.cut, apart.last}, {});
      apart.back(1, gradient);
    }
    expect_equal(stage_update(at_once.part()).brings, stage_update(apart.part()).brings);
    EXPECT_EQ(at_once.device(1).outcome().loss, apart.device(1).outcome().loss);
  }
}

// The server's part in this order of nodes, by a stage alone that knows of no sessions.
Tensors by_hand(const EngineOptions& options, const std::vector<int>& order) {
  OneServer nodes(options);
  const Layout layout(options.architecture);
  StageOptions stage;
  stage.name = "by hand";
  stage.optimizer = options.training.optimizer;
  stage.learning_rate = stage.optimizer.learning_rate * options.training.rate_schedule.at(0);
  stage.transfer.weight = 0;
  stage.draws = task_seed(options.seed, 0, group, stage_draws);
  const TensorWeights& weights = inside(*nodes.weights);
  StageTraining server(layout, full_submodel(*options.architecture), {nodes.cut, nodes.last},
                       weights, at::kCPU, stage);
  int number = 0;
  for (const int node : order) {
    const auto came = std::dynamic_pointer_cast<const Activation>(nodes.forward(node));
    server.forward(number, came->tensors, Targets{came->labels, 1});
    auto gradient = std::make_shared<Gradient>();
    gradient->of = came->of;
    gradient->cut = nodes.cut;
    gradient->tensors = server.backward(number++, {});
    server.step();
    nodes.back(node, gradient);
  }
  return server.changes(weights);
}

TEST(SharedStage, BatchesOfSeveralNodesStepItInTheOrderInWhichTheyCome) {
  for (const char* name : {"vit-micro", "resnet18-cifar"}) {
    const EngineOptions options = options_for(name, name[0] == 'v' ? 0.5 : 0);
    std::vector<Tensors> made;
    for (const std::vector<int>& order :
         {std::vector<int>{1, 2, 1, 1, 2, 1, 2, 2}, std::vector<int>{2, 1, 1, 1, 2, 1, 2, 2}}) {
      OneServer servers(options);
      for (const int node : order) servers.batch(node);
      const Made part = servers.part();
      made.push_back(stage_update(part).brings);
      expect_equal(made.back(), by_hand(options, order));
      EXPECT_EQ(stage_update(part).samples, 28);
      EXPECT_EQ(stage_update(part).steps, 8);
    }
    bool differ = false;
    for (std::size_t i = 0; i < made[0].size(); ++i) {
      differ = differ || (made[0][i].defined() && !at::equal(made[0][i], made[1][i]));
    }
    EXPECT_TRUE(differ) << "the order makes no difference";
  }
}

// What a node sends that is no number, or whose loss is none, spoils only its own task.
TEST(SharedStage, ABatchWithNanDoesNotStepIt) {
  for (const char* name : {"vit-micro", "resnet18-cifar"}) {
    for (const double value : {std::numeric_limits<double>::quiet_NaN(), 1e38}) {
      const EngineOptions options = options_for(name, name[0] == 'v' ? 0.5 : 0);
      OneServer good(options);
      for (const int node : {1, 2, 1}) good.batch(node);
      OneServer spoilt(options);
      const auto send_bad = [&] {
        const Made sent = spoilt.forward(2);
        auto bad = std::make_shared<Activation>();
        const auto& good_one = dynamic_cast<const Activation&>(*sent);
        bad->of = good_one.of;
        bad->cut = good_one.cut;
        bad->tensors = good_one.tensors;
        bad->labels = good_one.labels;
        for (auto& [number, tensor] : bad->tensors) tensor = at::full_like(tensor, value);
        const Made gradient = spoilt.serve(bad);
        EXPECT_FALSE(dynamic_cast<const Gradient&>(*gradient).is_finite);
        return gradient;
      };
      spoilt.batch(1);
      spoilt.batch(2);
      spoilt.back(2, send_bad());
      spoilt.batch(1);
      const Made part = spoilt.part();
      expect_equal(stage_update(part).brings, stage_update(good.part()).brings);
      EXPECT_TRUE(stage_update(part).is_finite);
      EXPECT_EQ(stage_update(part).steps, 3);
      EXPECT_TRUE(spoilt.server->outcome().finite);
      EXPECT_TRUE(spoilt.device(1).outcome().finite);
      EXPECT_FALSE(spoilt.device(2).outcome().finite) << "its task has failed";
    }
  }
}

// The nodes' layers are averaged by samples, and the server's are as it has left them.
TEST(SharedStage, PartsAreAggregatedWhereTheyHoldLayers) {
  const EngineOptions options = options_for("cnn-small");
  OneServer servers(options);
  std::vector<Input> updates;
  std::vector<Tensors> own;
  for (const int node : {1, 2}) {
    const Made stage = servers.batch(node);
    own.push_back(stage_update(stage).brings);
    updates.push_back({partial(servers.device(node), stage), nullptr});
  }
  const Made rest = servers.part();
  updates.push_back({partial(*servers.server, rest), nullptr});
  EXPECT_TRUE(as_update(updates[2].artifact)->is_partial());
  const auto next = test::aggregate(*servers.engine, servers.weights, updates);
  const Tensors& before = inside(*servers.weights).tensors;
  const Tensors& after = inside(*next.weights).tensors;
  const Layout layout(options.architecture);
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const Tensor& served = stage_update(rest).brings[i];
    ASSERT_NE(served.defined(), own[0][i].defined()) << layout.tensors[i].name;
    const Tensor change = served.defined() ? served : (own[0][i] * 16 + own[1][i] * 12) / 28;
    EXPECT_LE((after[i] - before[i] - change).abs().max().item<double>(), 1e-6)
        << layout.tensors[i].name;
  }
}

TEST(SharedStage, APartIsNeverTakenForAWhole) {
  const EngineOptions options = options_for("cnn-small");
  OneServer servers(options);
  const Made update = partial(servers.device(1), servers.batch(1));
  expect_refused(
      [&] {
        servers.server->run(Combine{}, {{update, nullptr}, {update, nullptr}});
      },
      "hold only a part of the layers");
  // Of a node that was to train the whole model.
  Outcome outcome;
  outcome.result = update;
  outcome.submodel = full_submodel(*options.architecture);
  const Parcel parcel = servers.engine->pack(outcome);
  const auto box = servers.engine->unpack(parcel.header, parcel.bytes(), "node 1");
  auto to = box->pieces().begin();
  for (const auto& piece : parcel.pieces) std::memcpy(to++->data(), piece.data(), piece.size());
  expect_refused(
      [&] {
        servers.engine->unpack_update(
            *box, {.node = 1, .task = 1, .brief = {.batch = 4}, .received = servers.weights});
      },
      "holds only a part of the layers");
}

TEST(SharedStage, APartComesBackFromAFile) {
  const EngineOptions options = options_for("cnn-small");
  OneServer servers(options);
  const Layout layout(options.architecture);
  const auto update = as_update(partial(servers.device(1), servers.batch(1)));
  const TensorFile file = to_file(layout, *update, Masks::without);
  const auto read = update_from(layout, file, "a file");
  EXPECT_EQ(read->stages, update->stages);
  expect_equal(read->brings, update->brings);
  for (const char* layers : {"", "0", "3 3", "0 1000", "0 1.5", "-1 2"}) {
    TensorFile bad = file;
    bad.metadata["layers"] = layers;
    EXPECT_THROW(update_from(layout, bad, "a file"), base::UserError) << layers;
  }
  TensorFile other = file;  // others than it says, and fewer
  other.metadata["layers"] = fmt::format("{} {}", servers.cut, servers.last);
  EXPECT_THROW(update_from(layout, other, "a file"), base::UserError);
  TensorFile less = file;
  less.tensors.pop_back();
  EXPECT_THROW(update_from(layout, less, "a file"), base::UserError);
}

TEST(SharedStage, WhatASharedStageCannotDoIsRefused) {
  const EngineOptions options = options_for("mlp");
  OneServer servers(options);
  const Made activation = servers.forward(1);
  expect_refused(
      [&] {
        servers.server->run(Forward{servers.cut, servers.last}, {{activation, nullptr}});
      },
      "trains whole batches only");
  expect_refused([&] { servers.serve(nullptr); }, "no batch came");
  expect_refused(
      [&] {
        servers.server->run(TrainStage{servers.cut, servers.last - 1}, {{activation, nullptr}});
      },
      "and those behind them are elsewhere");
  const Made unlabelled = servers.device(2).run(
      Forward{.first = 0, .last = servers.cut, .labels = false}, {{servers.weights, nullptr}});
  expect_refused([&] { servers.serve(unlabelled); }, "no whole batch with its labels");
  OneServer alone(options, false);
  alone.batch(1);
  expect_refused([&] { alone.batch(2); }, "samples of node 2 come to a stage");
  expect_refused([&] { OneServer(options).part(); }, "nothing went forward");
}

}  // namespace
}  // namespace convoy::engine
