// Tests compressed updates: what arrives, the residual, the bytes sent.

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <ostream>

#include "engine/api/update_bytes.hpp"
#include "engine/learning/encoded_update.hpp"
#include "tests/engine/learning/support.hpp"
#include "tests/support/files.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);

namespace convoy::engine {

// For the names of tests.
void PrintTo(const Compression& c, std::ostream* to) {
  *to << (c.drawn ? "drawn " : "largest ") << c.keep << " in " << c.bits << " bits"
      << (c.feedback ? "" : " without feedback");
}

namespace {

const std::vector<Compression> ways = {
    {.keep = 0.1},
    {.keep = 0.5, .bits = 8, .feedback = false},
    {.keep = 0.2, .drawn = true, .bits = 1},
};

class Encoding : public testing::TestWithParam<Compression> {
 protected:
  Encoding() {
    ModelOptions model;
    model.architecture = "resnet18-cifar";  // it has running statistics
    model.classes = 4;
    model.image_size = 8;
    options_.architecture = std::make_shared<const Architecture>(make_architecture(model));
    options_.train = test::striped_images(16, 4, 8);
    options_.test = options_.train;
    options_.parts = test::dealt(16, 1);
    options_.training.optimizer.learning_rate = 0.05;
    engine_.reset(convoy_make_engine(options_));
    weights_ = engine_->initial();
  }

  TaskInput input(std::int64_t task, double rate = 1,
                  std::shared_ptr<const NodeState> state = nullptr) {
    TaskInput made{.node = 1, .task = task, .received = weights_, .state = std::move(state)};
    made.brief.rate = rate;
    made.brief.batch = 8;
    made.brief.compression = GetParam();
    return made;
  }

  // Trains, and encodes if requested.
  Outcome run(const TaskInput& input, bool encodes) {
    const auto session = engine_->open(input, {});
    const auto update = session->run(Train{.epochs = 1}, {{weights_, nullptr}});
    if (encodes) session->run(Encode{}, {{update, nullptr}});
    return session->outcome();
  }

  // The result on the receiving side.
  Outcome sent(const Outcome& outcome, const TaskInput& input) {
    const Parcel parcel = engine_->pack(outcome);
    const auto box = engine_->unpack(parcel.header, parcel.bytes(), "a peer");
    auto to = box->pieces().begin();
    for (const auto& piece : parcel.pieces) {
      EXPECT_EQ(to->size(), piece.size());
      std::memcpy(to++->data(), piece.data(), piece.size());
    }
    return engine_->unpack_update(*box, input);
  }

  static void expect_equal(const Tensors& a, const Tensors& b, double tolerance = 0) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      ASSERT_EQ(a[i].defined(), b[i].defined()) << i;
      if (!a[i].defined()) continue;
      EXPECT_LE((a[i] - b[i]).abs().max().item<double>(), tolerance) << i;
    }
  }

  EngineOptions options_;
  std::unique_ptr<Engine> engine_;
  std::shared_ptr<const Weights> weights_;
};

TEST_P(Encoding, WhatIsNotSentComesWithTheNextUpdate) {
  const Outcome first = run(input(1), true);
  const Outcome first_plain = run(input(1), false);
  const Outcome second = run(input(2, 1, first.state), true);
  const Outcome second_plain = run(input(2), false);
  const at::NoGradGuard no_grad;
  const Tensors& left = inside(*first.state).residual;
  const Tensors& left_then = inside(*second.state).residual;
  EXPECT_EQ(left.empty(), !GetParam().feedback);
  for (std::size_t i = 0; i < test::update_of(first).brings.size(); ++i) {
    const Tensor wanted = test::update_of(first_plain).brings[i];
    const Tensor arrived = test::update_of(first).brings[i];
    if (parameter_tensors(*options_.architecture)[i].buffer) {
      EXPECT_TRUE(at::equal(wanted, arrived)) << "running statistics go whole";
      continue;
    }
    if (!GetParam().feedback) continue;
    EXPECT_TRUE(at::equal(wanted - arrived, left[i])) << i;
    EXPECT_TRUE(at::equal(
        test::update_of(second_plain).brings[i] + left[i] - test::update_of(second).brings[i],
        left_then[i]))
        << i;
  }
  EXPECT_TRUE(first.finite);
}

TEST_P(Encoding, AsManyBytesTravelAsTheCostsSay) {
  const Architecture& a = *options_.architecture;
  for (const double rate : {1.0, 0.5}) {
    const Outcome outcome = run(input(1, rate), true);
    double kept = 0;
    for (const auto& members : outcome.submodel.kept) kept += 4.0 * std::ssize(members);
    EXPECT_EQ(static_cast<double>(engine_->pack(outcome).bytes()) - kept,
              update_bytes(a, outcome.submodel, GetParam()));
  }
}

TEST_P(Encoding, ArrivesAsItWasSentOrIsRefused) {
  const TaskInput task = input(1, 0.5);
  const Outcome outcome = run(task, true);
  const Outcome arrived = sent(outcome, task);
  expect_equal(test::update_of(arrived).brings, test::update_of(outcome).brings);
  TaskInput other = task;
  other.brief.compression = {};
  EXPECT_THROW(sent(outcome, other), base::UserError) << "it was to come whole";
  other.brief.compression = {.keep = 0.3, .bits = 8};
  EXPECT_THROW(sent(outcome, other), base::UserError);
  EXPECT_THROW(sent(run(task, false), task), base::UserError) << "it was to be compressed";
  other = task;
  other.task = 2;
  EXPECT_THROW(sent(outcome, other), base::UserError) << "drawn for another task";
}

TEST_P(Encoding, WhatIsKeptInFilesIsTheSameAgain) {
  const convoy::test::TemporaryFolder folder;
  const Outcome outcome = run(input(1, 0.5), true);
  engine_->save(*outcome.result, folder.path() / "update");
  engine_->save(*outcome.state, folder.path() / "state");
  Outcome read = outcome;
  read.result = engine_->load_artifact(folder.path() / "update");
  read.state = engine_->load_state(folder.path() / "state");
  expect_equal(test::update_of(read).brings, test::update_of(outcome).brings);
  expect_equal(inside(*read.state).residual, inside(*outcome.state).residual);
  expect_equal(test::update_of(sent(read, input(1, 0.5))).brings, test::update_of(outcome).brings);
  expect_equal(test::update_of(run(input(2, 0.5, read.state), true)).brings,
               test::update_of(run(input(2, 0.5, outcome.state), true)).brings);
}

INSTANTIATE_TEST_SUITE_P(Ways, Encoding, testing::ValuesIn(ways));

// Elements of a residual that both submodels have stay at their places in the full model.
TEST(Residual, GoesOnInAnotherSubmodel) {
  base::Random random({3});
  for (const ModelOptions& model : test::small_models()) {
    const Layout layout = test::layout_of(model);
    const Architecture& a = *layout.architecture;
    const Submodel from = test::random_submodel(a, random);
    const Submodel to = test::random_submodel(a, random);
    Tensors full;
    for (const ParameterTensor& p : layout.tensors)
      full.push_back(at::rand(p.shape) + 0.5);  // no element is 0
    const Tensors moved = residual_in(layout, slice(full, layout, from, at::kCPU), from, to);
    for (std::size_t i = 0; i < layout.size(); ++i) {
      const ParameterTensor& p = layout.tensors[i];
      if (!is_in(p, a, from) || !is_in(p, a, to)) {
        EXPECT_FALSE(moved[i].defined());
        continue;
      }
      const Tensor wanted = slice(full[i], kept_of(p, a, to));
      const Tensor is_there = moved[i] != 0;
      EXPECT_TRUE(at::equal(at::where(is_there, wanted, at::zeros_like(wanted)), moved[i]))
          << p.name;
      // The number of elements that both submodels have.
      Tensors ones(layout.size());
      ones[i] = at::ones(shape_in(p, kept_of(p, a, from)));
      EXPECT_EQ(residual_in(layout, ones, from, to)[i].sum().item<double>(),
                is_there.sum().item<double>())
          << p.name;
    }
  }
}

}  // namespace
}  // namespace convoy::engine
