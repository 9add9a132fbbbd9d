#pragma once

// How long a round of a plan takes where stages compute, send and receive at the same time: nearer
// to a simulated round than the closed form and the steps in order (pipeline_recurrence.hpp), which
// take a cut for one resource that carries a whole micro-batch, there or back, over its slowest
// pair of devices. Ours:
//  - A stage computes one micro-batch at a time, in its order.
//  - It sends one thing at a time and receives one thing at a time; with half-duplex devices it
//  does
//    one of the two. What is ready first goes first.
//  - The members of two groups send each other only the samples that both have, all at once: a
//    transfer takes as long as the member with most of it.
//  - A stage's all-reduce begins when its last gradients are sent.
// Members of a group that wait for one another are not told apart, nor links that stages share.

#include "sim/plan/pipeline.hpp"

namespace convoy::sim {

// s of a round. check_plan()'s errors, and base::UserError for windows with which stages wait for
// each other.
double round_on_lanes(const PipelineProblem& problem, const PipelinePlan& plan);

}  // namespace convoy::sim
