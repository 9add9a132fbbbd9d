// Tasks that train a block of the parameters: what they change, what their updates hold, and that
// such an update is never taken for a whole one.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/diagnostics.hpp"
#include "tests/engine/learning/support.hpp"
#include "tests/support/files.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);

namespace convoy::engine {
namespace {

using testing::HasSubstr;

class BlockTraining : public testing::TestWithParam<const char*> {
 protected:
  BlockTraining() {
    const int classes = 4;
    ModelOptions model;
    model.architecture = GetParam() == std::string("norms") ? "cnn-small" : GetParam();
    model.classes = classes;
    model.image_size = 16;
    options_.architecture = GetParam() == std::string("norms")
                                ? test::small_with_norms(classes)
                                : std::make_shared<const Architecture>(make_architecture(model));
    options_.train = test::striped_images(32, classes, 16);
    options_.test = test::striped_images(16, classes, 16, 2);
    options_.parts = test::dealt(32, 2);
    options_.rules.transfer.weight = 0;
    options_.training.optimizer.learning_rate = 0.1;
    make();
  }
  void make() {
    engine_.reset(convoy_make_engine(options_));
    initial_ = engine_->initial();
  }
  [[nodiscard]] TaskInput input(std::optional<ParameterBlock> block, int node = 1) const {
    TaskInput input{.node = node, .task = 5, .brief = {.batch = 8}, .received = initial_};
    if (block) input.brief.set_block(*block);
    return input;
  }
  [[nodiscard]] Outcome train(std::optional<ParameterBlock> block, int steps = 1,
                              int node = 1) const {
    const auto part = test::begin(*engine_, input(block, node), {});
    part->train(1, steps);
    return part->finish();
  }
  [[nodiscard]] Tensors next(const std::vector<Outcome>& outcomes) const {
    std::vector<Input> updates;
    for (const Outcome& outcome : outcomes) updates.push_back({outcome.result, nullptr});
    return inside(*test::aggregate(*engine_, initial_, updates).weights).tensors;
  }
  [[nodiscard]] std::string refusal(const std::function<void()>& call) const {
    try {
      call();
    } catch (const base::UserError& e) {
      return e.what();
    }
    return "";
  }
  static void expect_equal(const Tensors& a, const Tensors& b, const std::string& what) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(a[i].defined(), b[i].defined()) << what << ", tensor " << i;
      if (a[i].defined() && b[i].defined()) {
        EXPECT_TRUE(at::equal(a[i], b[i])) << what << ", tensor " << i;
      }
    }
  }

  EngineOptions options_;
  std::unique_ptr<Engine> engine_;
  std::shared_ptr<const Weights> initial_;
};

TEST_P(BlockTraining, TheBlockOfAllParametersIsTheWholeModel) {
  const Outcome whole = train(std::nullopt, 3);
  const Outcome block = train(ParameterBlock{0, 1}, 3);
  expect_equal(test::update_of(whole).brings, test::update_of(block).brings, "updates");
  EXPECT_EQ(whole.loss, block.loss);
  expect_equal(next({whole}), next({block}), "versions");
}

// After one step of plain SGD the gradient of each row is that of the whole model's step.
TEST_P(BlockTraining, OneStepOfBlocksThatTileIsOneStepOfTheWhole) {
  const Tensors whole = next({train(std::nullopt)});
  const Tensors tiled = next({train(ParameterBlock{0, 0.13}), train(ParameterBlock{0.13, 0.131}),
                              train(ParameterBlock{0.131, 0.62}), train(ParameterBlock{0.62, 1})});
  const Layout layout(options_.architecture);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    EXPECT_TRUE(at::allclose(whole[i], tiled[i], 1e-5, 1e-6)) << layout.tensors[i].name;
  }
}

TEST_P(BlockTraining, OnlyTheBlockChanges) {
  const ParameterBlock block{0.2, 0.5};
  const Outcome outcome = train(block, 4);
  const TensorUpdate& update = test::update_of(outcome);
  const Layout layout(options_.architecture);
  const std::vector<RowRange> rows = rows_of(layout.tensors, block);
  const auto made = test::aggregate(*engine_, initial_, {{outcome.result, nullptr}});
  EXPECT_EQ(made.report.coverage_min, 0);
  double parameters = 0;
  double held = 0;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    ASSERT_EQ(update.brings[i].defined(), !rows[i].is_empty()) << p.name;
    if (!p.buffer) parameters += static_cast<double>(p.elements());
    const Tensor& before = inside(*initial_).tensors[i];
    const Tensor& after = inside(*made.weights).tensors[i];
    const auto same = [&](std::int64_t begin, std::int64_t end) {
      return at::equal(before.slice(0, begin, end), after.slice(0, begin, end));
    };
    EXPECT_TRUE(same(0, rows[i].begin) && same(rows[i].end, p.rows())) << p.name;
    if (rows[i].is_empty()) continue;
    EXPECT_EQ(update.brings[i].size(0), rows[i].size());
    if (p.buffer) continue;
    held += static_cast<double>(update.brings[i].numel());
    const Tensor changed = before.slice(0, rows[i].begin, rows[i].end) + update.brings[i];
    EXPECT_TRUE(at::allclose(after.slice(0, rows[i].begin, rows[i].end), changed)) << p.name;
  }
  EXPECT_NEAR(made.report.untrained, 1 - held / parameters, 1e-12);
  EXPECT_GT(held, 0);
}

// Momentum, a proximal term and weight decay do not reach what is not in the block.
TEST_P(BlockTraining, NothingOfTheOptimizerReachesTheRest) {
  options_.training.optimizer.momentum = 0.9;
  options_.training.optimizer.weight_decay = 0.1;
  options_.training.proximal = 0.5;
  options_.training.clip = 0.5;
  make();
  const Tensors after = next({train(ParameterBlock{0.5, 1}, 4)});
  const Layout layout(options_.architecture);
  const std::vector<RowRange> rows = rows_of(layout.tensors, {0.5, 1});
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const Tensor& before = inside(*initial_).tensors[i];
    EXPECT_TRUE(at::equal(before.slice(0, 0, rows[i].begin), after[i].slice(0, 0, rows[i].begin)))
        << layout.tensors[i].name;
  }
}

TEST_P(BlockTraining, ABlockSmallerThanARowHoldsNothing) {
  const Outcome outcome = train(ParameterBlock{1e-9, 2e-9});
  for (const Tensor& t : test::update_of(outcome).brings) EXPECT_FALSE(t.defined());
  EXPECT_TRUE(outcome.finite);
  expect_equal(next({outcome}), inside(*initial_).tensors, "the version");
}

TEST_P(BlockTraining, FilesAndParcelsBringTheBlock) {
  const convoy::test::TemporaryFolder folder;
  const ParameterBlock block{0.1, 0.7};
  const Outcome outcome = train(block, 2);
  const TensorUpdate& update = test::update_of(outcome);
  engine_->save(*outcome.result, folder.path() / "u");
  const auto loaded = as_update(engine_->load_artifact(folder.path() / "u"));
  ASSERT_TRUE(loaded && loaded->block);
  EXPECT_EQ(loaded->block->block, block);
  expect_equal(loaded->brings, update.brings, "file");

  const auto sent = [&](const TaskInput& of) {
    const Parcel parcel = engine_->pack(outcome);
    const auto box = engine_->unpack(parcel.header, parcel.bytes(), "a peer");
    std::size_t i = 0;
    for (const std::span<std::byte> piece : box->pieces()) {
      std::ranges::copy(parcel.pieces.at(i++), piece.begin());
    }
    return engine_->unpack_update(*box, of);
  };
  expect_equal(test::update_of(sent(input(block))).brings, update.brings, "parcel");
  EXPECT_THAT(refusal([&] { sent(input(ParameterBlock{0.1, 0.6})); }), HasSubstr("another block"));
  EXPECT_THAT(refusal([&] { sent(input(std::nullopt)); }), HasSubstr("another block"));
  const Outcome whole = train(std::nullopt);
  EXPECT_FALSE(test::update_of(whole).block.has_value());
}

TEST_P(BlockTraining, WhatCannotBeHadWithBlocksIsRefused) {
  const auto session = engine_->open(input(ParameterBlock{0, 0.5}), {});
  const auto update = session->run(Train{1, 1}, {{initial_, nullptr}});
  EXPECT_THAT(refusal([&] {
                session->run(Encode{}, {{update, nullptr}});
              }),
              HasSubstr("sent whole"));
  const auto server = engine_->open({.node = 0, .received = initial_}, {});
  EXPECT_THAT(refusal([&] { server->run(Combine{}, {{update, nullptr}}); }), HasSubstr("blocks"));
  const auto opened = [&](const std::function<void(TaskBrief&)>& change) {
    TaskInput of = input(ParameterBlock{0, 0.5});
    change(of.brief);
    return refusal([&] { test::begin(*engine_, of, {})->train(1, 1); });
  };
  EXPECT_THAT(opened([](TaskBrief& b) { b.rate = 0.5; }), HasSubstr("schedule.rates"));
  EXPECT_THAT(opened([](TaskBrief& b) { b.compression.keep = 0.5; }),
              HasSubstr("schedule.compression"));
  EXPECT_THAT(opened([](TaskBrief& b) { b.block_to.reset(); }), HasSubstr("that is none"));
  EXPECT_THAT(opened([](TaskBrief& b) { b.block_from = 0.5; }), HasSubstr("that is none"));
  options_.training.keep_optimizer = true;
  make();
  EXPECT_THAT(opened([](TaskBrief&) {}), HasSubstr("training.optimizer_state"));
}

INSTANTIATE_TEST_SUITE_P(Models, BlockTraining,
                         testing::Values("mlp", "cnn-small", "norms", "vit-micro"),
                         [](const auto& model) {
                           std::string name = model.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace convoy::engine
