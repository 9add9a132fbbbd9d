// Tests the order of a stage's instructions: against DeepSpeed's, and what holds for all.

#include "sim/schedule/pipeline_order.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>

#include "tests/support/hand_pipeline.hpp"

namespace convoy::sim {
namespace {

using Kind = PipelineInstruction::Kind;

TEST(PipelineOrder, ByHand) {
  using enum PipelineOrder;
  EXPECT_EQ(to_text(stage_order(one_f_one_b, 1, 1)), "F0 B0 S0");
  EXPECT_EQ(to_text(stage_order(one_f_one_b, 1, 3)), "F0 B0 F1 B1 F2 B2 S2");
  EXPECT_EQ(to_text(stage_order(one_f_one_b, 2, 4)), "F0 F1 B0 F2 B1 F3 B2 B3 S3");
  EXPECT_EQ(to_text(stage_order(one_f_one_b, 3, 5)), "F0 F1 F2 B0 F3 B1 F4 B2 B3 B4 S4");
  EXPECT_EQ(to_text(stage_order(one_f_one_b, 3, 3)), "F0 F1 F2 B0 B1 B2 S2");
  EXPECT_EQ(to_text(stage_order(gpipe, 1, 3)), "F0 F1 F2 B0 B1 B2 S2");
  EXPECT_EQ(to_text(stage_order(gpipe_reverse, 1, 3)), "F0 F1 F2 B2 B1 B0 S0");
  EXPECT_EQ(to_text(stage_order(one_f_one_b, 2, 4, true)), "F0 F1 B0 S0 F2 B1 S1 F3 B2 S2 B3 S3");
}

TEST(PipelineOrder, IsDeepSpeedsWithAWindowOfTheStagesThatRemain) {
  const auto shapes = test::reference_file("deepspeed_1f1b_sequences.json");
  if (shapes.is_null()) GTEST_SKIP() << "shared/data/references is not there";
  EXPECT_EQ(shapes.size(), 15);
  for (const auto& shape : shapes) {
    const int stages = shape["stages"];
    const int microbatches = shape["micro_batches"];
    SCOPED_TRACE(testing::Message() << stages << " stages, " << microbatches << " micro-batches");
    ASSERT_EQ(shape["per_stage"].size(), stages);
    for (int p = 0; p < stages; ++p) {
      const auto& theirs = shape["per_stage"][p];
      const int window = std::min(stages - p, microbatches);
      const auto order = stage_order(PipelineOrder::one_f_one_b, window, microbatches);
      const std::string step = " S" + std::to_string(microbatches - 1);
      EXPECT_EQ(to_text(order), theirs["order"].get<std::string>() + step);
      EXPECT_EQ(most_in_flight(order), theirs["max_in_flight"].get<int>());
    }
  }
}

TEST(PipelineOrder, EveryMicroBatchGoesAndComesOnceWithinTheWindow) {
  EXPECT_TRUE(rc::check([] {
    using enum PipelineOrder;
    const auto order = *rc::gen::element(one_f_one_b, gpipe, gpipe_reverse);
    const int microbatches = *rc::gen::inRange(1, 30);
    const int window = *rc::gen::inRange(1, microbatches + 1);
    const bool steps_each = *rc::gen::arbitrary<bool>();
    const auto all = stage_order(order, window, microbatches, steps_each);
    std::vector<int> went(microbatches), came(microbatches);
    int steps = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto [kind, m] = all[i];
      if (kind == Kind::forward) ++went.at(m);
      if (kind == Kind::backward) {
        RC_ASSERT(went.at(m) == 1);
        ++came.at(m);
      }
      if (kind == Kind::step) {
        ++steps;
        RC_ASSERT(all.at(i - 1) == (PipelineInstruction{Kind::backward, m}));
      }
    }
    RC_ASSERT(std::count(came.begin(), came.end(), 1) == microbatches);
    RC_ASSERT(std::count(went.begin(), went.end(), 1) == microbatches);
    RC_ASSERT(steps == (steps_each ? microbatches : 1));
    RC_ASSERT(all.back().kind == Kind::step);
    RC_ASSERT(most_in_flight(all) == (order == one_f_one_b ? window : microbatches));
  }));
}

}  // namespace
}  // namespace convoy::sim
