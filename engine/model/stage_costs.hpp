#pragma once

// Costs and memory of a stage (stage.hpp), by pass: what a pipeline or split learning plans with.
// Of the phase of weights; without knowledge transfer between exits, which needs the scores of all
// exits in one place.
//
// A round of M micro-batches on one stage is, for each of them, a forward and a backward (with
// accumulate in all but the first), then one update. Recomputation is a second forward before the
// backward; see stage_round().
//
// A stage's passes are parts of training_step(): over the stages of any partition the kernels of
// forward, backward and update are together exactly those of the whole (costs.cpp writes the whole
// from these parts). One exception: under fp16_mixed each stage that has parameters unscales its
// own gradients in a launch, whose work together is that of the whole's one launch.
//
// There is no training in fp16 alone: with it everything here but a forward's costs throws
// std::invalid_argument.

#include "engine/model/stage.hpp"

namespace convoy::engine {

// forward     with log-softmax and loss of the exits that end in the stage
// backward    of these losses and of the gradients that arrive; gradients also of what the stage
//             received, as far as it has parameters before it
// accumulate  what a backward adds if an earlier micro-batch left gradients: LibTorch adds in
//             place, a launch for each parameter tensor. (The first gradients are only kept.)
// update      the optimizer's step
// Left out: the factor that turns sums of micro-batches into a mean (one number), and what sending
// and receiving copy.
enum class Pass { forward, backward, accumulate, update };

// `batch`: samples of the micro-batch; no matter for accumulate and update.
StepCost stage_step(const Trace& trace, const Stage& stage, Pass pass, Optimizer optimizer,
                    int batch, Precision precision = Precision::fp32);

// A stage's work on micro-batches of these sizes: all forward and backward passes, then one update.
// `recompute`: the forward of every micro-batch runs twice, first without keeping anything. With
// one micro-batch and without recomputation the kernels are those of the three passes.
StepCost stage_round(const Trace& trace, const Stage& stage, Optimizer optimizer,
                     const std::vector<int>& microbatches, bool recompute = false,
                     Precision precision = Precision::fp32);

// What is in a stage's memory while it computes.
struct StageLoad {
  int microbatch = 1;  // samples
  // Micro-batches in flight, with the one at hand: their forward is done or runs, their backward is
  // not done. At least 1. PipeDream's and DAPPLE's policy: number of stages minus the stage's index
  // (the last stage has 1); GPipe: all.
  int stashes = 1;
  // An earlier micro-batch of this round has left gradients.
  bool accumulates = false;
  // A stash is only what the stage received; forward runs again before backward.
  bool recompute = false;
};

// What a stage's forward keeps of one micro-batch until its backward, as `activations` and, under
// fp16_mixed, `weights` (their half-precision copies). It is made of
//   - what the stage received (the first one: the samples), and labels (8 bytes a sample) if it
//     has an exit;
//   - what the layers keep for their backward, and the logarithms of each exit's softmax;
//   - what it sent on: LibTorch starts a backward from these tensors.
// With `recompute` only the first.
MemoryCost stash(const Trace& trace, const Stage& stage, int microbatch, bool recompute = false,
                 Precision precision = Precision::fp32);

// Peak memory of a stage during the forward or the backward of one micro-batch while
// `load.stashes` are in flight, or in the update, when none is in flight any more. Weights and
// optimizer state are those of the stage alone. Gradients that arrive stay to the end of the
// backward (workspace). The whole model with one stash takes exactly training_memory().
// GPipe with M micro-batches: the larger of {stashes = M} and {stashes = M - 1, accumulates}.
// 1F1B with K < M in flight: {stashes = K, accumulates}.
// Of FP32, within 10 % of the allocator's peak on both sides of three cuts of six architectures,
// with one and four micro-batches (tests/engine/learning/memory_of_stages_test.cpp). Left out: what
// arrives early or waits to be sent beside the tensors of the micro-batches in flight, and weights
// of older versions (PipeDream's weight stashing).
MemoryCost stage_memory(const Trace& trace, const Stage& stage, Optimizer optimizer,
                        const StageLoad& load, Precision precision = Precision::fp32);

}  // namespace convoy::engine
