#pragma once

// Pipelines of groups (sim/plan/pipeline.hpp): each group has a stage, and its members share every
// micro-batch: of its B samples a member has those from `from` to `to`. All members of a group have
// the same weights, and step alike. What goes on which compute, of a round of M micro-batches:
//
//   member of a stage, forward   ForwardPart   in: of each member of the stage before with samples
//                                              of its own, what its ForwardPart made; at the first
//                                              stage nothing
//   member of a stage, backward  BackwardPart  in: of each member of the stage behind with samples
//                                              of its own, what its BackwardPart made; at the last
//                                              stage nothing, or what its own ForwardPart made
//   all-reduce over n members    AddGradients  makes what is sent, and adds; see there
//   member of a stage, update    StepPart      in: the gradients of all members: sums, complete or
//                                              each of some members; of a group of one nothing
//   at the task's end            GiveWeights   of one member of each stage; in: anything
//   the task's result            JoinWeights   in: what these made, of all stages
//
// Inputs of other kinds are for the order alone (weights, the activation of its own forward).
// What is sent between members is these products; how many bytes that takes (the overlap of two
// ranges, a chunk, 0 for what devices simply keep at a task's end) is the schedule's to say.
//
// The result is a whole version, and replaces the present one: publish it (Assign::publishes). With
// it goes on the state of the optimizer, whoever has the layers in the next task; so it is always
// kept, whatever training.optimizer_state says. What a task has trained and not published is lost
// with the task: who replicates after each round publishes after each round.
//
// All members of a round have the same B and M; another task may have others. Passes of a graph
// (repeat) are rounds, one after another. The order of a node's computes in the graph is that in
// which it computes; tasks whose order follows from virtual time alone say so (Assign::in_time).
//
// The samples are those of all nodes' training parts, in the order of the nodes, and every member
// has them all: no images and no labels are sent. The run goes through them in one endless order,
// epoch after epoch, each in a new random order that follows from (seed, epoch): micro-batch m of
// the r-th round of a task (both from 0) has the B samples from samples_before + (r M + m) B on
// (TaskBrief::samples_before). So whatever happens to tasks, a schedule that counts only those that
// were published leaves no sample out and takes none twice.
//
// The gradient is that of the mean over the round's B M samples. A member adds up its micro-batches
// in the order in which they come back; AddGradients adds in the order of its inputs, its own last,
// StepPart in the order of the samples.
// So a pipeline of groups of one ends with the same bits as the whole model on one device that does
// the same micro-batches in the same order (wherever one tensor crosses the cut).
//
// Batch norms use the statistics of the member's own samples of a micro-batch. With the gradients
// the running ones are joined: the mean over the members, weighted by their samples. Dropout draws
// by (seed, samples_before, `from`, micro-batch, layer).
//
// Weight stashing (PipeDream; `stashes`): every micro-batch steps alone, and its gradient is that
// of the mean over its B samples. A forward takes the weights that the member has then, its
// backward the same, and the step changes those that the member has by then. AddGradients and
// StepPart say which micro-batch's gradient they mean. A task ends when all micro-batches are back.

#include <optional>

#include "base/table_reader.hpp"

namespace convoy::engine {

// The samples [from, to) of a micro-batch through the layers [first, last).
// Out: an activation, also behind the last layer (it is then empty).
struct ForwardPart {
  static constexpr const char* kind = "forward-part";
  int first = 0;
  int last = 1;
  int from = 0;
  int to = 1;
  int samples = 1;  // B: of the whole micro-batch
  int microbatch = 0;
  int microbatches = 1;  // M: of a round
  bool stashes = false;  // weight stashing
  // With `stashes`: takes the weights after as many steps as the first stage had made when the
  // micro-batch went through it (vertical sync). Where its parts went through after different
  // numbers of steps, after the least of these.
  bool vertical_sync = false;

  template <class Self, class Fields>
  static void fields(Self& w, Fields& field) {
    field("first", w.first, base::at_least(0).up_to(1e6));
    field("last", w.last, base::at_least(1).up_to(1e6));
    field("from", w.from, base::at_least(0).up_to(1e9));
    field("to", w.to, base::at_least(1).up_to(1e9));
    field("samples", w.samples, base::at_least(1).up_to(1e9));
    field("microbatch", w.microbatch, base::at_least(0).up_to(1e6));
    field("microbatches", w.microbatches, base::at_least(1).up_to(1e6));
    field("stashes", w.stashes);
    field("vertical_sync", w.vertical_sync);
  }
};

// The same samples back. Out: a gradient, also before the first layer (it is then empty).
struct BackwardPart {
  static constexpr const char* kind = "backward-part";
  int first = 0;
  int last = 1;
  int microbatch = 0;

  template <class Self, class Fields>
  static void fields(Self& w, Fields& field) {
    field("first", w.first, base::at_least(0).up_to(1e6));
    field("last", w.last, base::at_least(1).up_to(1e6));
    field("microbatch", w.microbatch, base::at_least(0).up_to(1e6));
  }
};

// A chunk of a stage's gradients: the sum of those that came, and of the member's own.
// - All-reduce without sums on the way: every member makes its whole gradient (without inputs),
//   that of all others comes to it, and its StepPart takes all of them.
// - A ring of n members (chunks = n) with sums: the first that sends a chunk makes it without an
//   input; each next one adds its own to what came; the last has the complete sum, and sends that
//   on unchanged.
// - A parameter server, which has no gradient, adds what came of all (own = false), and sends each
//   member the sum by which it steps (what goes back has the size of the weights).
// In: sums of this chunk, or nothing. Out: a sum of this chunk.
struct AddGradients {
  static constexpr const char* kind = "add-gradients";
  int first = 0;
  int last = 1;
  int chunk = 0;
  int chunks = 1;  // of equal size, but for one element
  bool own = true;
  std::optional<int> microbatch = {};  // with weight stashing; nothing: of the whole round

  template <class Self, class Fields>
  static void fields(Self& w, Fields& field) {
    field("first", w.first, base::at_least(0).up_to(1e6));
    field("last", w.last, base::at_least(1).up_to(1e6));
    field("chunk", w.chunk, base::at_least(0).up_to(1e6));
    field("chunks", w.chunks, base::at_least(1).up_to(1e6));
    field("own", w.own);
    field("microbatch", w.microbatch, base::at_least(0).up_to(1e6));
  }
};

// The optimizer's step of a member, by the sum over its group: of sums of the same chunk, in the
// order of their first samples. Out: nothing to use (for the order).
struct StepPart {
  static constexpr const char* kind = "step-part";
  int first = 0;
  int last = 1;
  std::optional<int> microbatch = {};  // with weight stashing

  template <class Self, class Fields>
  static void fields(Self& w, Fields& field) {
    field("first", w.first, base::at_least(0).up_to(1e6));
    field("last", w.last, base::at_least(1).up_to(1e6));
    field("microbatch", w.microbatch, base::at_least(0).up_to(1e6));
  }
};

// A stage as it is now: its weights, and the state of their optimizer. All micro-batches must be
// back and stepped by. Out: weights of a stage.
struct GiveWeights {
  static constexpr const char* kind = "give-weights";
  int first = 0;
  int last = 1;

  template <class Self, class Fields>
  static void fields(Self& w, Fields& field) {
    field("first", w.first, base::at_least(0).up_to(1e6));
    field("last", w.last, base::at_least(1).up_to(1e6));
  }
};

// In: weights of all stages, of one training. Out: weights of the model.
struct JoinWeights {
  static constexpr const char* kind = "join-weights";

  template <class Self, class Fields>
  static void fields(Self&, Fields&) {}
};

}  // namespace convoy::engine
