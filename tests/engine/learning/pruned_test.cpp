// PruneFL in the engine: masked weights train as zero, the server keeps their values, squared
// gradients come when they are asked for, and a version with masks travels and is kept.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "engine/api/element_costs.hpp"
#include "engine/learning/masks.hpp"
#include "engine/rules/registry.hpp"
#include "tests/engine/learning/support.hpp"
#include "tests/support/files.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);

namespace convoy::engine {
namespace {

using testing::HasSubstr;

class Pruned : public testing::Test {
 protected:
  Pruned() {
    options_.architecture = test::small_with_norms(4);
    options_.train = test::striped_images(16, 4, 16);
    options_.test = options_.train;
    options_.parts = test::dealt(16, 2);
    options_.training.optimizer.learning_rate = 0.05;
    options_.rules.elements.kind = ElementKind::pruned;
    engine_.reset(convoy_make_engine(options_));
    weights_ = engine_->initial();
  }

  TaskInput input(const std::shared_ptr<const Weights>& from, std::int64_t task,
                  std::shared_ptr<const NodeState> state = nullptr, int node = 1) {
    TaskInput made{.node = node, .task = task, .received = from, .state = std::move(state)};
    made.brief.batch = 4;
    return made;
  }
  TaskInput bringing(const std::shared_ptr<const Weights>& from, std::int64_t task,
                     std::shared_ptr<const NodeState> state = nullptr, int node = 1) {
    TaskInput made = input(from, task, std::move(state), node);
    made.brief.gather_squares = 0;
    made.brief.bring_squares = true;
    return made;
  }

  Outcome train(const TaskInput& input, int steps = 2) {
    const auto session = engine_->open(input, {});
    session->run(Train{.epochs = 1, .steps = steps}, {{input.received, nullptr}});
    return session->outcome();
  }

  Reconfigure work(double removal, double rest_s = 1e-3) const {
    Reconfigure work{.removal = removal, .rest_s = rest_s};
    for (const ParameterTensor& p : tensors()) {
      if (is_prunable(p)) work.each.push_back(1e-6);
    }
    return work;
  }

  // The version that an aggregation and a reconfiguration make of these updates.
  std::shared_ptr<const TensorWeights> next(const std::shared_ptr<const Weights>& current,
                                            const std::vector<Outcome>& outcomes,
                                            const Reconfigure& work) {
    const auto session = engine_->open({.node = 0, .received = current}, {});
    std::vector<Input> inputs = {{current, nullptr}};
    for (const Outcome& o : outcomes) inputs.push_back({o.result, nullptr});
    const auto made = session->run(Aggregate{}, inputs);
    inputs.front() = {made, nullptr};
    return as_weights(session->run(work, inputs));
  }
  // Of a first version, in which two fifths of each layer's weights are masked.
  std::shared_ptr<const TensorWeights> masked_version() {
    Reconfigure most = work(0.4);
    most.max_density = 0.01;  // nothing is kept again
    return next(weights_, {train(bringing(weights_, 1)), train(bringing(weights_, 2, nullptr, 2))},
                most);
  }

  std::unique_ptr<Unpacking> sent(const Parcel& parcel) {
    auto box = engine_->unpack(parcel.header, parcel.bytes(), "a peer");
    auto to = box->pieces().begin();
    for (const auto& piece : parcel.pieces) {
      EXPECT_EQ(to->size(), piece.size());
      std::memcpy(to++->data(), piece.data(), piece.size());
    }
    return box;
  }
  std::string refusal(const Parcel& parcel, const TaskInput& input) {
    try {
      engine_->unpack_update(*sent(parcel), input);
    } catch (const base::UserError& e) {
      return e.what();
    }
    return "";
  }

  [[nodiscard]] std::vector<ParameterTensor> tensors() const {
    return parameter_tensors(*options_.architecture);
  }
  static std::shared_ptr<TensorUpdate> copy_of(const TensorUpdate& update) {
    auto copy = std::make_shared<TensorUpdate>(static_cast<const UpdateOrigin&>(update));
    copy->brings = update.brings;
    for (const Tensor& t : update.squares) copy->squares.push_back(t.defined() ? t.clone() : t);
    return copy;
  }
  static void expect_equal(const Tensors& a, const Tensors& b, double tolerance = 0) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      ASSERT_EQ(a[i].defined(), b[i].defined()) << i;
      if (!a[i].defined()) continue;
      ASSERT_EQ(a[i].sizes(), b[i].sizes()) << i;
      EXPECT_LE((a[i].to(at::kDouble) - b[i].to(at::kDouble)).abs().max().item<double>(), tolerance)
          << i;
    }
  }

  EngineOptions options_;
  std::unique_ptr<Engine> engine_;
  std::shared_ptr<const Weights> weights_;
};

TEST_F(Pruned, WithoutMasksAndSquaresItIsOrdinaryTraining) {
  EngineOptions ordinary = options_;
  ordinary.rules.elements = {};
  const std::unique_ptr<Engine> other(convoy_make_engine(ordinary));
  const auto session = other->open(input(weights_, 1), {});
  session->run(Train{.epochs = 1, .steps = 2}, {{weights_, nullptr}});
  expect_equal(test::update_of(train(input(weights_, 1))).brings,
               test::update_of(session->outcome()).brings);
}

TEST_F(Pruned, WhatIsMaskedIsZeroOnTheNodeAndKeepsItsValueOnTheServer) {
  const auto version = masked_version();
  const std::vector<ParameterTensor> all = tensors();
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(has_mask(version->masks, i), is_prunable(all[i])) << all[i].name;
    if (!has_mask(version->masks, i)) continue;
    const auto kept = version->masks[i].sum().item<std::int64_t>();
    // (Of equal magnitudes at the threshold all stay.)
    EXPECT_NEAR(static_cast<double>(kept), 0.6 * static_cast<double>(all[i].elements()), 3);
    EXPECT_EQ(engine_->kept_elements(*version)[i], kept);
    // The largest magnitudes, and the server's values are all there.
    const Tensor magnitude = version->tensors[i].abs();
    EXPECT_GE(magnitude.masked_select(version->masks[i]).min().item<float>(),
              magnitude.masked_select(version->masks[i].logical_not()).max().item<float>());
    EXPECT_GT(magnitude.masked_select(version->masks[i].logical_not()).max().item<float>(), 0);
  }
  const Outcome outcome = train(input(version, 3));
  EXPECT_EQ(outcome.submodel.elements, engine_->kept_elements(*version));
  // As if the masked ones had been 0 from the first: what a node has that was sent the rest.
  Tensors values;
  for (const Tensor& t : version->tensors) values.push_back(t.clone());
  apply_masks(version->masks, values);
  const auto zeros =
      std::make_shared<const TensorWeights>(values, version->trained, std::nullopt, version->masks);
  expect_equal(test::update_of(outcome).brings,
               test::update_of(train(input(std::shared_ptr<const Weights>(zeros), 3))).brings);
  const auto after = as_weights(engine_->next_version(version, outcome.result));
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!has_mask(version->masks, i)) continue;
    const Tensor others = version->masks[i].logical_not();
    EXPECT_TRUE(at::equal(after->tensors[i].masked_select(others),
                          version->tensors[i].masked_select(others)));
    EXPECT_FALSE(at::equal(after->tensors[i].masked_select(version->masks[i]),
                           version->tensors[i].masked_select(version->masks[i])));
    EXPECT_TRUE(at::equal(after->masks[i], version->masks[i]));
  }
  // It is tested as the nodes have it.
  EXPECT_EQ(engine_->evaluate(*version, 1, {}).loss(), engine_->evaluate(*zeros, 1, {}).loss());
  EXPECT_NE(engine_->evaluate(*version, 1, {}).loss(),
            engine_->evaluate(TensorWeights(version->tensors, version->trained), 1, {}).loss());
}

TEST_F(Pruned, NoRuleMovesWhatIsMasked) {
  const auto version = masked_version();
  const Outcome outcome = train(input(version, 3));
  // Momentum that a rule has of the time before.
  std::vector<Tensors> slots(1);
  for (const Tensor& t : version->tensors) slots[0].push_back(at::ones_like(t));
  auto state = std::make_shared<TensorState>();
  state->submodel = full_submodel(*options_.architecture);
  state->rule = RuleState{{"momentum"}, slots, 3, {}};
  base::Diagnostics problems;
  const base::Value table =
      base::parse_toml("aggregation = { rule = \"fedavgm\" }", "test", problems);
  base::TableReader reader(table, "", problems);
  EngineOptions options = options_;
  options.rules.aggregation = read_aggregation(reader);
  ASSERT_EQ(problems.str(), "");
  ASSERT_EQ(options.rules.aggregation.rule->state().size(), 1);
  state->rule->names = options.rules.aggregation.rule->state();
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const auto session = engine->open({.node = 0, .received = version, .state = state}, {});
  const auto made =
      as_weights(session->run(Aggregate{}, {{version, nullptr}, {outcome.result, nullptr}}));
  for (std::size_t i = 0; i < made->tensors.size(); ++i) {
    if (!has_mask(version->masks, i)) continue;
    const Tensor others = version->masks[i].logical_not();
    EXPECT_TRUE(at::equal(made->tensors[i].masked_select(others),
                          version->tensors[i].masked_select(others)));
  }
}

TEST_F(Pruned, ARevivedWeightComesBackWithItsOldValue) {
  const auto version = masked_version();
  const Outcome outcome = train(bringing(version, 3));
  // Every candidate is worth its time: Q / T is small, g^2 / t_l is not.
  Reconfigure generous = work(0.4, 1e12);
  const auto after = next(version, {outcome}, generous);
  for (std::size_t i = 0; i < version->tensors.size(); ++i) {
    if (!has_mask(version->masks, i)) continue;
    const Tensor others = version->masks[i].logical_not();
    const Tensor now =
        has_mask(after->masks, i) ? after->masks[i] : at::ones_like(version->masks[i]);
    EXPECT_GT(now.masked_select(others).sum().item<std::int64_t>(), 0) << i;
    EXPECT_TRUE(at::equal(after->tensors[i].masked_select(others),
                          version->tensors[i].masked_select(others)));
  }
}

// By plain SGD what a task brings is its sum of gradients x the learning rate.
TEST_F(Pruned, SquaredGradientsAreThoseOfTheSumOverATask) {
  const double rate = options_.training.optimizer.learning_rate;
  const Outcome outcome = train(bringing(weights_, 1), 3);
  const TensorUpdate& update = test::update_of(outcome);
  ASSERT_FALSE(update.squares.empty());
  const std::vector<ParameterTensor> all = tensors();
  for (std::size_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ(update.squares[i].defined(), !all[i].buffer);
    if (all[i].buffer) continue;
    const Tensor wanted =
        (update.brings[i].to(at::kDouble) / rate).square() * static_cast<double>(outcome.samples);
    const double most = wanted.max().item<double>();
    EXPECT_LE((update.squares[i] - wanted).abs().max().item<double>(), 2e-3 * most + 1e-6)
        << all[i].name;
  }
  EXPECT_TRUE(inside(*outcome.state).squares.empty());
  EXPECT_TRUE(test::update_of(train(input(weights_, 1))).squares.empty());
}

TEST_F(Pruned, SquaredGradientsAreGatheredUntilTheyAreBrought) {
  TaskInput first = input(weights_, 1);
  first.brief.gather_squares = 0;
  const Outcome gathered = train(first);
  EXPECT_TRUE(test::update_of(gathered).squares.empty());
  const Outcome both = train(bringing(weights_, 2, gathered.state));
  const Outcome alone_first = train(bringing(weights_, 1));
  const Outcome alone_second = train(bringing(weights_, 2));
  Tensors sum;
  for (std::size_t i = 0; i < tensors().size(); ++i) {
    const Tensor& a = test::update_of(alone_first).squares[i];
    sum.push_back(a.defined() ? a + test::update_of(alone_second).squares[i] : a);
  }
  expect_equal(test::update_of(both).squares, sum, 1e-2);
  // A task that neither gathers nor brings leaves them as they are; what was brought is gone.
  expect_equal(inside(*train(input(weights_, 2, gathered.state)).state).squares,
               inside(*gathered.state).squares);
  EXPECT_TRUE(inside(*both.state).squares.empty());
  // Each step's for itself.
  TaskInput apart = bringing(weights_, 1);
  apart.brief.gather_squares = 1;
  const Outcome one = train(apart, 1);
  expect_equal(test::update_of(one).squares,
               test::update_of(train(bringing(weights_, 1), 1)).squares);
  const Outcome two = train(apart, 2);
  EXPECT_GT((test::update_of(two).squares[0] -
             test::update_of(train(bringing(weights_, 1), 2)).squares[0])
                .abs()
                .max()
                .item<float>(),
            0);
}

TEST_F(Pruned, AReconfigurationFollowsTheUpdatesThatCount) {
  const std::vector<Outcome> outcomes = {train(bringing(weights_, 1)),
                                         train(bringing(weights_, 2, nullptr, 2))};
  const Layout layout(options_.architecture, ElementKind::pruned);
  const auto version = next(weights_, outcomes, work(0.3));
  const std::vector<const TensorUpdate*> both = {&test::update_of(outcomes[0]),
                                                 &test::update_of(outcomes[1])};
  TensorWeights plain(version->tensors, version->trained);
  expect_equal(version->masks, reconfigured(layout, plain, both, work(0.3)));
  // None of them brings squares: nothing changes.
  EXPECT_TRUE(next(weights_, {train(input(weights_, 1))}, work(0.3))->masks.empty());
  // One whose update is left out tells nothing.
  const auto broken = copy_of(*both[1]);
  broken->brings[0] = at::full_like(broken->brings[0], std::numeric_limits<float>::infinity());
  Outcome bad = outcomes[1];
  bad.result = broken;
  expect_equal(next(weights_, {outcomes[0], bad}, work(0.3))->masks,
               next(weights_, {outcomes[0]}, work(0.3))->masks);
  Reconfigure short_one = work(0.3);
  short_one.each.pop_back();
  EXPECT_THROW(next(weights_, outcomes, short_one), base::UserError);
}

TEST_F(Pruned, TravelsAsItsCostsSay) {
  const auto version = masked_version();
  const std::vector<std::int64_t> kept = engine_->kept_elements(*version);
  const Architecture& a = *options_.architecture;
  for (const bool brings : {false, true}) {
    const TaskInput here = brings ? bringing(version, 3) : input(version, 3);
    const Parcel down = engine_->pack(here);
    double lists = 0;  // of kept members, which ordinary rounds send as well
    for (const Group& group : a.groups) lists += 4.0 * group.size;
    EXPECT_EQ(static_cast<double>(down.bytes()), pruned_down_bytes(a, kept) + lists);
    TaskInput there = here;
    there.received = engine_->unpack_weights(*sent(down));
    const Outcome outcome = train(there);
    expect_equal(test::update_of(outcome).brings, test::update_of(train(here)).brings);
    const Parcel up = engine_->pack(outcome);
    EXPECT_EQ(static_cast<double>(up.bytes()), pruned_up_bytes(a, kept, brings) + lists);
    const Outcome came = engine_->unpack_update(*sent(up), here);
    expect_equal(test::update_of(came).brings, test::update_of(outcome).brings);
    expect_equal(test::update_of(came).squares, test::update_of(outcome).squares);
    EXPECT_EQ(came.submodel.elements, kept);
    EXPECT_TRUE(came.finite);
  }
}

TEST_F(Pruned, WhatDoesNotFitItsMaskIsRefused) {
  const auto version = masked_version();
  const TaskInput here = bringing(version, 3);
  const Outcome outcome = train(here);
  EXPECT_EQ(refusal(engine_->pack(outcome), here), "");
  TaskInput dense = here;
  dense.received = weights_;
  EXPECT_THAT(refusal(engine_->pack(outcome), dense), HasSubstr("is of shape"));
  TaskInput without = here;
  without.brief.bring_squares.reset();
  EXPECT_THAT(refusal(engine_->pack(outcome), without), HasSubstr("squared gradients"));
  EXPECT_THAT(refusal(engine_->pack(train(input(version, 3))), here),
              HasSubstr("squared gradients"));
  const auto with = [&](auto change) {
    const auto update = copy_of(test::update_of(outcome));
    change(*update);
    Outcome changed = outcome;
    changed.result = update;
    return changed;
  };
  EXPECT_THAT(
      refusal(engine_->pack(with([](TensorUpdate& u) { u.squares[0].view(-1)[3] = -1; })), here),
      HasSubstr("negative square"));
  EXPECT_THAT(refusal(engine_->pack(with([](TensorUpdate& u) { u.squares[0].reset(); })), here),
              HasSubstr("has no \"square:"));
  const Outcome endless = with(
      [](TensorUpdate& u) { u.squares[0].view(-1)[3] = std::numeric_limits<float>::infinity(); });
  EXPECT_FALSE(engine_->unpack_update(*sent(engine_->pack(endless)), here).finite);
}

TEST_F(Pruned, IsKeptInFilesWithAllThatItGoesOnWith) {
  const convoy::test::TemporaryFolder folder;
  const auto version = masked_version();
  const auto file = folder.path() / "version.safetensors";
  engine_->save(static_cast<const Weights&>(*version), file, {});
  const auto back = as_weights(engine_->load_weights(file));
  expect_equal(back->tensors, version->tensors);
  expect_equal(back->masks, version->masks);
  // Under the tensors' names stands what nodes have: any kind of run can begin with it.
  EngineOptions ordinary = options_;
  ordinary.rules.elements = {};
  const std::unique_ptr<Engine> other(convoy_make_engine(ordinary));
  EXPECT_EQ(other->evaluate(*other->initial(file), 1, {}).exits.back().loss,
            engine_->evaluate(*version, 1, {}).exits.back().loss);
  EXPECT_EQ(engine_->kept_elements(*engine_->initial(file)), engine_->kept_elements(*version));

  TaskInput gathers = input(version, 3);
  gathers.brief.gather_squares = 0;
  const Outcome outcome = train(gathers);
  engine_->save(*outcome.state, folder.path() / "state.safetensors");
  expect_equal(inside(*engine_->load_state(folder.path() / "state.safetensors")).squares,
               inside(*outcome.state).squares);
  const Outcome brings = train(bringing(version, 3));
  engine_->save(*brings.result, folder.path() / "update.safetensors");
  const auto update = as_update(engine_->load_artifact(folder.path() / "update.safetensors"));
  expect_equal(update->brings, test::update_of(brings).brings);
  expect_equal(update->squares, test::update_of(brings).squares);
  expect_equal(update->masks, test::update_of(brings).masks);
}

}  // namespace
}  // namespace convoy::engine
