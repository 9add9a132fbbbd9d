// FedPM in the engine: frozen weights, scores trained through the draw, a bit for each weight.

#include "engine/learning/sampled.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numbers>

#include "engine/api/element_costs.hpp"
#include "engine/learning/autograd.hpp"
#include "engine/rules/fedpm.hpp"
#include "tests/engine/learning/support.hpp"
#include "tests/support/files.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);

namespace convoy::engine {
namespace {

using testing::HasSubstr;

class Sampled : public testing::Test {
 protected:
  Sampled() : Sampled(test::small_with_norms(4), 16) {}
  Sampled(std::shared_ptr<const Architecture> architecture, int image_size) {
    options_.architecture = std::move(architecture);
    options_.train = test::striped_images(64, 4, image_size);
    options_.test = options_.train;
    options_.parts = test::dealt(64, 2);
    options_.rules.elements.kind = ElementKind::sampled;
    options_.rules.aggregation.rule = mean_of_masks();
    engine_.reset(convoy_make_engine(options_));
    weights_ = engine_->initial();
  }

  TaskInput input(const std::shared_ptr<const Weights>& from, std::int64_t task,
                  std::shared_ptr<const NodeState> state = nullptr, int node = 1) {
    TaskInput made{.node = node, .task = task, .received = from, .state = std::move(state)};
    made.brief.batch = 8;
    return made;
  }
  Outcome train(const TaskInput& input, int steps = 2) {
    const auto session = engine_->open(input, {});
    session->run(Train{.epochs = 1, .steps = steps}, {{input.received, nullptr}});
    return session->outcome();
  }
  std::unique_ptr<Unpacking> sent(const Parcel& parcel) {
    auto box = engine_->unpack(parcel.header, parcel.bytes(), "a peer");
    auto to = box->pieces().begin();
    for (const auto& piece : parcel.pieces) std::memcpy(to++->data(), piece.data(), piece.size());
    return box;
  }
  [[nodiscard]] Layout layout() const {
    return Layout(options_.architecture, ElementKind::sampled);
  }
  // The number of the tensor with the most elements.
  [[nodiscard]] std::size_t largest() const {
    const std::vector<ParameterTensor> all = parameter_tensors(*options_.architecture);
    const auto most = std::ranges::max_element(all, {}, &ParameterTensor::elements);
    return static_cast<std::size_t>(most - all.begin());
  }
  const TensorWeights& version(const std::shared_ptr<const Weights>& w) const { return inside(*w); }

  static void expect_equal(const Tensors& a, const Tensors& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      ASSERT_EQ(a[i].defined(), b[i].defined()) << i;
      if (!a[i].defined()) continue;
      EXPECT_TRUE(at::equal(a[i], b[i])) << i;
    }
  }

  EngineOptions options_;
  std::unique_ptr<Engine> engine_;
  std::shared_ptr<const Weights> weights_;
};

TEST_F(Sampled, NetworksAreFrozenAtPlusOrMinusC) {
  const Layout layout = this->layout();
  const Tensors frozen = frozen_network(layout, 7);
  expect_equal(frozen, frozen_network(layout, 7));
  double fan_in = 1;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    EXPECT_EQ(frozen[i].defined(), !p.buffer);
    if (p.buffer) continue;
    if (p.role == TensorRole::weight) fan_in = static_cast<double>(p.elements() / p.rows());
    if (layout.samples(i)) {
      const auto c = static_cast<float>(std::numbers::e / std::sqrt(fan_in));
      EXPECT_TRUE(at::equal(frozen[i].abs(), at::full_like(frozen[i], c))) << p.name;
      if (p.elements() > 500) {
        EXPECT_NEAR(frozen[i].gt(0).to(at::kFloat).mean().item<float>(), 0.5, 0.1) << p.name;
      }
    } else {
      EXPECT_TRUE(layout.freezes(i));
      EXPECT_TRUE(
          at::equal(frozen[i], at::full_like(frozen[i], p.role == TensorRole::scale ? 1 : 0)));
    }
  }
  EXPECT_FALSE(at::equal(frozen[0], frozen_network(layout, 8)[0]));
  // Scores begin at N(0, 1).
  const Tensor scores = version(weights_).tensors[largest()];
  EXPECT_NEAR(scores.mean().item<float>(), 0, 0.1);
  EXPECT_NEAR(scores.std().item<float>(), 1, 0.1);
}

TEST_F(Sampled, TheGradientGoesStraightThroughTheDraw) {
  const Tensor scores = at::randn({50}).requires_grad_();
  const Tensor constants = at::randn({50});
  const Tensor numbers = at::rand({50});
  const Tensor slope = at::randn({50});
  const Tensor drawn = drawn_weights(scores, constants, numbers);
  const Tensor p = scores.detach().sigmoid();
  EXPECT_TRUE(at::equal(drawn.detach(), at::where(numbers < p, constants, at::zeros({50}))));
  backward((drawn * slope).sum());
  EXPECT_TRUE(at::allclose(scores.grad(), slope * constants * p * (1 - p)));
}

TEST_F(Sampled, AnUpdateIsOneSampleAndTheStateGoesOn) {
  const Outcome first = train(input(weights_, 1));
  const Layout layout = this->layout();
  const TensorUpdate& update = test::update_of(first);
  const auto one = static_cast<float>(mask_one);
  const auto zero = static_cast<float>(mask_zero);
  double ones = 0;
  double expected = 0;
  double all = 0;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    EXPECT_EQ(update.brings[i].defined(), !layout.freezes(i));
    if (!layout.samples(i)) continue;
    EXPECT_TRUE(update.brings[i].eq(one).logical_or(update.brings[i].eq(zero)).all().item<bool>());
    ones += update.brings[i].eq(one).sum().item<double>();
    expected += version(weights_).tensors[i].sigmoid().sum().item<double>();
    all += static_cast<double>(update.brings[i].numel());
  }
  // Two steps of .1 move p by little.
  EXPECT_NEAR(ones / all, expected / all, 0.05);
  expect_equal(update.brings, test::update_of(train(input(weights_, 1))).brings);
  EXPECT_FALSE(at::equal(update.brings[0], test::update_of(train(input(weights_, 2))).brings[0]));
  // Adam goes on at the node, whatever the scenario says of other optimizers.
  ASSERT_TRUE(inside(*first.state).optimizer);
  EXPECT_EQ(inside(*first.state).optimizer->steps, 2);
  const Outcome second = train(input(weights_, 2, first.state));
  EXPECT_EQ(inside(*second.state).optimizer->steps, 4);
  EXPECT_TRUE(second.finite);
  EXPECT_GT(second.loss, 0);
}

TEST_F(Sampled, TheServerMakesScoresOfTheMeanOfMasks) {
  const std::vector<Outcome> outcomes = {train(input(weights_, 1)), train(input(weights_, 2)),
                                         train(input(weights_, 3, nullptr, 2))};
  std::vector<Input> updates;
  for (const Outcome& o : outcomes) updates.push_back({o.result, nullptr});
  const test::Next made = test::aggregate(*engine_, weights_, updates);
  const TensorWeights& now = version(made.weights);
  const Layout layout = this->layout();
  for (std::size_t i = 0; i < layout.size(); ++i) {
    Tensor sum = at::zeros(layout.tensors[i].shape, at::kDouble);
    for (const Outcome& o : outcomes) {
      const Tensor& brought = test::update_of(o).brings[i];
      if (brought.defined()) sum.add_(brought);
    }
    const Tensor mean = sum / 3;
    if (layout.samples(i)) {
      const Tensor wanted = (mean / (1 - mean)).log();
      EXPECT_TRUE(at::allclose(now.tensors[i].to(at::kDouble), wanted, 1e-5, 1e-5)) << i;
    } else if (layout.tensors[i].buffer) {
      EXPECT_TRUE(at::allclose(now.tensors[i].to(at::kDouble), mean, 1e-5, 1e-6)) << i;
    } else {
      EXPECT_TRUE(at::equal(now.tensors[i], version(weights_).tensors[i])) << i;
    }
  }
  // Nothing of what is frozen waits for somebody to train it.
  EXPECT_EQ(made.report.coverage_min, 3);
  EXPECT_EQ(made.report.untrained, 0);
}

TEST_F(Sampled, TravelsAsItsCostsSay) {
  const Architecture& a = *options_.architecture;
  const TaskInput here = input(weights_, 1);
  const Parcel down = engine_->pack(here);
  double lists = 0;
  for (const Group& group : a.groups) lists += 4.0 * group.size;
  EXPECT_EQ(static_cast<double>(down.bytes()), sampled_down_bytes(a) + lists);
  TaskInput there = here;
  there.received = engine_->unpack_weights(*sent(down));
  const Outcome outcome = train(there);
  expect_equal(test::update_of(outcome).brings, test::update_of(train(here)).brings);
  const Parcel up = engine_->pack(outcome);
  EXPECT_EQ(static_cast<double>(up.bytes()), sampled_up_bytes(a) + lists);
  expect_equal(test::update_of(engine_->unpack_update(*sent(up), here)).brings,
               test::update_of(outcome).brings);
  // Where the scores are no numbers any more a sample does not tell; the header does.
  Outcome broken = outcome;
  broken.finite = false;
  EXPECT_FALSE(engine_->unpack_update(*sent(engine_->pack(broken)), here).finite);
}

TEST_F(Sampled, OnlyMasksAreTaken) {
  const TaskInput here = input(weights_, 1);
  const Outcome outcome = train(here);
  const Parcel good = engine_->pack(outcome);
  const auto refusal = [&](const std::string& from, const std::string& to,
                           const std::function<void(Unpacking&)>& change) -> std::string {
    std::string header = good.header;
    if (!from.empty()) header.replace(header.find(from), from.size(), to);
    try {
      const auto box = engine_->unpack(header, good.bytes(), "a peer");
      auto piece = box->pieces().begin();
      for (const auto& p : good.pieces) std::memcpy(piece++->data(), p.data(), p.size());
      if (change) change(*box);
      engine_->unpack_update(*box, here);
    } catch (const base::UserError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(refusal("", "", {}), "");
  const std::string name = layout().tensors[0].name;
  EXPECT_THAT(refusal("sample:" + name, "deltas:" + name, {}), HasSubstr("sample:" + name));
  // The last classifier has a bias of 4: bits behind them must be 0.
  EXPECT_THAT(refusal("", "",
                      [&](Unpacking& box) {
                        for (const auto& piece : box.pieces()) {
                          if (piece.size() == 1) piece[0] = std::byte{0xF0};
                        }
                      }),
              HasSubstr("bits are set behind the last element"));
  // Values in place of a sample.
  EngineOptions ordinary = options_;
  ordinary.rules.elements = {};
  ordinary.rules.aggregation = {};
  const std::unique_ptr<Engine> other(convoy_make_engine(ordinary));
  const auto plain = other->initial();
  const auto session = other->open(input(plain, 1), {});
  session->run(Train{.epochs = 1, .steps = 1}, {{plain, nullptr}});
  const Parcel values = other->pack(session->outcome());
  try {
    engine_->unpack_update(*sent(values), here);
    FAIL();
  } catch (const base::UserError& e) {
    EXPECT_THAT(e.what(), HasSubstr("sample:"));
  }
}

TEST_F(Sampled, IsTestedAsOneSampleOrByThreshold) {
  const Layout layout = this->layout();
  const Tensors frozen = frozen_network(layout, options_.seed);
  const Tensors& scores = version(weights_).tensors;
  const Tensors sample = network_of(layout, frozen, scores, options_.seed, false);
  const Tensors threshold = network_of(layout, frozen, scores, options_.seed, true);
  expect_equal(sample, network_of(layout, frozen, scores, options_.seed, false));
  EXPECT_TRUE(at::equal(threshold[0], frozen[0] * scores[0].gt(0)));
  EXPECT_FALSE(at::equal(threshold[0], sample[0]));
  EXPECT_NEAR(sample[largest()].ne(0).to(at::kFloat).mean().item<float>(), 0.5, 0.1);
  EngineOptions by_threshold = options_;
  by_threshold.rules.elements.threshold = true;
  const std::unique_ptr<Engine> other(convoy_make_engine(by_threshold));
  EXPECT_NE(other->evaluate(*weights_, 1, {}).loss(), engine_->evaluate(*weights_, 1, {}).loss());
}

TEST_F(Sampled, IsKeptInFilesAsTheNetworkAndItsScores) {
  const convoy::test::TemporaryFolder folder;
  const auto file = folder.path() / "version.safetensors";
  engine_->save(*weights_, file, {});
  expect_equal(version(engine_->load_weights(file)).tensors, version(weights_).tensors);
  EngineOptions ordinary = options_;
  ordinary.rules.elements = {};
  ordinary.rules.aggregation = {};
  const std::unique_ptr<Engine> other(convoy_make_engine(ordinary));
  EXPECT_EQ(other->evaluate(*other->initial(file), 1, {}).loss(),
            engine_->evaluate(*weights_, 1, {}).loss());
  EXPECT_THROW(engine_->initial(file), base::UserError);
  const Outcome outcome = train(input(weights_, 1));
  engine_->save(*outcome.result, folder.path() / "update.safetensors");
  const auto update = as_update(engine_->load_artifact(folder.path() / "update.safetensors"));
  expect_equal(update->brings, test::update_of(outcome).brings);
  engine_->save(*outcome.state, folder.path() / "state.safetensors");
  const auto state = engine_->load_state(folder.path() / "state.safetensors");
  const Outcome from_file = train(input(weights_, 2, state));
  const Outcome from_memory = train(input(weights_, 2, outcome.state));
  expect_equal(test::update_of(from_file).brings, test::update_of(from_memory).brings);
}

std::shared_ptr<const Architecture> mlp() {
  ModelOptions model;
  model.architecture = "mlp";
  model.classes = 4;
  return std::make_shared<const Architecture>(make_architecture(model));
}

class SampledMlp : public Sampled {
 protected:
  SampledMlp() : Sampled(mlp(), 28) {}
};

TEST_F(SampledMlp, LearnsWhoTakesPart) {
  std::map<int, std::shared_ptr<const NodeState>> states;
  std::shared_ptr<const Weights> weights = weights_;
  for (int round = 0; round < 12; ++round) {
    std::vector<Input> updates;
    for (const int node : {1, 2}) {
      const Outcome outcome = train(input(weights, 2 * round + node, states[node], node), 8);
      states[node] = outcome.state;
      updates.push_back({outcome.result, nullptr});
    }
    weights = test::aggregate(*engine_, weights, updates, round).weights;
  }
  EXPECT_GT(engine_->evaluate(*weights, 1, {}).accuracy(), 0.6);  // chance: .25
}

}  // namespace
}  // namespace convoy::engine
