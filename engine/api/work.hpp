#pragma once

// What a compute does with its artifacts (Work), and the parameters of a whole task (TaskBrief). A
// schedule makes both, sim and hil carry them unopened (between machines as text), and only
// engine/learning reads them.
//
//   graph.compute({.label = "train", .at = 1, .seconds = 12.5, .work = Train{.epochs = 2}}, ...);
//   TaskBrief brief{.rate = 0.5, .batch = 16};
//
// Works of pipelines of groups are in pipeline_work.hpp, all others here. A new kind of work is a
// struct and a line in `Work`; a new parameter is a member and its line in fields(). Reading,
// writing and checks are generated from these.

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/table_reader.hpp"
#include "engine/api/pipeline_work.hpp"
#include "engine/codec/codec.hpp"
#include "engine/model/blocks.hpp"

namespace convoy::engine {

// Trains gates on the node's own data; the submodel then follows from them.
// In: received weights. Out: the submodel.
struct LearnMasks {
  static constexpr const char* kind = "learn-masks";
  int epochs = 1;

  template <class Self, class Fields>
  static void fields(Self& w, Fields& field) {
    field("epochs", w.epochs, base::at_least(1).up_to(1e6));
  }
};

// Takes the first-order importance of the members at full width, on the node's own data: passes
// without an optimizer. The submodel keeps the most important ones.
// In: received weights. Out: the submodel.
struct ScoreMembers {
  static constexpr const char* kind = "score-members";
  int epochs = 1;
  std::optional<int> steps;  // batches, instead of epochs

  template <class Self, class Fields>
  static void fields(Self& w, Fields& field) {
    field("epochs", w.epochs, base::at_least(1).up_to(1e6));
    field("steps", w.steps, base::at_least(1).up_to(1e9));
  }
};

// Trains the submodel's weights for epochs or steps; a second call continues.
// In: received weights or submodel. Out: an update, the change since the received weights.
struct Train {
  static constexpr const char* kind = "train";
  int epochs = 1;
  std::optional<int> steps;

  template <class Self, class Fields>
  static void fields(Self& w, Fields& field) {
    field("epochs", w.epochs, base::at_least(0).up_to(1e6));
    field("steps", w.steps, base::at_least(1).up_to(1e9));
  }
};

// Compresses an update by the brief's compression.
// In: an update. Out: an update that contains what arrives.
struct Encode {
  static constexpr const char* kind = "encode";

  template <class Self, class Fields>
  static void fields(Self&, Fields&) {}
};

// Makes a version smaller for a node, as the task's brief says (download): the part of the version
// that the task's worker starts with (TaskInput::part).
// In: a version of the model. Out: weights, encoded.
struct EncodeModel {
  static constexpr const char* kind = "encode-model";

  template <class Self, class Fields>
  static void fields(Self&, Fields&) {}
};

// Decodes an encoded model, for training. In: weights, encoded. Out: weights; elements that were
// not sent are 0.
struct DecodeModel {
  static constexpr const char* kind = "decode-model";

  template <class Self, class Fields>
  static void fields(Self&, Fields&) {}
};

// Makes the next version from updates, by the run's rule (engine/rules). The rule's state is kept
// with the node that aggregates. In: a version of the model, then updates. Out: weights.
struct Aggregate {
  static constexpr const char* kind = "aggregate";

  template <class Self, class Fields>
  static void fields(Self&, Fields&) {}
};

// Combines updates into one, for hierarchies: the mean of those that hold an element, weighted by
// samples. It counts for the sum of their samples and is as old as the oldest. Its submodel is the
// smallest that holds all of theirs; an element that none of them holds (rows of one, columns of
// another) gets a change of 0, which counts in means over others.
// In: updates. Out: an update.
struct Combine {
  static constexpr const char* kind = "combine";

  template <class Self, class Fields>
  static void fields(Self&, Fields&) {}
};

// Chooses anew which weights a version keeps (PruneFL; engine/model/pruning.hpp).
// In: the version just made, then the updates it was made of, with their squared gradients.
// Out: weights.
struct Reconfigure {
  static constexpr const char* kind = "reconfigure";
  double removal = 0.3;      // share of a layer's kept weights that are up for removal
  double max_density = 1;    // of the prunable weights
  double rest_s = 0;         // of a round with no prunable weight
  std::vector<double> each;  // s that a kept weight adds to a round, by prunable tensor

  template <class Self, class Fields>
  static void fields(Self& w, Fields& field) {
    field("removal", w.removal, base::at_least(0).below(1));
    field("max_density", w.max_density, base::above(0).up_to(1));
    field("rest_s", w.rest_s, base::at_least(0));
    field("each", w.each, base::above(0));
  }
};

// The running statistics of all batch norms, anew: the mean over the batches of one pass of all
// nodes' training samples through the full model (HeteroFL's static batch norm). Weights stay as
// they are. For an engine that has the nodes' data, which the server's has in a simulation.
// In: a version of the model. Out: weights.
struct Statistics {
  static constexpr const char* kind = "statistics";
  int batch = 100;

  template <class Self, class Fields>
  static void fields(Self& w, Fields& field) {
    field("batch", w.batch, base::at_least(1).up_to(1e6));
  }
};

// Pipelines and split learning: a node computes the layers [first, last) of the model
// (engine/model/stage.hpp), and the samples of a step go through the stages as micro-batches.

// A micro-batch through a stage. At the stage with the first layer it is taken from the next batch
// of the node's own samples, in the order in which Train goes through them; in M micro-batches of n
// samples the m-th has those from m n / M to (m + 1) n / M. At other stages it comes as an
// activation. Numbers begin at 0 again after each Step.
// In: weights, activation (none before the first layer). Out: an activation, also behind the last
// layer (it is then empty, and tells Backward that the micro-batch is there).
struct Forward {
  static constexpr const char* kind = "forward";
  int first = 0;
  int last = 1;
  int microbatch = 0;
  int microbatches = 1;    // of a step
  bool recompute = false;  // keeps only what came in until Backward, and computes it again there
  // Labels go with the activation. Else they stay with the node that has the samples, and stages
  // with an exit must be there (label-private split learning).
  bool labels = true;

  template <class Self, class Fields>
  static void fields(Self& w, Fields& field) {
    field("first", w.first, base::at_least(0).up_to(1e6));
    field("last", w.last, base::at_least(1).up_to(1e6));
    field("microbatch", w.microbatch, base::at_least(0).up_to(1e6));
    field("microbatches", w.microbatches, base::at_least(1).up_to(1e6));
    field("recompute", w.recompute);
    field("labels", w.labels);
  }
};

// The micro-batch back through the stage.
// In: a gradient (behind the last layer: the activation of its Forward). Out: a gradient, also
// before the first layer (it is then empty).
struct Backward {
  static constexpr const char* kind = "backward";
  int first = 0;
  int last = 1;
  int microbatch = 0;
  bool step = false;  // then the optimizer's step, as Step, without the update; see TakeStage

  template <class Self, class Fields>
  static void fields(Self& w, Fields& field) {
    field("first", w.first, base::at_least(0).up_to(1e6));
    field("last", w.last, base::at_least(1).up_to(1e6));
    field("microbatch", w.microbatch, base::at_least(0).up_to(1e6));
    field("step", w.step);
  }
};

// A micro-batch through the stage at the model's end and back: Forward and Backward in one, so that
// a server that serves many nodes is never between the two. The last micro-batch of a step is
// followed by the optimizer's step; micro-batches come in rising order. A session that several
// tasks share (TaskInput::shared) trains whole batches of all of them, one after another. In:
// weights, activation (none before the first layer). Out: a gradient, also before the first layer
// (it is then empty).
struct TrainStage {
  static constexpr const char* kind = "train-stage";
  int first = 0;
  int last = 1;  // the number of the model's layers
  int microbatch = 0;
  int microbatches = 1;  // of a step

  template <class Self, class Fields>
  static void fields(Self& w, Fields& field) {
    field("first", w.first, base::at_least(0).up_to(1e6));
    field("last", w.last, base::at_least(1).up_to(1e6));
    field("microbatch", w.microbatch, base::at_least(0).up_to(1e6));
    field("microbatches", w.microbatches, base::at_least(1).up_to(1e6));
  }
};

// The optimizer's step of a stage, by the micro-batches that have come back.
// In: anything (for the order). Out: the update of the stage, since the received weights.
struct Step {
  static constexpr const char* kind = "step";
  int first = 0;
  int last = 1;

  template <class Self, class Fields>
  static void fields(Self& w, Fields& field) {
    field("first", w.first, base::at_least(0).up_to(1e6));
    field("last", w.last, base::at_least(1).up_to(1e6));
  }
};

// The update of a stage after steps that gave none (Backward::step, TrainStage): there are many
// steps in a task, and its changes count once. It may go on.
// In: anything (for the order). Out: the update of the stage, since the received weights.
struct TakeStage {
  static constexpr const char* kind = "take-stage";
  int first = 0;
  int last = 1;

  template <class Self, class Fields>
  static void fields(Self& w, Fields& field) {
    field("first", w.first, base::at_least(0).up_to(1e6));
    field("last", w.last, base::at_least(1).up_to(1e6));
  }
};

// The updates of all stages of one model become one update of the model, for the samples that they
// were trained on. With `partial` stages may be missing: the update then holds the layers of those
// that are given, and says so; where the brief says that the node has layers of its own, those that
// are missing are these. In: updates of stages. Out: an update.
struct JoinStages {
  static constexpr const char* kind = "join-stages";
  bool partial = false;

  template <class Self, class Fields>
  static void fields(Self& w, Fields& field) {
    field("partial", w.partial);
  }
};

// Nothing: a compute that only takes time.
using Work = std::variant<std::monostate, LearnMasks, ScoreMembers, Train, Aggregate, Combine,
                          Encode, EncodeModel, DecodeModel, Reconfigure, Statistics, Forward,
                          Backward, Step, TrainStage, TakeStage, JoinStages, ForwardPart,
                          BackwardPart, AddGradients, StepPart, GiveWeights, JoinWeights>;

inline bool is_nothing(const Work& work) { return std::holds_alternative<std::monostate>(work); }
// True for work that Engine::pack() does of itself when it packs what a node elsewhere starts from.
inline bool is_packing(const Work& work) { return std::holds_alternative<EncodeModel>(work); }

// Parameters of a task, sent to its nodes.
struct TaskBrief {
  double rate = 1;  // of the submodel, (0, 1]; 1: the full model
  int batch = 1;
  bool choose_masks = false;  // choose new masks; else keep the node's last submodel
  bool test_locally = false;  // test the received model on the node's test part before training
  Compression compression;    // of the update
  // Place i / N in [0, 1) of the node among those that take part; only for staggered windows.
  std::optional<double> place;
  std::optional<double> proximal = {};  // mu of FedProx; nothing: the training's
  // Compression of the model that the node starts from; nothing: it is sent whole. Written only if
  // they have values.
  std::optional<double> download_keep = {};
  std::optional<int> download_bits = {};

  // The same; none if the model is sent whole.
  [[nodiscard]] Compression download() const {
    return {
        .keep = download_keep.value_or(1), .bits = download_bits.value_or(32), .feedback = false};
  }
  void set_download(const Compression& sent) {
    if (sent.is_none()) return;
    download_keep = sent.keep;
    download_bits = sent.bits;
  }
  // Squared gradients (PruneFL): the node adds those of this task to the ones it has gathered: the
  // gradients summed over so many steps (0: over the whole task), squared, times the samples of
  // these steps.
  std::optional<int> gather_squares = {};
  // The update contains the gathered squares, and the node begins anew.
  std::optional<bool> bring_squares = {};
  // Only this block of the parameters is trained and brought (ParameterBlock::from, to); both, or
  // none.
  std::optional<double> block_from = {};
  std::optional<double> block_to = {};
  // Layers of the model that are the node's own (SplitFed v3): it goes on with those that its last
  // task has left, not with the version's, and keeps them with its state. Those before `own_before`
  // and, where it has the last layers, too, those from `own_from`. Nothing: it has none.
  std::optional<int> own_before = {};
  std::optional<int> own_from = {};
  // Pipelines (ForwardPart): the samples of the run's order on which tasks before were trained, a
  // whole number. Nothing: 0.
  std::optional<double> samples_before = {};

  void set_block(const ParameterBlock& block) {
    block_from = block.from;
    block_to = block.to;
  }
  // Nothing: all parameters. What somebody else wrote may be no valid block.
  [[nodiscard]] std::optional<ParameterBlock> block() const {
    if (!block_from && !block_to) return std::nullopt;
    return ParameterBlock{block_from.value_or(0), block_to.value_or(0)};
  }

  template <class Self, class Fields>
  static void fields(Self& b, Fields& field) {
    field("rate", b.rate, base::above(0).up_to(1));
    field("batch", b.batch, base::at_least(1).up_to(1e6));
    field("choose_masks", b.choose_masks);
    field("test_locally", b.test_locally);
    field("keep", b.compression.keep, base::above(0).up_to(1));
    field("drawn", b.compression.drawn);
    field("bits", b.compression.bits, base::at_least(1).up_to(32));
    field("feedback", b.compression.feedback);
    field("place", b.place, base::at_least(0).below(1));
    field("proximal", b.proximal, base::at_least(0).up_to(1e6));
    field("download_keep", b.download_keep, base::above(0).up_to(1));
    field("download_bits", b.download_bits, base::at_least(1).up_to(32));
    field("gather_squares", b.gather_squares, base::at_least(0).up_to(1e9));
    field("bring_squares", b.bring_squares);
    field("block_from", b.block_from, base::at_least(0).below(1));
    field("block_to", b.block_to, base::above(0).up_to(1));
    field("own_before", b.own_before, base::at_least(1).up_to(1e6));
    field("own_from", b.own_from, base::at_least(1).up_to(1e6));
    field("samples_before", b.samples_before, base::at_least(0).up_to(1e15));
  }
};

// Writes TOML; empty for std::monostate.
std::string to_text(const Work& work);
std::string to_text(const TaskBrief& brief);
// Throws base::UserError for malformed, unknown or out-of-range content. `from` names the sender in
// messages.
Work read_work(const std::string& text, const std::string& from);
TaskBrief read_brief(const std::string& text, const std::string& from);

}  // namespace convoy::engine
