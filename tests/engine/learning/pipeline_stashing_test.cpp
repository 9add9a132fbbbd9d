// Tests that PipeDream trains with the weights that a micro-batch really went through.

#include <gtest/gtest.h>

#include "tests/engine/learning/pipeline_chain.hpp"

namespace convoy::engine {
namespace {

using test::expect_equal;
using test::gpipe;
using test::Group;
using test::groups_of;
using test::options_for;
using test::Order;
using test::Pipeline;
using test::small;
using test::Summing;
using test::WholeModel;

// By hand: micro-batch m goes through stage p with the weights after so many steps as the stage has
// made when it begins m in 1F1B; each stage steps by its part of the gradient at all of these.
Tensors by_delayed_weights(const EngineOptions& options, const TensorWeights& begin,
                           const std::vector<Group>& groups, int samples, int microbatches,
                           bool vertical_sync) {
  const Layout layout(options.architecture);
  const Submodel full = full_submodel(*options.architecture);
  const Trace traced = trace(*options.architecture, full);
  std::vector<int> stage_of(layout.size());
  for (std::size_t p = 0; p < groups.size(); ++p) {
    for (const std::size_t i : tensors_of(layout, traced, groups[p].stage)) {
      stage_of[i] = static_cast<int>(p);
    }
  }
  std::vector<Tensors> after = {begin.tensors};  // so many steps
  Tensors velocity(layout.size());
  for (int m = 0; m < microbatches; ++m) {
    const auto steps_before = [&](int p) {
      int steps = 0;
      for (const int what : groups[static_cast<std::size_t>(vertical_sync ? 0 : p)].order) {
        if (what == m) return steps;
        if (what < 0) ++steps;
      }
      return steps;
    };
    Tensors seen(layout.size());
    for (std::size_t i = 0; i < layout.size(); ++i) {
      seen[i] = after.at(static_cast<std::size_t>(steps_before(stage_of[i])))[i];
    }
    WholeModel whole(options, TensorWeights(seen, {}));
    const Batch batch = whole.batch(std::int64_t{m} * samples, samples);
    whole.training->forward(m, {{0, batch.input}}, Targets{batch.labels, 1});
    whole.training->backward(m, {});
    const Tensors gradients = whole.training->take_gradients();
    Tensors next = after.back();
    for (std::size_t i = 0; i < layout.size(); ++i) {
      if (!gradients[i].defined()) continue;
      velocity[i] =
          velocity[i].defined() ? velocity[i] * test::momentum : at::zeros_like(gradients[i]);
      velocity[i].add_(gradients[i]);
      next[i] = next[i].detach().clone().sub_(velocity[i], test::learning_rate);
    }
    after.push_back(std::move(next));
  }
  return after.back();
}

TEST(PipelineSession, StashedWeightsAreThoseThatAMicroBatchWentThrough) {
  const int microbatches = 7;
  const EngineOptions options = options_for(small("cnn-small"));
  const std::shared_ptr<const Engine> engine(convoy_make_engine(options));
  const auto begin = as_weights(engine->initial());
  const auto groups =
      groups_of(*options.architecture, {{4}, {4}, {4}}, Order::one_f_one_b, microbatches);
  std::vector<Tensors> results;
  for (const bool vertical_sync : {false, true}) {
    Pipeline pipeline(engine, groups);
    pipeline.microbatches = microbatches;
    pipeline.stashes = true;
    pipeline.vertical_sync = vertical_sync;
    pipeline.begin(begin);
    pipeline.round();
    const auto version = pipeline.join();
    EXPECT_EQ(version->optimizer->steps, microbatches);
    EXPECT_EQ(pipeline.server->outcome().samples, 4 * microbatches);
    results.push_back(version->tensors);
    expect_equal(results.back(),
                 by_delayed_weights(options, *begin, groups, 4, microbatches, vertical_sync));
  }
  // The delays do something, and not the same.
  const Tensors& head = results[0];
  EXPECT_GT(test::difference(head[0], results[1][0]), 1e-5);
  WholeModel alone(options, *begin);
  for (int m = 0; m < microbatches; ++m) alone.round(4 * m, 4, 1, gpipe(1));
  EXPECT_GT(test::difference(head[0], alone.training->weights()[0].detach()), 1e-5);
}

TEST(PipelineSession, StashedWeightsInGroupsOfSeveral) {
  const int microbatches = 6;
  const EngineOptions options = options_for(small("cnn-small"));
  const std::shared_ptr<const Engine> engine(convoy_make_engine(options));
  const auto begin = as_weights(engine->initial());
  const auto groups =
      groups_of(*options.architecture, {{2, 2}, {1, 3}, {4}}, Order::one_f_one_b, microbatches);
  for (const bool vertical_sync : {false, true}) {
    for (const Summing summing : {Summing::all_to_all, Summing::ring}) {
      Pipeline pipeline(engine, groups);
      pipeline.microbatches = microbatches;
      pipeline.stashes = true;
      pipeline.vertical_sync = vertical_sync;
      pipeline.summing = summing;
      pipeline.begin(begin);
      pipeline.round();
      expect_equal(pipeline.join()->tensors,
                   by_delayed_weights(options, *begin, groups, 4, microbatches, vertical_sync),
                   1e-6);
    }
  }
}

}  // namespace
}  // namespace convoy::engine
