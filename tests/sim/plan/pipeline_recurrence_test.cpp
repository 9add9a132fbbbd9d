// The recurrence of a pipeline's steps: vectors of another derivation, makespans worked out by
// hand, and bounds that must hold.

#include "sim/plan/pipeline_recurrence.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "base/diagnostics.hpp"
#include "sim/plan/pipeline_parts.hpp"
#include "tests/sim/plan/pipeline_problems.hpp"
#include "tests/sim/plan/pipeline_references.hpp"

namespace convoy::sim {
namespace {

TEST(PipelineRecurrence, TheReferenceVectors) {
  const nlohmann::json vectors = reference("pipeline_recurrence_vectors.json");
  if (vectors.is_null()) GTEST_SKIP() << "shared/data/references is not there";
  ASSERT_EQ(vectors.size(), 40);
  int differ = 0;
  for (const nlohmann::json& v : vectors) {
    const PipelineLine line{.forward_s = v.at("F"),
                            .backward_s = v.at("B"),
                            .in_flight = v.at("K"),
                            .microbatches = v.at("M")};
    const double in_order = makespan_fifo(line).makespan_s;
    const double published = makespan_as_published(line).makespan_s;
    EXPECT_NEAR(in_order, v.at("makespan_fifo").get<double>(), 1e-9) << v.at("name");
    EXPECT_NEAR(published, v.at("makespan_as_published").get<double>(), 1e-9) << v.at("name");
    if (published < in_order - 1e-9) ++differ;
  }
  EXPECT_EQ(differ, 13);
}

// f = 1, b = 2, M = 8, P = 4: (M + P - 1)(f + b) without links, whatever the window.
TEST(PipelineRecurrence, EqualStagesByHand) {
  PipelineLine line{.forward_s = {1, 1, 1, 1}, .backward_s = {2, 2, 2, 2}, .microbatches = 8};
  line.in_flight = {4, 3, 2, 1};
  EXPECT_EQ(makespan_fifo(line).makespan_s, 33);
  line.in_flight = {7, 5, 3, 1};
  EXPECT_EQ(makespan_fifo(line).makespan_s, 33);
  line.order = PipelineOrder::gpipe;
  EXPECT_EQ(makespan_fifo(line).makespan_s, 33);
  line.order = PipelineOrder::gpipe_reverse;
  EXPECT_EQ(makespan_fifo(line).makespan_s, 33);
  line.order = PipelineOrder::one_f_one_b;
  line.in_flight = {1, 1, 1, 1};  // one micro-batch after the other
  EXPECT_EQ(makespan_fifo(line).makespan_s, 8 * 12);
  EXPECT_EQ(makespan_fifo(line).ends_s.size(), 4);
}

TEST(PipelineRecurrence, AWindowThatRisesIsAnError) {
  const PipelineLine line{
      .forward_s = {1, 1}, .backward_s = {1, 1}, .in_flight = {1, 2}, .microbatches = 4};
  EXPECT_THROW(makespan_fifo(line), base::UserError);
}

// Of random lines: never below a step's own work, never above one micro-batch after the
// other.
TEST(PipelineRecurrence, BoundsOfRandomLines) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    base::Random random({seed, 0x6c696e65ULL});
    const int stages = 1 + static_cast<int>(random.below(5));
    PipelineLine line{.microbatches = 1 + static_cast<int>(random.below(12))};
    for (int x = 0; x < 2 * stages - 1; ++x) {
      line.forward_s.push_back(random.uniform());
      line.backward_s.push_back(2 * random.uniform());
      line.in_flight.push_back(2 * stages - 1 - x);
    }
    const LineTimes times = makespan_fifo(line);
    const double whole = std::accumulate(line.forward_s.begin(), line.forward_s.end(), 0.0) +
                         std::accumulate(line.backward_s.begin(), line.backward_s.end(), 0.0);
    EXPECT_LE(times.makespan_s, line.microbatches * whole + 1e-9);
    EXPECT_GE(times.makespan_s, makespan_as_published(line).makespan_s - 1e-9);
    for (std::size_t x = 0; x < line.forward_s.size(); ++x) {
      EXPECT_GE(times.ends_s[x] + 1e-9,
                line.microbatches * (line.forward_s[x] + line.backward_s[x]));
    }
    // GPipe: a closed form, whatever the order of the backwards.
    std::vector<PipelineStep> steps;
    for (std::size_t x = 0; x < line.forward_s.size(); ++x) {
      steps.push_back({line.forward_s[x], line.backward_s[x]});
    }
    const std::vector<double> nothing(static_cast<std::size_t>(stages), 0);
    const double gpipe = gpipe_round(steps, nothing, line.microbatches);
    line.order = PipelineOrder::gpipe;
    EXPECT_NEAR(makespan_fifo(line).makespan_s, gpipe, 1e-9);
    line.order = PipelineOrder::gpipe_reverse;
    EXPECT_NEAR(makespan_fifo(line).makespan_s, gpipe, 1e-9);
  }
}

}  // namespace
}  // namespace convoy::sim
