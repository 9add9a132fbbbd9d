// Tests works and briefs as texts: one machine reads what another writes, with any content.

#include "engine/api/work.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "engine/api/training_probe.hpp"

namespace convoy::engine {
namespace {

TEST(Work, ComesBackAsItWasWritten) {
  EXPECT_TRUE(rc::check([] {
    Train train{*rc::gen::inRange(0, 1000), {}};
    if (*rc::gen::arbitrary<bool>()) train.steps = *rc::gen::inRange(1, 1000);
    const Work read = read_work(to_text(Work(train)), "test");
    RC_ASSERT(std::get<Train>(read).epochs == train.epochs);
    RC_ASSERT(std::get<Train>(read).steps == train.steps);
    const LearnMasks masks{*rc::gen::inRange(1, 1000)};
    RC_ASSERT(std::get<LearnMasks>(read_work(to_text(Work(masks)), "test")).epochs == masks.epochs);

    TaskBrief brief;
    brief.rate = *rc::gen::inRange(1, 1001) / 1000.0 / 3 * 3;
    brief.batch = *rc::gen::inRange(1, 10'000);
    brief.choose_masks = *rc::gen::arbitrary<bool>();
    brief.test_locally = *rc::gen::arbitrary<bool>();
    if (*rc::gen::arbitrary<bool>()) brief.place = *rc::gen::inRange(0, 7) / 7.0;
    if (*rc::gen::arbitrary<bool>()) brief.proximal = *rc::gen::inRange(0, 1000) / 3000.0;
    if (*rc::gen::arbitrary<bool>()) brief.gather_squares = *rc::gen::inRange(0, 100);
    if (*rc::gen::arbitrary<bool>()) brief.bring_squares = *rc::gen::arbitrary<bool>();
    if (*rc::gen::arbitrary<bool>()) {
      const int from = *rc::gen::inRange(0, 7);
      brief.set_block({from / 7.0, (from + *rc::gen::inRange(1, 8 - from)) / 7.0});
    }
    const TaskBrief back = read_brief(to_text(brief), "test");
    RC_ASSERT(back.gather_squares == brief.gather_squares);
    RC_ASSERT(back.bring_squares == brief.bring_squares);
    RC_ASSERT(back.block() == brief.block());
    RC_ASSERT(back.rate == brief.rate);  // every bit
    RC_ASSERT(back.proximal == brief.proximal);
    RC_ASSERT(back.batch == brief.batch);
    RC_ASSERT(back.choose_masks == brief.choose_masks);
    RC_ASSERT(back.test_locally == brief.test_locally);
    RC_ASSERT(back.place == brief.place);
  }));
  const Reconfigure reconfigure{
      .removal = 0.3 / 7, .max_density = 0.5, .rest_s = 1e-3, .each = {1e-9, 1.0 / 3, 2}};
  const auto read = std::get<Reconfigure>(read_work(to_text(Work(reconfigure)), "test"));
  EXPECT_EQ(read.removal, reconfigure.removal);
  EXPECT_EQ(read.max_density, reconfigure.max_density);
  EXPECT_EQ(read.rest_s, reconfigure.rest_s);
  EXPECT_EQ(read.each, reconfigure.each);
  const Forward forward{.first = 3,
                        .last = 9,
                        .microbatch = 2,
                        .microbatches = 4,
                        .recompute = true,
                        .labels = false};
  const auto onward = std::get<Forward>(read_work(to_text(Work(forward)), "test"));
  EXPECT_EQ(onward.first, 3);
  EXPECT_EQ(onward.last, 9);
  EXPECT_EQ(onward.microbatch, 2);
  EXPECT_EQ(onward.microbatches, 4);
  EXPECT_TRUE(onward.recompute);
  EXPECT_FALSE(onward.labels);
  const auto back = std::get<Backward>(read_work(to_text(Work(Backward{3, 9, 2})), "test"));
  EXPECT_EQ(back.first, 3);
  EXPECT_EQ(back.last, 9);
  EXPECT_EQ(back.microbatch, 2);
  EXPECT_FALSE(back.step);
  const Backward stepping{.first = 0, .last = 4, .step = true};
  EXPECT_TRUE(std::get<Backward>(read_work(to_text(Work(stepping)), "test")).step);
  const auto end = std::get<TrainStage>(read_work(to_text(Work(TrainStage{3, 9, 1, 4})), "test"));
  EXPECT_EQ(end.first, 3);
  EXPECT_EQ(end.last, 9);
  EXPECT_EQ(end.microbatch, 1);
  EXPECT_EQ(end.microbatches, 4);
  const auto taken = std::get<TakeStage>(read_work(to_text(Work(TakeStage{3, 9})), "test"));
  EXPECT_EQ(taken.first, 3);
  EXPECT_EQ(taken.last, 9);
  EXPECT_EQ(std::get<Step>(read_work(to_text(Work(Step{3, 9})), "test")).last, 9);
  EXPECT_TRUE(std::holds_alternative<JoinStages>(read_work(to_text(Work(JoinStages{})), "test")));
  EXPECT_TRUE(
      std::get<JoinStages>(read_work(to_text(JoinStages{.partial = true}), "test")).partial);
  EXPECT_EQ(std::get<TrainStage>(read_work(to_text(TrainStage{3, 9}), "test")).last, 9);
  EXPECT_EQ(std::get<TakeStage>(read_work(to_text(TakeStage{3, 9}), "test")).first, 3);
  const ForwardPart part{.first = 3,
                         .last = 9,
                         .from = 2,
                         .to = 5,
                         .samples = 8,
                         .microbatch = 1,
                         .microbatches = 4,
                         .stashes = true,
                         .vertical_sync = true};
  EXPECT_EQ(to_text(read_work(to_text(Work(part)), "test")), to_text(Work(part)));
  const auto forth = std::get<ForwardPart>(read_work(to_text(Work(part)), "test"));
  EXPECT_EQ(forth.from, 2);
  EXPECT_EQ(forth.to, 5);
  EXPECT_EQ(forth.samples, 8);
  EXPECT_TRUE(forth.vertical_sync);
  for (const Work& work : {Work(BackwardPart{3, 9, 2}), Work(AddGradients{3, 9, 1, 2, false, 4}),
                           Work(AddGradients{3, 9}), Work(StepPart{3, 9, 4}), Work(StepPart{3, 9}),
                           Work(GiveWeights{3, 9}), Work(JoinWeights{})}) {
    const Work read_again = read_work(to_text(work), "test");
    EXPECT_EQ(read_again.index(), work.index());
    EXPECT_EQ(to_text(read_again), to_text(work));
  }
  EXPECT_EQ(read_brief(to_text({.samples_before = 1e12}), "test").samples_before, 1e12);
  EXPECT_THAT(to_text(TaskBrief()), testing::Not(testing::HasSubstr("samples_before")));
  // What agents of before know nothing of is not there where nobody asks for it.
  EXPECT_THAT(to_text(TaskBrief()), testing::Not(testing::HasSubstr("squares")));
  EXPECT_THAT(to_text(TaskBrief()), testing::Not(testing::HasSubstr("block")));
  EXPECT_FALSE(TaskBrief().block());
  EXPECT_EQ(to_text(Work()), "");
  EXPECT_TRUE(is_nothing(read_work("", "test")));
  EXPECT_TRUE(std::holds_alternative<Aggregate>(read_work(to_text(Work(Aggregate{})), "test")));
  EXPECT_TRUE(std::holds_alternative<Combine>(read_work(to_text(Work(Combine{})), "test")));
  EXPECT_EQ(std::get<Statistics>(read_work(to_text(Work(Statistics{7})), "test")).batch, 7);
}

// Counted where the samples are, whatever work makes the step.
TEST(Work, AStepThroughStagesIsOneStep) {
  EXPECT_EQ(training_steps(Work(Step{0, 4}), 20, 8), 1);
  EXPECT_EQ(training_steps(Work(Step{4, 9}), 20, 8), 0);
  EXPECT_EQ(training_steps(Work(StepPart{0, 4}), 20, 8), 1);
  EXPECT_EQ(training_steps(Work(StepPart{4, 9}), 20, 8), 0);
  EXPECT_EQ(training_steps(Work(Backward{.first = 0, .last = 4, .step = true}), 20, 8), 1);
  EXPECT_EQ(training_steps(Work(Backward{.first = 0, .last = 4}), 20, 8), 0);
  EXPECT_EQ(training_steps(Work(Backward{.first = 4, .last = 9, .step = true}), 20, 8), 0);
  EXPECT_EQ(training_steps(Work(TrainStage{4, 9}), 20, 8), 0);
  EXPECT_EQ(training_steps(Work(TrainStage{0, 9, 0, 2}), 20, 8), 0);
  EXPECT_EQ(training_steps(Work(TrainStage{0, 9, 1, 2}), 20, 8), 1);
  EXPECT_EQ(training_steps(Work(TakeStage{0, 4}), 20, 8), 0);
}

TEST(Work, WhatNobodyCouldCarryOutIsRefused) {
  for (const char* text : {"kind = \"trian\"",
                           "kind = \"train\"\nepochs = -1",
                           "kind = \"train\"\nsteps = 0",
                           "kind = \"train\"\nepochs = 1e9",
                           "kind = \"train\"\nrate = 1",
                           "epochs = 1",
                           "kind = 3",
                           "kind = \"forward\"\nmicrobatches = 0",
                           "kind = \"train-stage\"\nmicrobatches = 0",
                           "kind = \"take-stage\"\nlast = 0",
                           "kind = \"backward\"\nstep = 1",
                           "kind = \"step\"\nfirst = -1",
                           "kind = \"learn-masks\"\nepochs = 0",
                           "kind = \"forward-part\"\nsamples = 0",
                           "kind = \"add-gradients\"\nchunks = 0",
                           "kind = \"step-part\"\nmicrobatch = -1",
                           "kind = \"statistics\"\nbatch = 0",
                           "kind = \"reconfigure\"\neach = [1, 0]",
                           "kind = ",
                           "\xff\xfe"}) {
    EXPECT_THROW(read_work(text, "test"), base::UserError) << text;
  }
  for (const char* text :
       {"rate = 0", "rate = 1.5", "rate = nan", "batch = 0", "batch = 9999999999", "bach = 3",
        "choose_masks = 1", "place = 1", "place = -0.1", "[rate]", "block_from = 1", "block_to = 0",
        "samples_before = -1"}) {
    EXPECT_THROW(read_brief(text, "test"), base::UserError) << text;
  }
  try {
    read_brief("bach = 3", "node 3");
    FAIL();
  } catch (const base::UserError& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("node 3"));
    EXPECT_THAT(e.what(), testing::HasSubstr("did you mean \"batch\""));
  }
}

}  // namespace
}  // namespace convoy::engine
