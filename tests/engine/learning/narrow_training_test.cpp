// HeteroFL's scaler, and its static batch norms: what a narrow node's training does otherwise, and
// where the statistics come from that it does not keep.

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <numeric>

#include "engine/learning/initial.hpp"
#include "engine/learning/norm_statistics.hpp"
#include "engine/model/builder.hpp"
#include "tests/engine/learning/support.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);

namespace convoy::engine {
namespace {

constexpr int classes = 4;

// --- the scaler ---------------------------------------------------------------------------------

// Half of the mlp, without norms: the second block sees what the first gives, divided.
TEST(Scaler, DividesWhatLayersOfAGroupGiveInTraining) {
  const Layout layout =
      test::layout_of({.architecture = "mlp", .classes = classes, .exits = {1.0}, .image_size = 4});
  const Architecture& a = *layout.architecture;
  const Submodel half = nested_submodel(a, 0.5, true);
  const Tensors w = slice(initial_tensors(layout, 1), layout, half, at::kCPU);
  ASSERT_EQ(w.size(), 6) << "weights and biases of three layers";
  const Network network(layout, half);
  const Tensor x = test::random_input(a, 5, 2);
  const auto by_hand = [&](double rate) {
    const Tensor first = at::relu(at::linear(x.flatten(1), w[0], w[1]) / rate);
    const Tensor second = at::relu(at::linear(first, w[2], w[3]) / rate);
    return at::linear(second, w[4], w[5]);  // all classes: not divided
  };
  const auto expect_near = [](const Tensor& one, const Tensor& other) {
    EXPECT_LT((one - other).abs().max().item<double>(), 1e-5);
  };
  Mode mode{.training = true, .rate = 0.5};
  expect_near(network.forward(w, x, mode)[0], by_hand(0.5));
  EXPECT_GT((by_hand(0.5) - by_hand(1)).abs().max().item<double>(), 0.1);
  mode.training = false;
  expect_near(network.forward(w, x, mode)[0], by_hand(1));
  mode = {.training = true};
  expect_near(network.forward(w, x, mode)[0], by_hand(1));
}

EngineOptions options_for(const std::shared_ptr<const Architecture>& architecture, int samples) {
  EngineOptions options;
  options.architecture = architecture;
  options.train = test::striped_images(samples, classes, architecture->height);
  options.test = test::striped_images(20, classes, architecture->height, 2);
  options.parts = test::dealt(samples, 2);
  options.rules.transfer.weight = 0;
  options.rules.mask = {.selection = Selection::nested, .all_blocks = true};
  return options;
}

// HeteroFL's dynamic mode draws a node's rate anew in every round.
TEST(NestedSubmodel, IsThatOfTheTasksRateWhateverTheNodeTrainedBefore) {
  ModelOptions model = {.architecture = "mlp", .classes = classes, .exits = {1.0}, .image_size = 4};
  const auto architecture = std::make_shared<const Architecture>(make_architecture(model));
  const EngineOptions options = options_for(architecture, 16);
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  TaskInput input{
      .node = 1, .brief = {.batch = 8, .choose_masks = true}, .received = engine->initial()};
  for (const double rate : {1.0, 0.5, 0.25, 0.5, 1.0}) {
    input.brief.rate = rate;
    const auto session = engine->open(input, {});
    const Submodel wanted =
        rate < 1 ? nested_submodel(*architecture, rate, true) : full_submodel(*architecture);
    EXPECT_EQ(session->submodel().kept, wanted.kept) << rate;
    session->run(Train{.steps = 1}, {{input.received, nullptr}});
    const Outcome outcome = session->outcome();
    EXPECT_EQ(outcome.submodel.kept, wanted.kept) << rate;
    input.state = outcome.state;
  }
}

// Two blocks of convolution, norm and relu.
std::shared_ptr<const Architecture> with_norms() {
  auto a = std::make_shared<Architecture>();
  a->name = "norms";
  a->classes = classes;
  a->channels = 1;
  a->height = a->width = 8;
  a->stem.name = "stem";
  for (const int index : {0, 1}) {
    const std::string name = "block" + std::to_string(index);
    const int features = 4 + 2 * index;
    const int group = add_group(*a, name + ".channels", GroupKind::channel, index, features);
    BlockBuilder b(name);
    b.conv("conv", features, 3, 1, true, group);
    b.plain(LayerKind::batch_norm, "norm");
    b.plain(LayerKind::relu, "relu");
    a->blocks.push_back(b.done());
  }
  add_exits(*a, {1.0}, [](BlockBuilder& head, int) { add_pooled_head(head, classes); });
  return a;
}

Outcome train(const EngineOptions& options, double rate) {
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const auto part = test::begin(
      *engine, {.node = 1, .brief = {.rate = rate, .batch = 8}, .received = engine->initial()}, {});
  part->train(1, {});
  return part->finish();
}

double difference(const Outcome& one, const Outcome& other) {
  double most = 0;
  const Tensors& a = test::update_of(one).brings;
  const Tensors& b = test::update_of(other).brings;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].defined()) most = std::max(most, (a[i] - b[i]).abs().max().item<double>());
  }
  return most;
}

TEST(Scaler, IsForSubmodelsWithoutANormBehind) {
  ModelOptions mlp{.architecture = "mlp", .classes = classes, .image_size = 8};
  const auto plain = std::make_shared<const Architecture>(make_architecture(mlp));
  for (const bool norms : {false, true}) {
    EngineOptions options = options_for(norms ? with_norms() : plain, 32);
    options.rules.static_norms = true;  // else the running statistics would tell
    EngineOptions scaled = options;
    scaled.rules.scaled = true;
    EXPECT_EQ(difference(train(options, 1), train(scaled, 1)), 0) << "the whole model";
    const double of_half = difference(train(options, 0.5), train(scaled, 0.5));
    // With a norm right behind it only the norm's epsilon tells.
    EXPECT_GT(of_half, norms ? 0 : 1e-3) << norms;
    if (norms) {
      EXPECT_LT(of_half, 1e-3);
    }
  }
}

// --- static norms -------------------------------------------------------------------------------

TEST(StaticNorms, TrainingLeavesTheStatisticsAlone) {
  EngineOptions options = options_for(with_norms(), 32);
  const Layout layout(options.architecture);
  const Tensors initial = initial_tensors(layout, options.seed);
  const Outcome running = train(options, 1);
  options.rules.static_norms = true;
  const Outcome fixed = train(options, 1);
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    const Tensor& one = test::update_of(running).brings[i];
    const Tensor& other = test::update_of(fixed).brings[i];
    if (p.buffer) {
      EXPECT_TRUE(at::equal(other, initial[i])) << p.name;
      EXPECT_FALSE(at::equal(one, initial[i])) << p.name;
    } else {
      EXPECT_TRUE(at::equal(one, other)) << p.name << ": the batch's own in both";
    }
  }
}

class StatisticsPass : public testing::Test {
 protected:
  StatisticsPass() : options(options_for(with_norms(), 24)), layout(options.architecture) {}

  [[nodiscard]] std::shared_ptr<const Weights> take(int batch, std::int64_t task = 1) const {
    const std::unique_ptr<Engine> engine(convoy_make_engine(options));
    const auto current = engine->initial();
    const auto session = engine->open({.node = 0, .task = task, .received = current}, {});
    const auto made = session->run(Statistics{batch}, {{current, nullptr}});
    EXPECT_TRUE(session->outcome().finite);
    return std::dynamic_pointer_cast<const Weights>(made);
  }
  // All training samples of both nodes, or those of one.
  [[nodiscard]] Tensor inputs(std::vector<std::int64_t> indices = {}) const {
    if (indices.empty()) {
      indices.resize(24);
      std::iota(indices.begin(), indices.end(), 0);
    }
    return Samples(options.train, *options.architecture, normalization_of(*options.train), at::kCPU)
        .batch(indices)
        .input;
  }
  // The first norm sees what the first convolution gives, whatever the batches are.
  [[nodiscard]] Tensor before_first_norm(const Tensor& input) const {
    const Tensors w = initial_tensors(layout, options.seed);
    return at::conv2d(input, w[0], w[1], 1, 1);
  }
  [[nodiscard]] std::size_t find(const std::string& name) const {
    for (std::size_t i = 0; i < layout.size(); ++i) {
      if (layout.tensors[i].name == name) return i;
    }
    throw std::runtime_error("no tensor " + name);
  }
  static void expect_near(const Tensor& one, const Tensor& other) {
    EXPECT_LT((one - other).abs().max().item<double>(), 1e-5);
  }

  EngineOptions options;
  Layout layout;
};

// Of one batch: its mean and its variance (n - 1), at every norm.
TEST_F(StatisticsPass, OfOneBatchAreThatBatchs) {
  const auto weights = take(24);
  const Tensors& made = inside(*weights).tensors;
  const Tensors w = initial_tensors(layout, options.seed);
  const Tensor first = before_first_norm(inputs());
  expect_near(made[find("block0.norm.running_mean")], first.mean({0, 2, 3}));
  expect_near(made[find("block0.norm.running_var")], first.var({0, 2, 3}, true));
  const Tensor normed = at::relu(at::batch_norm(first, w[2], w[3], {}, {}, true, 0.1, 1e-5, false));
  const Tensor second =
      at::conv2d(normed, w[find("block1.conv.weight")], w[find("block1.conv.bias")], 1, 1);
  expect_near(made[find("block1.norm.running_mean")], second.mean({0, 2, 3}));
  expect_near(made[find("block1.norm.running_var")], second.var({0, 2, 3}, true));
  EXPECT_EQ(made[find("block1.norm.batches_seen")].item<double>(), 1);
  // All else is the version's own.
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (layout.tensors[i].buffer) continue;
    EXPECT_TRUE(at::equal(made[i], w[i])) << layout.tensors[i].name;
  }
}

// Of equal batches the mean of the means is the mean of all; the mean of their variances is not the
// variance of all.
TEST_F(StatisticsPass, OfSeveralBatchesAreTheMeanOverThem) {
  const auto weights = take(6);
  const Tensors& made = inside(*weights).tensors;
  const Tensor first = before_first_norm(inputs());
  expect_near(made[find("block0.norm.running_mean")], first.mean({0, 2, 3}));
  EXPECT_EQ(made[find("block0.norm.batches_seen")].item<double>(), 4);
  const Tensor of_all = first.var({0, 2, 3}, true);
  const Tensor& of_batches = made[find("block0.norm.running_var")];
  EXPECT_GT((of_all - of_batches).abs().max().item<double>(), 1e-4);
  EXPECT_LT((of_all - of_batches).abs().max().item<double>(), 0.5 * of_all.max().item<double>());
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (layout.tensors[i].role != TensorRole::running_variance) continue;
    EXPECT_GE(made[i].min().item<double>(), 0) << layout.tensors[i].name;
  }
}

TEST_F(StatisticsPass, AreDrawnByTheTaskAlone) {
  const std::size_t variance = find("block1.norm.running_var");
  const Tensor one = inside(*take(6, 1)).tensors[variance];
  EXPECT_TRUE(at::equal(one, inside(*take(6, 1)).tensors[variance]));
  EXPECT_FALSE(at::equal(one, inside(*take(6, 2)).tensors[variance]));
}

TEST_F(StatisticsPass, LeaveOutDataThatAreNotKnownHere) {
  const std::vector<std::int64_t> first = options.parts[1].train;
  test::let_be_unlisted(options.parts[2]);
  const auto weights = take(24);
  expect_near(inside(*weights).tensors[find("block0.norm.running_mean")],
              before_first_norm(inputs(first)).mean({0, 2, 3}));
  options.parts[1].train.clear();
  EXPECT_THROW(take(24), base::UserError) << "nothing is left";
}

TEST_F(StatisticsPass, AreOfAVersionOfTheModel) {
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const auto session = engine->open({.node = 0, .received = engine->initial()}, {});
  EXPECT_THROW(session->run(Statistics{4}, {}), base::UserError);
  std::stop_source stop;
  stop.request_stop();
  const auto stopped = engine->open({.node = 0}, stop.get_token());
  EXPECT_THROW(stopped->run(Statistics{4}, {{engine->initial(), nullptr}}), Stopped);
}

// Aggregated, then with statistics, in one task: as the schedule orders it.
TEST_F(StatisticsPass, FollowAnAggregationAndItsReportStays) {
  options.rules.static_norms = true;
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const auto start = engine->initial();
  const auto part =
      test::begin(*engine, {.node = 1, .brief = {.rate = 0.5, .batch = 6}, .received = start}, {});
  part->train(1, {});
  const auto server = engine->open({.node = 0, .task = 9, .received = start}, {});
  const auto next = server->run(Aggregate{}, {{start, nullptr}, {part->finish().result, nullptr}});
  const auto made = server->run(Statistics{6}, {{next, nullptr}});
  const Outcome outcome = server->outcome();
  EXPECT_EQ(outcome.result, made);
  ASSERT_TRUE(outcome.aggregation.has_value());
  EXPECT_EQ(outcome.aggregation->shares, std::vector<double>{1});
  const TensorWeights& version = dynamic_cast<const TensorWeights&>(*made);
  const TensorWeights& aggregated = dynamic_cast<const TensorWeights&>(*next);
  EXPECT_EQ(version.trained, aggregated.trained);
  EXPECT_TRUE(at::equal(version.tensors[0], aggregated.tensors[0]));
  EXPECT_EQ(version.tensors[find("block0.norm.batches_seen")].item<double>(), 4);
}

}  // namespace
}  // namespace convoy::engine
