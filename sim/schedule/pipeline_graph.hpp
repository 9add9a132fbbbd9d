#pragma once

// A pipeline's plan as a graph of activities: what each device of each group computes, in the order
// of its stage, and what the devices send each other.
//
//   const PipelineGraph made = make_pipeline(problem, plan, {.rounds = 400});
//   Assign{.graph = made.graph, .members = nodes of made.devices, ...}
//
// Roles are the members of the plan's stages, stage by stage. In a round
// - a member computes its samples of each micro-batch, one instruction after another (stage_order);
// - it sends the next stage's members the activations of the samples that both have, and the stage
//   before gets the gradients of the samples that both had. A member's samples follow those of the
//   members before it;
// - when the last micro-batch is back at a stage, its group sums its gradients (a ring all-reduce,
//   which lets activations and gradients go first), and each member steps. The stages behind the
//   first are done earlier: their all-reduce runs while the others still go back.
// The next round begins when all have stepped. With PipelinePlan::stashes_weights there is one long
// round without a flush: each backward is followed by its all-reduce and step, and a micro-batch
// goes back with the weights that it went forward with.
//
// Memory: a member holds what PipelineCosts::memory_bytes says for the micro-batches that it has in
// flight at most; of this, the part that each further one adds is held from its forward to its
// backward (and each further version of the weights from its step to its last backward).
//
// Activities are called as pipeline_label.hpp says, and listed in an order in which they may be
// computed.

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "sim/plan/pipeline.hpp"
#include "sim/schedule/pipeline_order.hpp"
#include "sim/task/graph.hpp"

namespace convoy::sim {

// Samples [first, last) of a micro-batch.
struct SampleRange {
  int first = 0;
  int last = 0;

  [[nodiscard]] int count() const { return last - first; }
  friend bool operator==(const SampleRange&, const SampleRange&) = default;
};

// What came from a member of a neighbouring stage: an artifact with the samples `has`, of which
// `taken` are meant.
struct SamplePiece {
  int from = 0;  // role
  SampleRange has;
  SampleRange taken;
};

// A compute of a pipeline, of which figures and works are asked.
struct PipelineCompute {
  PipelineInstruction instruction;  // the step of a whole round: its last micro-batch
  int stage = 0;
  int member = 0;  // of the stage
  int role = 0;
  int device = 0;  // of the problem
  LayerRange layers;
  int microbatches = 1;  // of the graph
  SampleRange samples;   // of the micro-batch that the member has
  // Of a forward behind the first stage and a backward before the last: the last of its inputs, in
  // their order, which together are the samples that the member has.
  std::vector<SamplePiece> pieces;
  // Of a step: by input, the member (of the stage) whose gradients it is; first its own.
  std::vector<int> gradients_of;
};

// What a compute is known to do besides the seconds of PipelineCosts.
struct PipelineFigures {
  std::function<double(const PipelineCompute&)> flops;                 // empty: 0
  std::function<std::optional<double>(const PipelineCompute&)> watts;  // empty: none
};

// The engine's works of the computes; an empty function: the compute only takes time.
//   forward   in: the member's weights, then the pieces of activations. Out: an activation
//   backward  in: the activation of its forward, the member's weights, then the pieces of
//             gradients. Out: a gradient
//   take      the member's gradients, when the last of its micro-batches is back. In: the gradient
//             of the last backward. Out: gradients. Only in groups of several
//   step      in: the gradients of all members (gradients_of), in a group of one the gradient of
//             its last backward; with stashes_weights then the weights as they are. Out: an update
//             (with stashes_weights: the weights from now on)
//   join      at the role `collect_at`: in: what the first members of all stages made in their last
//             step, by stage. Out: an update of the model
struct PipelineWorks {
  std::function<engine::Work(const PipelineCompute&)> forward;
  std::function<engine::Work(const PipelineCompute&)> backward;
  std::function<engine::Work(const PipelineCompute&)> take;
  std::function<engine::Work(const PipelineCompute&)> step;
  std::function<engine::Work()> join;
};

struct PipelineOptions {
  int rounds = 1;  // the graph's repetitions
  // A stage's all-reduce begins when its own micro-batches are back; else when all stages' are.
  bool overlaps = true;
  double add_s = 0;  // s of adding a byte of gradients to others, in the all-reduce
  // The first members of all stages send this role what they have stepped, and it joins that.
  std::optional<int> collect_at = {};
  PipelineFigures figures = {};
  PipelineWorks works = {};
};

struct PipelineGraph {
  std::shared_ptr<const TaskGraph> graph;
  std::vector<int> devices;             // by role: of the problem
  std::vector<std::vector<int>> roles;  // by stage and member
  int result = -1;                      // what `join` makes; -1: nothing is collected
};

// For a plan that check_plan() accepts. Throws base::UserError for 1F1B with a stage that waits for
// more micro-batches than the stage before lets pass before one is back, for then both wait for
// ever; and std::invalid_argument for rounds < 1, or rounds > 1 with stashes_weights.
PipelineGraph make_pipeline(const PipelineProblem& problem, const PipelinePlan& plan,
                            const PipelineOptions& options = {});

// The pieces in which the samples of a stage's members (of a micro-batch) come from those of
// another, by member: exactly those samples, in rising order, each once. `from_role`: of the first
// of `from`.
std::vector<std::vector<SamplePiece>> pieces_between(const std::vector<StageMember>& from,
                                                     int from_role,
                                                     const std::vector<StageMember>& to);

}  // namespace convoy::sim
