#pragma once

// The interface of the training engine: no LibTorch, no clock, no network. The engine is a library
// that is opened on demand (loading LibTorch takes most of a second and 190 MB):
//
//   const auto engine = open_engine(options);
//   const auto session = engine->open({.node = 3, .task = 17, .received = weights}, stop);
//   const auto update = session->run(Train{.epochs = 2}, {{weights}});
//   const Outcome outcome = session->finish();
//
//   const auto server = engine->open({.node = 0, .task = 18, .received = weights}, stop);
//   const auto next = server->run(Aggregate{}, {{weights}, {update}});
//
// All inputs and outputs are immutable and shared, so that tasks may run in any number of threads.
// The result depends only on the inputs and on (seed, node, task), to the bit. Matrix products run
// in the caller's thread: call prepare_thread() in each.

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

#include "base/non_copyable.hpp"
#include "engine/api/options.hpp"
#include "engine/api/parcel.hpp"
#include "engine/api/work.hpp"
#include "engine/data/dataset.hpp"
#include "engine/model/stage.hpp"
#include "engine/model/submodel.hpp"

namespace convoy::engine {

// An object whose content only the engine knows.
class Opaque : base::NonCopyable {
 public:
  virtual ~Opaque() = default;
  // Of its content in memory, as far as that can be set aside (Engine::set_aside); else 0.
  [[nodiscard]] virtual std::uint64_t bytes() const { return 0; }
};
class Artifact : public Opaque {};   // data passed between computes
class Weights : public Artifact {};  // a version of the full model, or a submodel's part of it
class Update : public Artifact {};   // the change of a submodel's weights by training
// State kept between tasks: masks, logits, optimizer state, own layers; of an aggregator the rule's
// state.
class NodeState : public Opaque {};

struct EngineOptions {
  std::shared_ptr<const Architecture> architecture;
  TrainingOptions training;
  LearningRules rules;
  std::uint64_t seed = 1;
  std::string device = "cpu";  // or "cuda:0"

  std::shared_ptr<const Dataset> train;
  std::shared_ptr<const Dataset> test;  // the global test set
  std::vector<LocalSplit> parts;        // by node; empty for the server (0)
  int full_depth = 0;                   // number of blocks that some node trains at full width
  int evaluation_batch = 256;
  bool objective = false;  // evaluations also compute the objective; see why_no_objective()
};

// How far a task's training is, in steps of one batch: planned by whoever opens the session,
// counted by the thread that trains. Others read it to show it.
struct TrainingProgress {
  std::atomic<std::int64_t> planned = 0;
  std::atomic<std::int64_t> done = 0;
};

// A task that is under way, or has ended and not been taken: what is known of it where its update
// will be aggregated.
struct TaskAtWork {
  int node = 0;
  std::int64_t version = 0;  // that it starts from
  TaskBrief brief;
  std::shared_ptr<const NodeState> state;  // of its node, by the latest update; null: none came yet
};

// The inputs of a node's part in a task.
struct TaskInput {
  int node = 0;
  std::int64_t task = 0;
  std::int64_t version = 0;  // of the received weights
  TaskBrief brief;
  std::shared_ptr<const Weights> received;
  std::shared_ptr<const NodeState> state;  // null: the node's first task
  // The session serves several tasks, and `task` is the number of their group: its stages are
  // trained with the batches of all their nodes (TrainStage), in the order in which they come.
  bool shared = false;
  // Where it is not the task's worker: the submodel with which the worker starts.
  std::optional<Submodel> part = {};
  std::shared_ptr<TrainingProgress> progress = {};  // where the steps are counted; may be null
  // Of a task that aggregates, if the rule asks (Needs::at_work): the tasks of other nodes, one
  // each, when it was ordered.
  std::optional<std::vector<TaskAtWork>> at_work = {};
  // The stages that the node trains, where others have the rest of the model: pack() sends it the
  // layers of these alone. Empty: the whole model.
  std::vector<Stage> stages = {};
};

// An input of a compute.
struct Input {
  std::shared_ptr<const Artifact> artifact;
  // Of an update: the weights it was trained from, if the rule needs_received().
  std::shared_ptr<const Weights> received;
};

struct AggregationReport {
  std::int64_t coverage_min = 0;  // N*: the smallest number of updates that hold any parameter
  double untrained = 0;           // share of the parameters that no update has held so far
  std::vector<double> shares;     // of the updates, in their order; 0 for those left out
  double shares_sum = 1;          // expected sum of the shares, by the rule
  // Indices of updates: those with which the version would hold NaN or infinity, and those scaled
  // down to norm_bound.
  std::vector<std::size_t> left_out;
  std::vector<std::size_t> limited;
};

// The outcome of a node's part in a task.
struct Outcome {
  std::shared_ptr<const Artifact> result;  // artifact made last; null: none
  std::shared_ptr<const NodeState> state;  // null: unchanged
  Submodel submodel;
  double loss = 0;           // mean of the last epoch (or of all steps)
  std::int64_t samples = 0;  // number of samples in the weights' training
  // Accuracy of the received weights on the node's own test part, if any.
  std::optional<double> local_accuracy;
  bool finite = true;  // the result holds no NaN and no infinity
  std::optional<AggregationReport> aggregation;
};

// A node's part in one task: runs its computes in order.
class Session : base::NonCopyable {
 public:
  virtual ~Session() = default;

  // Runs a compute on these inputs and gives its product; null for empty work. Training continues
  // from the received weights and from earlier work of this session. Throws Stopped when a stop is
  // requested, base::UserError if the node's data cannot train this model or a needed version or
  // update is missing.
  virtual std::shared_ptr<const Artifact> run(const Work& work,
                                              const std::vector<Input>& inputs) = 0;
  // The outcome so far; more work may follow.
  [[nodiscard]] virtual Outcome outcome() = 0;

  // The submodel that the node keeps at present.
  [[nodiscard]] virtual const Submodel& submodel() const = 0;
};

struct Stopped {};

// Scores of one exit.
struct ExitScore {
  int after = 0;  // number of blocks before the exit
  double loss = 0;
  double top1 = 0;  // shares of the samples, 0 to 1
  double top5 = 0;
  double f1 = 0;         // mean over classes, weighted by frequency
  double untrained = 0;  // share of the parameters up to this exit that no update has held
  // Of no exit, but of the mean of the scores of all exits up to this depth.
  bool ensemble = false;
};
// The function that training lowers, over the training samples of all nodes:
//   F(W) = 1/n sum over the n samples of (sum over the exits of the cross entropy) + d/2 |W|^2
// d: the weight decay of sgd; that of adamw and adan is decoupled, so it is no part of F. Without
// knowledge transfer, proximal term, dropout and masked labels. At the full model; with masks of
// single weights (PruneFL) at the weights that they keep, others 0.
struct Objective {
  double value = 0;          // F(W)
  double gradient_norm = 0;  // |grad F(W)|, the L2 norm over all parameters
};
struct Evaluation {
  std::vector<ExitScore> exits;  // by rising depth; last the ensemble, where there is one
  // Index of the exit whose accuracy is reported: the deepest one whose parameters are all trained
  // by some node or held by some update; else the deepest one whose own head some update has held.
  // With LearningRules::ensemble that of the mean of the exits up to this one.
  int headline = 0;
  std::optional<Objective> objective;  // with EngineOptions::objective
  [[nodiscard]] double accuracy() const { return exits[static_cast<std::size_t>(headline)].top1; }
  [[nodiscard]] double loss() const { return exits[static_cast<std::size_t>(headline)].loss; }
};

// What nodes that train one model in stages send one another: an activation, a gradient, or the
// update of a stage.
struct Crossing {
  std::shared_ptr<const Artifact> artifact;
  double loss = 0;  // mean over the samples that its sender's session has trained so far
};

class Engine : base::NonCopyable {
 public:
  virtual ~Engine() = default;

  // Call once in every thread that uses the engine.
  virtual void prepare_thread() const = 0;

  // Initial weights: drawn from the seed, or read from a file (see load_weights). No part of them
  // counts as trained.
  [[nodiscard]] virtual std::shared_ptr<const Weights> initial(
      const std::filesystem::path& file = {}) const = 0;

  [[nodiscard]] virtual std::unique_ptr<Session> open(const TaskInput& input,
                                                      std::stop_token stop) const = 0;
  // True if the run's aggregation rule needs the weights that each update was trained from.
  [[nodiscard]] virtual bool needs_received() const = 0;
  // Makes the next version from a task's result: weights replace the present version; an update is
  // added where it holds elements. Throws base::UserError for other artifacts.
  [[nodiscard]] virtual std::shared_ptr<const Weights> next_version(
      const std::shared_ptr<const Weights>& current,
      const std::shared_ptr<const Artifact>& result) const = 0;
  // By tensor of the architecture: how many of its elements the version's masks keep (PruneFL).
  // Empty: all of them.
  [[nodiscard]] virtual std::vector<std::int64_t> kept_elements(const Weights& /*weights*/) const {
    return {};
  }
  // Evaluates the full model (at rate 1) or its nested submodel on the global test set.
  [[nodiscard]] virtual Evaluation evaluate(const Weights& weights, double rate,
                                            const std::stop_token& stop) const = 0;

  // Where nodes have layers of their own (LearningRules::own_layers): evaluates the version with
  // those of each of these nodes (by its state, at least one), at this rate, on the whole test set.
  // Every figure is the mean over the nodes, each of which counts the same.
  [[nodiscard]] virtual Evaluation evaluate_own(
      const Weights& /*weights*/, const std::vector<std::shared_ptr<const NodeState>>& /*nodes*/,
      double /*rate*/, const std::stop_token& /*stop*/) const {
    throw std::logic_error("this engine knows no own layers");
  }

  // safetensors files. Reading throws base::UserError naming the file and the problem: missing or
  // foreign tensors, wrong shapes, a damaged header.
  using Metadata = std::map<std::string, std::string>;
  virtual void save(const Weights& weights, const std::filesystem::path& file,
                    const Metadata& about) const = 0;
  virtual void save(const NodeState& state, const std::filesystem::path& file) const = 0;
  virtual void save(const Artifact& artifact, const std::filesystem::path& file) const = 0;
  // A node's own layers alone, by the names that they have in a version's file: together with the
  // other tensors of that file they are the node's model.
  virtual void save_own(const NodeState& /*state*/, const std::filesystem::path& /*file*/,
                        const Metadata& /*about*/) const {
    throw std::logic_error("this engine knows no own layers");
  }
  [[nodiscard]] virtual std::shared_ptr<const Weights> load_weights(
      const std::filesystem::path& file) const = 0;
  [[nodiscard]] virtual std::shared_ptr<const NodeState> load_state(
      const std::filesystem::path& file) const = 0;
  // Loads weights or an update, as the file says.
  [[nodiscard]] virtual std::shared_ptr<const Artifact> load_artifact(
      const std::filesystem::path& file) const = 0;

  // Writes an update, or the state of a node that trains, into a new file, and gives one of the
  // same content that takes hardly any memory: it is read from there, to the same bits, whenever it
  // is needed. The file goes with the last reference. Gives anything else back as it is. Throws
  // base::UserError naming the file where it cannot be written; so do all functions that need the
  // content where it cannot be read, or has changed.
  [[nodiscard]] virtual std::shared_ptr<const Artifact> set_aside(
      const std::shared_ptr<const Artifact>& artifact,
      const std::filesystem::path& /*file*/) const {
    return artifact;
  }
  [[nodiscard]] virtual std::shared_ptr<const NodeState> set_aside(
      const std::shared_ptr<const NodeState>& state, const std::filesystem::path& /*file*/) const {
    return state;
  }

  // --- between machines -------------------------------------------------------------------------

  // Packs the part of the received weights that the task needs; unpack_weights() restores it and
  // open() accepts it. Whole tensors are not copied.
  [[nodiscard]] virtual Parcel pack(const TaskInput& input) const = 0;
  [[nodiscard]] virtual Parcel pack(const Outcome& outcome) const = 0;
  // Allocates memory for a parcel. Throws base::UserError if the header is damaged or does not
  // describe exactly `bytes` bytes, so no more is allocated. `from` names the sender in messages.
  [[nodiscard]] virtual std::unique_ptr<Unpacking> unpack(const std::string& header,
                                                          std::uint64_t bytes,
                                                          const std::string& from) const = 0;
  // These decode a received parcel. Both throw base::UserError if it does not fit this model.
  [[nodiscard]] virtual std::shared_ptr<const Weights> unpack_weights(Unpacking& box) const = 0;
  // Decodes a node's result. Refuses submodels that the task cannot end with. The state holds only
  // the masks; the node keeps the rest. The box's pieces stay valid: they are the update's memory.
  [[nodiscard]] virtual Outcome unpack_update(Unpacking& box, const TaskInput& input) const = 0;
  // Packs what crosses between machines; at the other end it has the same bits. Throws
  // base::UserError for artifacts that do not cross.
  [[nodiscard]] virtual Parcel pack_crossing(const Crossing& /*crossing*/) const {
    throw std::logic_error("an engine that trains no stages");
  }
  // Decodes it, for the task of the node that has the samples (`input`), which has this number of
  // training samples. Refuses (base::UserError) what is not of this model, node, task or batch
  // size; the session refuses what comes at the wrong moment.
  [[nodiscard]] virtual Crossing unpack_crossing(Unpacking& /*box*/, const TaskInput& /*input*/,
                                                 std::int64_t /*samples*/) const {
    throw std::logic_error("an engine that trains no stages");
  }
};

// Loads LibTorch now, for instance before forking. Throws like open_engine().
void load_library();

// Which libraries compute what is learned, since its last bits are theirs: `libtorch`, `blas` (with
// the kernels that it chose for this CPU, where it tells), `onednn`. Throws like load_library().
std::map<std::string, std::string> library_facts();

// Opens the library beside the running program. Throws base::UserError where it is not there, the
// device is not, or the data does not fit the model.
std::shared_ptr<const Engine> open_engine(const EngineOptions& options);

}  // namespace convoy::engine
