#pragma once

// How long the steps of a pipeline take when each serves one micro-batch at a time, in a fixed
// order, and a step of 1F1B lets K micro-batches in before the first one comes back:
//
//   forward(i, x)   after backward(i - K_x, x), forward(i - 1, x) and forward(i, x - 1)
//   backward(i, x)  after backward(i - 1, x), forward(min(i + K_x, M) - 1, x) and backward(i, x +
//   1)
//
// The recurrence is that of DAPPLE's planner; there backward(i - 1, x) is missing, so that its
// result is a lower bound. Links are steps, too: one micro-batch at a time, in either direction.
//
//   makespan_fifo({.forward_s = {1, 0, 1}, .backward_s = {2, 0, 2}, .in_flight = {3, 2, 1},
//                  .microbatches = 4}).makespan_s == 15

#include <vector>

#include "sim/plan/pipeline.hpp"

namespace convoy::sim {

struct PipelineLine {
  std::vector<double> forward_s;   // by step: of one micro-batch; at least one step
  std::vector<double> backward_s;  // as many
  std::vector<int> in_flight;      // K, by step: at least 1, not rising from step to step
  int microbatches = 1;            // M
  PipelineOrder order = PipelineOrder::one_f_one_b;  // GPipe: K is not read
};

struct LineTimes {
  double makespan_s = 0;
  std::vector<double> ends_s;  // by step: of its last backward
};

// In order. Throws base::UserError for a K that rises: the steps would wait for each other.
LineTimes makespan_fifo(const PipelineLine& line);
// As the published planner has it, without backward(i - 1, x): at most makespan_fifo(). 1F1B only.
LineTimes makespan_as_published(const PipelineLine& line);

// The steps of a plan. A link lets in as many as the larger of the next stage's window and one less
// than the stage's before it.
PipelineLine line_of(const PipelineProblem& problem, const PipelinePlan& plan);
// s of a round in order: the steps' times, then each stage's all-reduce and update. Exact where a
// link is shared by both directions and a transfer has it alone; check_plan()'s errors.
double round_in_order(const PipelineProblem& problem, const PipelinePlan& plan);

}  // namespace convoy::sim
