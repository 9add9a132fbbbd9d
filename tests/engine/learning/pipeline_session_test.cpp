// Tests that the groups of a synchronous pipeline train what one device would train with the same
// micro-batches, and what of it goes on.

#include "engine/learning/pipeline_session.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/engine/learning/pipeline_chain.hpp"
#include "tests/support/files.hpp"

namespace convoy::engine {
namespace {

using test::expect_equal;
using test::expect_refused;
using test::gpipe;
using test::groups_of;
using test::options_for;
using test::Order;
using test::Pipeline;
using test::small;
using test::Summing;
using test::WholeModel;

// Trains two tasks of two rounds each, and compares with one device that goes through all.
void expect_as_whole(const EngineOptions& options, const std::vector<std::vector<int>>& samples,
                     Order order, int microbatches, double tolerance,
                     Summing summing = Summing::all_to_all) {
  const std::shared_ptr<const Engine> engine(convoy_make_engine(options));
  const Architecture& a = *options.architecture;
  const auto groups = groups_of(a, samples, order, microbatches);
  Pipeline pipeline(engine, groups);
  pipeline.microbatches = microbatches;
  pipeline.summing = summing;
  std::shared_ptr<const TensorWeights> version = as_weights(engine->initial());
  WholeModel alone(options, *version);
  const int in_round = pipeline.samples() * microbatches;
  double losses = 0;
  for (int task = 0; task < 2; ++task) {
    pipeline.samples_before = 2.0 * task * in_round;
    pipeline.backwards = task == 1;
    pipeline.begin(version, task);
    for (int round = 0; round < 2; ++round) {
      pipeline.round();
      alone.round((std::int64_t{2} * task + round) * in_round, pipeline.samples(), microbatches,
                  order == Order::reverse ? gpipe(microbatches, true) : gpipe(microbatches));
    }
    version = pipeline.join();
    const Outcome outcome = pipeline.server->outcome();
    EXPECT_TRUE(outcome.finite);
    EXPECT_EQ(outcome.samples, 2 * in_round);
    EXPECT_EQ(outcome.state, nullptr);
    losses += outcome.loss;
  }
  expect_equal(version->tensors, alone.training->weights(), tolerance);
  ASSERT_TRUE(version->optimizer);
  EXPECT_EQ(version->optimizer->steps, 4);
  expect_equal(version->optimizer->slots[0], alone.training->optimizer().slots[0],
               tolerance > 0 ? 1e-5 : 0);
  EXPECT_NEAR(losses / 2, alone.training->loss(), 1e-5 * alone.training->loss());
}

TEST(PipelineSession, GroupsOfOneEndWithTheBitsOfTheWholeModel) {
  for (const Order order :
       {Order::gpipe, Order::reverse, Order::one_f_one_b, Order::one_f_one_b_doubled}) {
    for (const int stages : {1, 2, 3, 4}) {
      SCOPED_TRACE(testing::Message() << stages << " stages, order " << static_cast<int>(order));
      const std::vector<std::vector<int>> samples(static_cast<std::size_t>(stages), {4});
      expect_as_whole(options_for(test::small_with_norms(4)), samples, order, 4, 0);
    }
  }
  // An odd number of micro-batches, of which shares are no powers of 2; tokens and attention.
  expect_as_whole(options_for(small("resnet18-cifar")), {{2}, {2}}, Order::one_f_one_b, 3, 0);
  expect_as_whole(options_for(small("vit-micro")), {{3}, {3}, {3}}, Order::one_f_one_b, 3, 0);
}

// Other sums only: 1e-6 of a tensor's largest element.
TEST(PipelineSession, GroupsOfSeveralEndWithTheWholeModelButForTheOrderOfAdditions) {
  const std::vector<std::vector<std::vector<int>>> shapes = {{{3, 3}},
                                                             {{6}, {2, 4}},
                                                             {{1, 5}, {4, 2}},
                                                             {{2, 3, 1}, {4, 2}, {6}},
                                                             {{5, 1}, {6}, {1, 2, 3}}};
  for (const auto& samples : shapes) {
    for (const Summing summing : {Summing::all_to_all, Summing::ring, Summing::server}) {
      SCOPED_TRACE(testing::PrintToString(samples));
      SCOPED_TRACE(static_cast<int>(summing));
      expect_as_whole(options_for(small("cnn-small")), samples, Order::one_f_one_b, 4, 1e-6,
                      summing);
    }
  }
  expect_as_whole(options_for(small("vit-micro")), {{2, 1}, {3}}, Order::gpipe, 3, 1e-6);
}

// Weights, momentum and statistics: to the bit, so that it does not matter who gives the version.
TEST(PipelineSession, MembersOfAGroupStayAlike) {
  const EngineOptions options = options_for(test::small_with_norms(4));
  const std::shared_ptr<const Engine> engine(convoy_make_engine(options));
  for (const Summing summing : {Summing::all_to_all, Summing::ring, Summing::server}) {
    Pipeline pipeline(engine,
                      groups_of(*options.architecture, {{2, 3, 3}, {4, 4}}, Order::one_f_one_b, 3));
    pipeline.microbatches = 3;
    pipeline.summing = summing;
    pipeline.begin(engine->initial());
    for (int round = 0; round < 3; ++round) {
      pipeline.round();
      for (const std::size_t p : {0U, 1U}) {
        const auto weights_of = [&](std::size_t i) {
          return std::dynamic_pointer_cast<const StageWeights>(pipeline.given.at({p, i}));
        };
        for (std::size_t i = 1; i < pipeline.sessions[p].size(); ++i) {
          expect_equal(weights_of(i)->tensors, weights_of(0)->tensors);
          expect_equal(weights_of(i)->optimizer.slots[0], weights_of(0)->optimizer.slots[0]);
        }
      }
    }
  }
}

// Of one micro-batch: the mean of what the members' own norms have seen, weighted by samples.
TEST(PipelineSession, RunningStatisticsAreTheMeanOfTheMembers) {
  const EngineOptions options = options_for(test::small_with_norms(4));
  const std::shared_ptr<const Engine> engine(convoy_make_engine(options));
  Pipeline pipeline(engine, groups_of(*options.architecture, {{2, 6}}, Order::gpipe, 1));
  const auto begin = as_weights(engine->initial());
  pipeline.begin(begin);
  pipeline.round();
  const auto joined = pipeline.join();
  Tensors mean(begin->tensors.size());
  WholeModel layout(options, *begin);
  for (const auto& [from, count] : {std::pair(0, 2), std::pair(2, 6)}) {
    WholeModel member(options, *begin);
    const Batch batch = member.batch(from, count);
    member.training->forward(0, {{0, batch.input}}, Targets{batch.labels, 1});
    for (std::size_t i = 0; i < mean.size(); ++i) {
      if (!layout.layout().tensors[i].buffer) continue;
      const Tensor part = member.training->weights()[i] * (count / 8.0);
      mean[i] = mean[i].defined() ? mean[i] + part : part;
    }
  }
  int norms = 0;
  for (std::size_t i = 0; i < mean.size(); ++i) {
    if (!mean[i].defined()) continue;
    ++norms;
    EXPECT_LE(test::difference(joined->tensors[i], mean[i]), 1e-6);
  }
  EXPECT_GT(norms, 0);
}

// From one plan to another, and through a file: the version has all that goes on.
TEST(PipelineSession, AVersionOnFileGoesOnAsInMemory) {
  for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adamw, OptimizerKind::adan}) {
    EngineOptions options = options_for(test::small_with_norms(4));
    options.training.optimizer.kind = kind;
    options.training.optimizer.learning_rate = 0.01;
    if (kind != OptimizerKind::sgd) options.training.optimizer.momentum = 0;
    if (kind == OptimizerKind::adamw) options.training.optimizer.betas = {0.9, 0.999};
    if (kind == OptimizerKind::adan) options.training.optimizer.betas = {0.98, 0.92, 0.99};
    const std::shared_ptr<const Engine> engine(convoy_make_engine(options));
    const auto train = [&](const std::shared_ptr<const Weights>& from, int stages, double before) {
      const std::vector<std::vector<int>> samples(static_cast<std::size_t>(stages), {4});
      Pipeline pipeline(engine, groups_of(*options.architecture, samples, Order::gpipe, 2));
      pipeline.microbatches = 2;
      pipeline.samples_before = before;
      pipeline.begin(from);
      pipeline.round();
      return pipeline.join();
    };
    const auto first = train(engine->initial(), 2, 0);
    const convoy::test::TemporaryFolder folder;
    engine->save(*first, folder.path() / "version.safetensors", {});
    const auto loaded = engine->load_weights(folder.path() / "version.safetensors");
    const auto here = train(first, 3, 8);
    const auto there = train(loaded, 3, 8);
    expect_equal(there->tensors, here->tensors);
    // Another run that begins from the file begins with a fresh optimizer.
    const auto fresh = train(engine->initial(folder.path() / "version.safetensors"), 3, 8);
    EXPECT_GT(test::difference(fresh->tensors[0], here->tensors[0]), 0);
    EXPECT_EQ(here->optimizer->steps, 2);
    EXPECT_EQ(fresh->optimizer->steps, 1);
  }
}

TEST(SampleStream, TakesEachSampleOnceInAnEpochWhereverItBegins) {
  std::vector<LocalSplit> parts = test::dealt(20, 3);
  SampleStream stream(parts, 7);
  const std::vector<std::int64_t> all = stream.at(0, 60);
  for (int epoch = 0; epoch < 3; ++epoch) {
    std::vector<std::int64_t> once(all.begin() + (20 * epoch), all.begin() + (20 * (epoch + 1)));
    EXPECT_EQ(std::equal(once.begin(), once.end(), all.begin()), epoch == 0);
    std::sort(once.begin(), once.end());
    std::vector<std::int64_t> wanted(20);
    std::iota(wanted.begin(), wanted.end(), 0);
    EXPECT_EQ(once, wanted);
  }
  for (int from = 0; from < 50; ++from) {
    SampleStream other(parts, 7);
    const std::vector<std::int64_t> some = other.at(from, 10);
    EXPECT_TRUE(std::equal(some.begin(), some.end(), all.begin() + from));
  }
  EXPECT_NE(SampleStream(parts, 8).at(0, 20), stream.at(0, 20));
  parts.assign(3, {});
  expect_refused([&] { SampleStream none(parts, 7); }, "no node has data");
}

}  // namespace
}  // namespace convoy::engine
