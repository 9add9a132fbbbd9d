// Tests what members of a pipeline's groups refuse.

#include <gtest/gtest.h>

#include "tests/engine/learning/pipeline_chain.hpp"

namespace convoy::engine {
namespace {

using test::expect_refused;
using test::gpipe;
using test::Group;
using test::groups_of;
using test::options_for;
using test::Order;
using test::Pipeline;
using test::small;

class RefusedTest : public testing::Test {
 protected:
  // Two stages of two members, whose first has sent micro-batch 0.
  void SetUp() override {
    const auto groups = groups_of(*options.architecture, {{2, 4}, {3, 3}}, Order::gpipe, 2);
    stages = {groups[0].stage, groups[1].stage};
    pipeline.emplace(engine, groups);
    pipeline->microbatches = 2;
    pipeline->begin(engine->initial());
  }
  Session& member(std::size_t p, std::size_t i) { return *pipeline->sessions[p][i]; }
  Input sent(std::size_t i, int m = 0) {
    return {member(0, i).run(pipeline->forward_of(0, i, m), {}), {}};
  }
  void forward(std::size_t p, std::size_t i, const std::vector<Input>& inputs, int m = 0) {
    member(p, i).run(pipeline->forward_of(p, i, m), inputs);
  }

  EngineOptions options = options_for(small("cnn-small"));
  std::shared_ptr<const Engine> engine{convoy_make_engine(options)};
  std::optional<Pipeline> pipeline;
  std::vector<Stage> stages;
};

TEST_F(RefusedTest, PartsThatAreMissingOrComeTwice) {
  const Input first = sent(0);
  const Input second = sent(1);
  // The second stage's members have the samples 0 to 2 and 3 to 5, the first's 0 to 1 and 2 to 5.
  expect_refused([&] { forward(1, 0, {first}); }, "activations of the samples 2 to 2 did not come");
  expect_refused([&] { forward(1, 0, {second}); },
                 "activations of the samples 0 to 1 did not come");
  expect_refused([&] { forward(1, 0, {}); }, "activations of the samples 0 to 2 did not come");
  expect_refused(
      [&] {
        forward(1, 0, {first, second, second});
      },
      "activations of the samples 2 to 2 came twice");
  expect_refused([&] { forward(1, 1, {first, second}); }, "0 to 1 came, of which it has none");
  expect_refused([&] { forward(1, 0, {first, sent(1, 1)}); }, "in place of micro-batch 0");
  forward(1, 1, {second});
  expect_refused([&] { forward(1, 1, {second}); }, "twice in a round");
  ForwardPart other = pipeline->forward_of(1, 1, 1);
  other.from = 2;
  expect_refused([&] { member(1, 1).run(other, {}); }, "all of a task must be alike");
  other.to = 7;
  expect_refused([&] { member(1, 0).run(other, {}); }, "there are no samples 2 to 6 of 6");
  other = pipeline->forward_of(1, 0, 2);
  expect_refused([&] { member(1, 0).run(other, {}); }, "micro-batch 2 of 2");
}

TEST_F(RefusedTest, GradientsThatAreMissingOrComeTwice) {
  const Stage& front = stages[0];
  const Stage& back = stages[1];
  const BackwardPart returns{back.first, back.last, 0};
  expect_refused([&] { member(1, 0).run(returns, {}); }, "nothing went forward");
  std::vector<Input> gradients;
  for (const int m : {0, 1}) {
    const std::vector<Input> both = {sent(0, m), sent(1, m)};
    forward(1, 0, both, m);
    forward(1, 1, {both[1]}, m);
  }
  expect_refused(
      [&] {
        member(0, 1).run(BackwardPart{front.first, front.last, 0}, {});
      },
      "gradients of the samples 2 to 5 did not come");
  const AddGradients add{.first = back.first, .last = back.last};
  expect_refused([&] { member(1, 0).run(add, {}); },
                 "add gradients before the micro-batches 0 1 of 2 are back");
  for (const std::size_t i : {0U, 1U}) {
    gradients.push_back({member(1, i).run(returns, {}), {}});
    member(1, i).run(BackwardPart{back.first, back.last, 1}, {});
  }
  expect_refused([&] { member(1, 0).run(returns, {}); }, "did not go forward");
  expect_refused(
      [&] {
        member(0, 1).run(BackwardPart{front.first, front.last, 1}, gradients);
      },
      "in place of those of micro-batch 1");
  member(0, 0).run(BackwardPart{front.first, front.last, 0}, {gradients[0]});
  member(0, 1).run(BackwardPart{front.first, front.last, 0}, gradients);

  const StepPart step{back.first, back.last};
  expect_refused([&] { member(1, 0).run(step, {}); }, "of the other members");
  const Input own = {member(1, 0).run(add, {}), {}};
  const Input other = {member(1, 1).run(add, {}), {}};
  expect_refused([&] { member(1, 0).run(step, {own}); }, "lacks those of sample 3");
  expect_refused(
      [&] {
        member(1, 0).run(step, {own, other, own});
      },
      "the gradients of the samples 0 to 2 are to be added twice");
  expect_refused([&] { member(1, 0).run(add, {own}); }, "added twice");
  AddGradients chunk = add;
  chunk.chunks = 2;
  const Input others = {member(1, 1).run(chunk, {}), {}};
  const Input half = {member(1, 0).run(chunk, {others}), {}};
  expect_refused([&] { member(1, 0).run(step, {half}); }, "chunk 1 of 2 of its gradients did not");
  expect_refused([&] { member(1, 0).run(step, {half, own}); }, "in 2 chunks, and in 1");
  expect_refused([&] { member(1, 0).run(add, {half}); }, "chunk 0 of 2 came");
  expect_refused(
      [&] {
        member(1, 0).run(StepPart{back.first, back.last, 0}, {own, other});
      },
      "of one micro-batch of a round");
  expect_refused([&] { pipeline->server->run(JoinWeights{}, {}); }, "is given none");
}

TEST_F(RefusedTest, StagesThatAreNoModel) {
  std::vector<Group> groups = groups_of(*options.architecture, {{4}, {4}}, Order::gpipe, 1);
  Pipeline whole(engine, groups);
  whole.begin(engine->initial());
  whole.round();
  const Input first = {whole.given.at({0, 0}), {}};
  expect_refused([&] { whole.server->run(JoinWeights{}, {first}); }, "of which none holds");
  expect_refused([&] { whole.server->run(JoinWeights{}, {first, first}); }, "of which two hold");
  whole.round();
  const Input later = {whole.given.at({1, 0}), {}};
  expect_refused(
      [&] {
        whole.server->run(JoinWeights{}, {first, later});
      },
      "of different trainings");
  expect_refused(
      [&] { whole.sessions[0][0]->run(ForwardPart{.first = 0, .last = stages[0].last + 1}, {}); },
      "all of a task must be alike");
  expect_refused([&] { whole.sessions[0][0]->run(ForwardPart{.first = 0, .last = 1000}, {}); },
                 "there is no stage");
}

TEST(PipelineSession, WhatAMemberAloneCannotDoIsRefused) {
  const auto refused = [](const std::function<void(EngineOptions&, TaskInput&)>& change,
                          const std::string& part) {
    EngineOptions options = options_for(small("cnn-small"));
    TaskInput input{.node = 1, .task = 1};
    change(options, input);
    const std::shared_ptr<const Engine> engine(convoy_make_engine(options));
    input.received = engine->initial();
    const auto session = engine->open(input, {});
    const ForwardPart work{.first = 0, .last = 3, .to = 4, .samples = 4};
    expect_refused([&] { session->run(work, {}); }, part);
  };
  refused([](auto& o, auto&) { o.training.proximal = 0.1; }, "training.proximal");
  refused([](auto& o, auto&) { o.training.clip = 1; }, "training.clip");
  refused([](auto&, auto& i) { i.brief.rate = 0.5; }, "submodels");
  refused([](auto&, auto& i) { i.brief.test_locally = true; }, "a test of the received model");
  refused([](auto&, auto& i) { i.brief.samples_before = 1.5; }, "no whole number");
}

}  // namespace
}  // namespace convoy::engine
