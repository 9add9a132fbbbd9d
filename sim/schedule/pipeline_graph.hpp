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
};

// What a compute is known to do besides the seconds of PipelineCosts.
struct PipelineFigures {
  std::function<double(const PipelineCompute&)> flops;                 // empty: 0
  std::function<std::optional<double>(const PipelineCompute&)> watts;  // empty: none
};

// The engine's works of the computes; an empty function: the compute only takes time. With
// stashes_weights forwards, backwards and steps have, as the last of their inputs, the weights that
// they take, which are what a step has made.
struct PipelineWorks {
  // In: the pieces of activations; at the first stage nothing. Out: an activation.
  std::function<engine::Work(const PipelineCompute&)> forward;
  // In: the activation of its forward, then the pieces of gradients; at the last stage none. Out: a
  // gradient.
  std::function<engine::Work(const PipelineCompute&)> backward;
  // In groups of several, for the step's instruction: a chunk of the member's gradients, with what
  // came of this chunk. In: that; of the first that sends the chunk: its last backward's gradient.
  // Out: gradients.
  std::function<engine::Work(const PipelineCompute&, int chunk, int chunks)> add;
  // In: the sums of all chunks; in a group of one its last backward's gradient. Out: an update.
  std::function<engine::Work(const PipelineCompute&)> step;
  // Of the first member of a stage, with collect_at. In: what its last step made. Out: weights.
  std::function<engine::Work(const PipelineCompute&)> give;
  // At the role `collect_at`. In: what these gave, by stage. Out: weights.
  std::function<engine::Work()> join;
};

struct PipelineOptions {
  int rounds = 1;  // the graph's repetitions
  // A stage's all-reduce begins when its own micro-batches are back; else when all stages' are.
  bool overlaps = true;
  double add_s = 0;  // s of adding a byte of gradients to others, in the all-reduce
  // At the end of each round the first members of all stages send this role what they have, so many
  // bytes of a stage (empty: weight_bytes), and it joins that.
  std::optional<int> collect_at = {};
  std::function<double(LayerRange)> collect_bytes = {};
  int more_roles = 0;               // behind those of the devices, for what is added to the graph
  bool collects_off_clock = false;  // nothing is sent, and it takes no time: Activity::off_clock
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
