// Tests the parts of a node's task against their definitions, and the scores of an evaluation.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <span>
#include <utility>

#include "engine/learning/evaluation.hpp"
#include "engine/learning/gates.hpp"
#include "engine/model/windows.hpp"
#include "tests/engine/learning/support.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);

namespace convoy::engine {
namespace {

EngineOptions options_for(const std::string& architecture, int samples, int nodes = 1) {
  ModelOptions model;
  model.architecture = architecture;
  model.classes = 4;
  model.image_size = 8;
  EngineOptions options;
  options.architecture = std::make_shared<const Architecture>(make_architecture(model));
  options.train = test::striped_images(samples, model.classes, *model.image_size);
  options.test = test::striped_images(40, model.classes, *model.image_size, 2);
  options.parts = test::dealt(samples, nodes);
  options.rules.transfer.weight = 0;
  return options;
}

struct Task {
  std::int64_t version = 0;
  int batch = 8;
  int epochs = 0;
  std::optional<int> steps;
  int node = 1;
  double rate = 1;
  bool choose_masks = false;
};

Outcome train(const EngineOptions& options, const Task& task) {
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const auto part = test::begin(
      *engine,
      {.node = task.node,
       .version = task.version,
       .brief = {.rate = task.rate, .batch = task.batch, .choose_masks = task.choose_masks},
       .received = engine->initial()},
      {});
  part->train(task.epochs, task.steps);
  return part->finish();
}

// Largest difference between `factor` x the change of one task and the change of another.
double difference(const Outcome& one, double factor, const Outcome& other) {
  const Tensors& a = test::update_of(one).brings;
  const Tensors& b = test::update_of(other).brings;
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!a[i].defined()) continue;
    most = std::max(most, (a[i] * factor - b[i]).abs().max().item<double>());
  }
  return most;
}

TEST(LocalTask, ItsLearningRateIsThatOfTheVersionItStartsFrom) {
  EngineOptions options = options_for("mlp", 16);
  options.training.optimizer.learning_rate = 0.1;
  options.training.rate_schedule.kind = RateSchedule::Kind::exponential;
  options.training.rate_schedule.factor = 0.5;
  const Outcome first = train(options, {.version = 0, .steps = 1});
  const Outcome fourth = train(options, {.version = 3, .steps = 1});
  EXPECT_GT(difference(first, 0, first), 1e-3) << "nothing was learned";
  EXPECT_LT(difference(first, 0.125, fourth), 1e-6);
}

TEST(LocalTask, KnowledgeIsHandedOnFromItsVersionOn) {
  EngineOptions options = options_for("vit-micro", 16);
  options.training.optimizer.learning_rate = 0.1;
  const Outcome without = train(options, {.version = 2, .steps = 1});
  options.rules.transfer.weight = 5;
  options.rules.transfer.from_version = 2;
  EXPECT_EQ(difference(train(options, {.version = 1, .steps = 1}), 1, without), 0);
  EXPECT_GT(difference(train(options, {.version = 2, .steps = 1}), 1, without), 1e-5);
}

// With a learning rate of almost 0 the weights do not change; so the loss does not depend on the
// batches.
TEST(LocalTask, ItsLossIsTheMeanOverTheSamplesOfTheLastEpoch) {
  EngineOptions options = options_for("mlp", 16);
  options.training.optimizer.learning_rate = 1e-12;
  const double whole = train(options, {.batch = 16, .epochs = 1}).loss;
  // The loss for four classes without training, at each exit.
  const auto exits = static_cast<double>(options.architecture->exits.size());
  EXPECT_NEAR(whole, exits * std::log(4), 0.5 * exits);
  for (const int batch : {1, 8, 12, 15}) {
    EXPECT_NEAR(train(options, {.batch = batch, .epochs = 3}).loss, whole, 1e-5) << batch;
  }
}

// The weights do not change here either: the loss of one step depends on its samples only.
TEST(LocalTask, AnotherPassDrawsOtherBatches) {
  EngineOptions options = options_for("mlp", 64);
  options.training.optimizer.learning_rate = 1e-12;
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const auto part = test::begin(
      *engine, {.node = 1, .brief = {.rate = 1, .batch = 4}, .received = engine->initial()}, {});
  std::set<double> losses;
  for (int pass = 0; pass < 4; ++pass) {
    part->train(0, 1);
    losses.insert(std::round(1e6 * part->finish().loss));
  }
  EXPECT_EQ(losses.size(), 4);
}

TEST(LocalTask, RandomMasksAreANodesOwn) {
  EngineOptions options = options_for("mlp", 32, 4);
  options.rules.mask.selection = Selection::random;
  std::set<std::vector<std::vector<int>>> different;
  for (const int node : {1, 2, 3, 4}) {
    const Task task{.steps = 1, .node = node, .rate = 0.5, .choose_masks = true};
    const auto kept = train(options, task).submodel.kept;
    EXPECT_EQ(train(options, task).submodel.kept, kept);
    different.insert(kept);
  }
  EXPECT_EQ(different.size(), 4);
}

// The node's report as it arrives.
std::unique_ptr<Unpacking> sent(const Engine& engine, const Parcel& parcel) {
  auto box = engine.unpack(parcel.header, parcel.bytes(), "the node");
  std::vector<std::byte> all;
  for (const auto& piece : parcel.pieces) all.insert(all.end(), piece.begin(), piece.end());
  auto from = all.begin();
  for (const std::span<std::byte> piece : box->pieces()) {
    const auto end = from + static_cast<std::ptrdiff_t>(piece.size());
    std::copy(from, end, piece.begin());
    from = end;
  }
  EXPECT_TRUE(from == all.end());
  return box;
}

void expect_refused(const Engine& engine, const Parcel& parcel, const TaskInput& input) {
  try {
    engine.unpack_update(*sent(engine, parcel), input);
    FAIL() << "a wrong window was taken";
  } catch (const base::UserError& e) {
    EXPECT_NE(std::string(e.what()).find("is of another submodel"), std::string::npos) << e.what();
  }
}

// Checks that the task keeps `wanted`, that its update holds exactly that, and that a node that
// receives only the needed part gets the same result. Gives the node's update for sending, and its
// state.
std::pair<Parcel, std::shared_ptr<const NodeState>> expect_kept(const Engine& engine,
                                                                const TaskInput& input,
                                                                const Layout& layout,
                                                                const Submodel& wanted) {
  const auto part = test::begin(engine, input, {});
  part->train(0, 1);
  const Outcome outcome = part->finish();
  EXPECT_EQ(outcome.submodel.depth, wanted.depth);
  EXPECT_EQ(outcome.submodel.kept, wanted.kept);
  const Tensors slices = slice(test::zero_weights(layout), layout, wanted, at::kCPU);
  const Tensors& brings = test::update_of(outcome).brings;
  for (std::size_t i = 0; i < slices.size(); ++i) {
    EXPECT_EQ(brings[i].defined(), slices[i].defined()) << layout.tensors[i].name;
    if (!slices[i].defined() || !brings[i].defined()) continue;
    EXPECT_EQ(brings[i].sizes(), slices[i].sizes()) << layout.tensors[i].name;
  }

  TaskInput there = input;
  there.received = engine.unpack_weights(*sent(engine, engine.pack(input)));
  const auto on_node = test::begin(engine, there, {});
  on_node->train(0, 1);
  const Parcel parcel = engine.pack(on_node->finish());
  const Outcome came = engine.unpack_update(*sent(engine, parcel), input);
  EXPECT_EQ(came.submodel.kept, wanted.kept);
  EXPECT_LT(difference(came, 1, outcome), 1e-6);
  return {parcel, outcome.state};
}

TEST(LocalTask, ARollingWindowIsThatOfTheVersionItStartsFrom) {
  for (const bool all_blocks : {false, true}) {
    EngineOptions options = options_for("mlp", 16);
    options.rules.mask.selection = Selection::rolling;
    options.rules.mask.all_blocks = all_blocks;
    const std::unique_ptr<Engine> engine(convoy_make_engine(options));
    const Layout layout(options.architecture);
    const Submodel nested = nested_submodel(*options.architecture, 0.5, all_blocks);
    TaskInput input{.node = 1,
                    .brief = {.rate = 0.5, .batch = 8, .choose_masks = true},
                    .received = engine->initial()};
    for (const std::int64_t version : {0, 3, 199, 200, 1000}) {
      input.version = version;
      const Submodel wanted = rolling_submodel(*options.architecture, nested, version);
      const auto [parcel, state] = expect_kept(*engine, input, layout, wanted);
      input.state = state;  // of the previous window, which the next task must not use
      TaskInput later = input;
      ++later.version;
      expect_refused(*engine, parcel, later);
    }
  }
}

TEST(LocalTask, AStaggeredWindowBeginsAtTheNodesPlace) {
  EngineOptions options = options_for("vit-micro", 16);
  options.rules.mask.selection = Selection::staggered;
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const Layout layout(options.architecture);
  const Submodel nested = nested_submodel(*options.architecture, 0.5);
  TaskInput input{.node = 1,
                  .brief = {.rate = 0.5, .batch = 8, .choose_masks = true},
                  .received = engine->initial()};
  for (const double place : {0.0, 0.25, 0.75}) {
    input.brief.place = place;
    ++input.version;
    const Submodel wanted = staggered_submodel(*options.architecture, nested, place);
    const auto [parcel, state] = expect_kept(*engine, input, layout, wanted);
    TaskInput elsewhere = input;
    elsewhere.brief.place = 0.5;
    expect_refused(*engine, parcel, elsewhere);
  }
}

// Options under which members are chosen by their importance.
EngineOptions by_importance() {
  EngineOptions options = options_for("mlp", 32);
  options.rules.mask.selection = Selection::importance;
  return options;
}

TaskInput scoring_input(const Engine& engine) {
  return {.node = 1,
          .brief = {.rate = 0.5, .batch = 8, .choose_masks = true},
          .received = engine.initial()};
}

TEST(LocalTask, ImportanceKeepsTheExactSizesAndTrainsNothing) {
  const EngineOptions options = by_importance();
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const TaskInput input = scoring_input(*engine);
  const auto session = engine->open(input, {});
  session->run(ScoreMembers{.epochs = 1}, {{input.received, nullptr}});
  const Submodel kept = session->submodel();
  EXPECT_EQ(sizes_of(kept), sizes_of(nested_submodel(*options.architecture, 0.5)));
  EXPECT_NE(kept.kept, nested_submodel(*options.architecture, 0.5).kept);
  // A step of training that changes nothing: the update is the difference to what was received.
  const auto update = session->run(Train{.epochs = 0}, {});
  for (const Tensor& t : inside(dynamic_cast<const Update&>(*update)).brings) {
    if (t.defined()) {
      EXPECT_EQ(t.abs().max().item<double>(), 0);
    }
  }
  // The same data give the same members, and other data others.
  const auto again = engine->open(input, {});
  again->run(ScoreMembers{.epochs = 1}, {{input.received, nullptr}});
  EXPECT_EQ(again->submodel().kept, kept.kept);
  const auto fewer = engine->open(input, {});
  fewer->run(ScoreMembers{.epochs = 1, .steps = 1}, {{input.received, nullptr}});
  EXPECT_NE(fewer->submodel().kept, kept.kept);
}

// Sixteen samples in batches of eight, eight, and four more in a smaller one: each sample counts
// alike, so that the order of the batches does not matter but for which samples they hold.
TEST(LocalTask, ImportanceIsThatOfAllBatchesBySamples) {
  EngineOptions options = options_for("mlp", 20);
  options.rules.mask.selection = Selection::importance;
  const Layout layout(options.architecture);
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  TaskInput input = scoring_input(*engine);
  // With a batch of all samples, and in three: the sums differ (|a| + |b| >= |a + b|), but not by
  // much here, and most of the chosen members are the same; of one batch alone fewer are.
  const auto chosen = [&](int batch, std::optional<int> steps) {
    input.brief.batch = batch;
    const auto session = engine->open(input, {});
    session->run(ScoreMembers{.epochs = 1, .steps = steps}, {{input.received, nullptr}});
    return session->submodel().kept.front();
  };
  const std::vector<int> all = chosen(20, {});
  const auto shared = [&](const std::vector<int>& members) {
    std::vector<int> both;
    std::ranges::set_intersection(all, members, std::back_inserter(both));
    return both.size();
  };
  EXPECT_GT(shared(chosen(8, {})), shared(chosen(8, 1)));
}

// A node that had all members under a kept optimizer has none of its state for the chosen ones.
TEST(LocalTask, AfterImportanceTheOptimizerBeginsAnew) {
  EngineOptions options = by_importance();
  options.training.optimizer.momentum = 0.9;
  options.training.keep_optimizer = true;
  options.rules.mask.all_blocks = true;
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  TaskInput input = scoring_input(*engine);
  input.brief.rate = 1;
  const auto whole = engine->open(input, {});
  whole->run(Train{.epochs = 1}, {{input.received, nullptr}});
  input.state = whole->outcome().state;
  input.brief.rate = 0.5;
  const auto half = engine->open(input, {});
  half->run(ScoreMembers{}, {{input.received, nullptr}});
  EXPECT_NO_THROW(half->run(Train{.epochs = 1}, {}));
}

TEST(LocalTask, WithHysteresisANodeKeepsItsMembers) {
  EngineOptions options = by_importance();
  auto before = std::make_shared<TensorState>();
  base::Random random({4});
  before->submodel = keep_highest(Layout(options.architecture),
                                  random_scores(Layout(options.architecture), 4, 5, 1),
                                  depth_at(*options.architecture, 0.5), 0.5);
  before->logits.resize(options.architecture->groups.size());
  const auto chosen = [&](double hysteresis) {
    options.rules.mask.hysteresis = hysteresis;
    const std::unique_ptr<Engine> engine(convoy_make_engine(options));
    TaskInput input = scoring_input(*engine);
    input.state = before;
    const auto session = engine->open(input, {});
    session->run(ScoreMembers{}, {{input.received, nullptr}});
    return session->submodel().kept;
  };
  EXPECT_NE(chosen(0), before->submodel.kept);
  EXPECT_EQ(chosen(1e6), before->submodel.kept);
}

// Twelve classes, so that five are not all; the test set has no sample of one class.
TEST(Evaluation, IsWhatTheScoresSayByItsDefinitions) {
  constexpr int classes = 12;
  ModelOptions model;
  model.architecture = "mlp";
  model.classes = classes;
  model.image_size = 12;
  EngineOptions options;
  options.architecture = std::make_shared<const Architecture>(make_architecture(model));
  options.train = test::striped_images(24, classes, 12);
  auto there = std::make_shared<Dataset>(*test::striped_images(100, classes, 12, 2));
  for (int& label : there->labels) label = label == 3 ? 4 : label;
  options.test = there;
  options.parts = test::dealt(24, 1);
  options.evaluation_batch = 7;
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const auto weights = engine->initial();
  const Evaluation evaluation = engine->evaluate(*weights, 1, {});

  const Layout layout(options.architecture);
  const Samples samples(options.test, *options.architecture, normalization_of(*options.train),
                        at::kCPU);
  std::vector<std::int64_t> all(100);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i);
  const at::NoGradGuard no_grad;
  const Network network(layout, full_submodel(*options.architecture));
  const Tensors exits = network.forward(inside(*weights).tensors, samples.batch(all).input, {});
  ASSERT_EQ(evaluation.exits.size(), exits.size());
  for (std::size_t e = 0; e < exits.size(); ++e) {
    double loss = 0;
    double first = 0;
    double among_five = 0;
    std::vector<double> right(classes);
    std::vector<double> said(classes);
    std::vector<double> true_ones(classes);
    for (std::size_t i = 0; i < all.size(); ++i) {
      std::vector<std::pair<double, int>> scores;
      double sum = 0;
      for (int c = 0; c < classes; ++c) {
        const double score = exits[e][static_cast<std::int64_t>(i)][c].item<double>();
        scores.emplace_back(-score, c);
        sum += std::exp(score);
      }
      const int label = there->labels[i];
      loss += scores[static_cast<std::size_t>(label)].first + std::log(sum);
      std::sort(scores.begin(), scores.end());
      ++said[static_cast<std::size_t>(scores[0].second)];
      ++true_ones[static_cast<std::size_t>(label)];
      if (scores[0].second == label) ++right[static_cast<std::size_t>(label)], ++first;
      for (int k = 0; k < 5; ++k) among_five += scores[static_cast<std::size_t>(k)].second == label;
    }
    // By definition: precision and recall of each class, their harmonic mean, weighted by class
    // frequency.
    double f1 = 0;
    for (std::size_t c = 0; c < classes; ++c) {
      if (right[c] == 0) continue;
      const double precision = right[c] / said[c];
      const double recall = right[c] / true_ones[c];
      f1 += true_ones[c] / 100 * 2 * precision * recall / (precision + recall);
    }
    const ExitScore& score = evaluation.exits[e];
    EXPECT_NEAR(score.loss, loss / 100, 1e-5);
    EXPECT_NEAR(score.top1, first / 100, 1e-12);
    EXPECT_NEAR(score.top5, among_five / 100, 1e-12);
    EXPECT_NEAR(score.f1, f1, 1e-12);
    EXPECT_GT(score.top5, score.top1);
    EXPECT_GT(f1, 0) << "nothing was right: another seed says more";
  }
}

}  // namespace
}  // namespace convoy::engine
