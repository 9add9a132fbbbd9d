#pragma once

// The training engine as its users see it: no LibTorch, no clock, no network. It is a library
// opened on demand (loading LibTorch takes most of a second and 190 MB):
//
//   const auto engine = open_engine(options);
//   const auto session = engine->open({.node = 3, .task = 17, .received = weights}, stop);
//   const auto update = session->run(Train{.epochs = 2}, {{weights}});
//   const Outcome outcome = session->finish();
//
//   const auto server = engine->open({.node = 0, .task = 18, .received = weights}, stop);
//   const auto next = server->run(Aggregate{}, {{weights}, {update}});
//
// What goes in and out is immutable and shared, so that tasks may run in any number of threads; the
// result depends on what goes in and on (seed, node, task) alone, to the bit. Matrix products run
// in the caller's thread: call prepare_thread() in each.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/api/options.hpp"
#include "engine/api/parcel.hpp"
#include "engine/api/work.hpp"
#include "engine/data/dataset.hpp"
#include "engine/model/submodel.hpp"

namespace convoy::engine {

// Something kept in memory whose inside is the engine's business.
class Opaque {
 public:
  Opaque() = default;
  virtual ~Opaque() = default;
  Opaque(const Opaque&) = delete;
  Opaque& operator=(const Opaque&) = delete;
};
class Artifact : public Opaque {};   // what computes hand on to each other
class Weights : public Artifact {};  // a version of the full model, or a submodel's part of one
class Update : public Artifact {};   // what a task sends back: the change of its submodel's weights
// What a node remembers: masks, logits, optimizer state; of who aggregates, the rule's state.
class NodeState : public Opaque {};

struct EngineOptions {
  std::shared_ptr<const Architecture> architecture;
  TrainingOptions training;
  LearningRules rules;
  std::uint64_t seed = 1;
  std::string device = "cpu";  // or "cuda:0"

  std::shared_ptr<const Dataset> train;
  std::shared_ptr<const Dataset> test;  // the global test set
  std::vector<LocalSplit> parts;        // by node; of the server (0) nothing
  int full_depth = 0;                   // blocks that some node trains at their full width
  int evaluation_batch = 256;
};

// What a node's part in a task starts from.
struct TaskInput {
  int node = 0;
  std::int64_t task = 0;
  std::int64_t version = 0;  // of what was received
  TaskBrief brief;
  std::shared_ptr<const Weights> received;
  std::shared_ptr<const NodeState> state;  // null: the node's first task
};

// What a compute is given.
struct Input {
  std::shared_ptr<const Artifact> artifact;
  // Of an update what it was trained from, where the rule asks (Engine::needs_received).
  std::shared_ptr<const Weights> received;
};

struct AggregationReport {
  std::int64_t coverage_min = 0;  // N*: the smallest number of updates that hold any parameter
  double untrained = 0;           // share of the parameters that no update has held so far
  std::vector<double> shares;     // of the updates, in their order; 0 of those left out
  double shares_sum = 1;          // what the rule says that they sum to
  // Of the updates: those with which the version would hold NaN or infinity, and those that were
  // scaled down to the bound.
  std::vector<std::size_t> left_out;
  std::vector<std::size_t> limited;
};

// What came of a node's part in a task.
struct Outcome {
  std::shared_ptr<const Artifact> result;  // what was made last; null: nothing
  std::shared_ptr<const NodeState> state;  // null: as it was
  Submodel submodel;
  double loss = 0;           // mean of the last epoch (or of all steps)
  std::int64_t samples = 0;  // that went through the weights' training
  // Of what was received, on the node's own test part, if it has one.
  std::optional<double> local_accuracy;
  bool finite = true;  // no NaN, no infinity in the result
  std::optional<AggregationReport> aggregation;
};

// A node's part in one task: carries out its computes, in their order.
class Session {
 public:
  Session() = default;
  virtual ~Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Does the work with these artifacts and gives what it makes; null where there is nothing to do.
  // Training goes on from what was received and from what was done before in this session. Throws
  // Stopped once the stop was requested, base::UserError where the node's data cannot train this
  // model, or there is no version or no update where one is needed.
  virtual std::shared_ptr<const Artifact> run(const Work& work,
                                              const std::vector<Input>& inputs) = 0;
  // What came of it so far; more may be run afterwards.
  [[nodiscard]] virtual Outcome outcome() = 0;

  // What the node keeps of the model, as it is now.
  [[nodiscard]] virtual const Submodel& submodel() const = 0;
};

struct Stopped {};

// Of one exit.
struct ExitScore {
  int after = 0;  // blocks
  double loss = 0;
  double top1 = 0;  // shares of the samples
  double top5 = 0;
  double f1 = 0;         // mean over classes, weighted by their frequency
  double untrained = 0;  // share of the parameters up to this exit that no update has held so far
};
struct Evaluation {
  std::vector<ExitScore> exits;  // by rising depth
  // Index of the deepest exit all of whose parameters some node trains, or some update has held;
  // where there is none, the deepest whose own head some update has held.
  int headline = 0;
  [[nodiscard]] double accuracy() const { return exits[static_cast<std::size_t>(headline)].top1; }
  [[nodiscard]] double loss() const { return exits[static_cast<std::size_t>(headline)].loss; }
};

class Engine {
 public:
  Engine() = default;
  virtual ~Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // To be called once in every thread that calls the engine.
  virtual void prepare_thread() const = 0;

  // Drawn from the seed or, where one is given, read from a file (see load_weights); nothing of it
  // counts as trained yet.
  [[nodiscard]] virtual std::shared_ptr<const Weights> initial(
      const std::filesystem::path& file = {}) const = 0;

  [[nodiscard]] virtual std::unique_ptr<Session> open(const TaskInput& input,
                                                      std::stop_token stop) const = 0;
  // The run's rule of aggregation asks what an update was trained from.
  [[nodiscard]] virtual bool needs_received() const = 0;
  // The version that a task's result makes of the present one: weights are it themselves; an update
  // is added to it where it holds something. Throws base::UserError for anything else.
  [[nodiscard]] virtual std::shared_ptr<const Weights> next_version(
      const std::shared_ptr<const Weights>& current,
      const std::shared_ptr<const Artifact>& result) const = 0;
  // The full model, or at a rate its nested submodel, on the global test set.
  [[nodiscard]] virtual Evaluation evaluate(const Weights& weights, double rate,
                                            const std::stop_token& stop) const = 0;

  // Files in the safetensors format. Reading throws base::UserError naming the file and what is
  // wrong: missing or foreign tensors, wrong shapes, a damaged header.
  using Metadata = std::map<std::string, std::string>;
  virtual void save(const Weights& weights, const std::filesystem::path& file,
                    const Metadata& about) const = 0;
  virtual void save(const NodeState& state, const std::filesystem::path& file) const = 0;
  virtual void save(const Artifact& artifact, const std::filesystem::path& file) const = 0;
  [[nodiscard]] virtual std::shared_ptr<const Weights> load_weights(
      const std::filesystem::path& file) const = 0;
  [[nodiscard]] virtual std::shared_ptr<const NodeState> load_state(
      const std::filesystem::path& file) const = 0;
  // Weights or an update, whichever it is.
  [[nodiscard]] virtual std::shared_ptr<const Artifact> load_artifact(
      const std::filesystem::path& file) const = 0;

  // --- between machines -------------------------------------------------------------------------

  // Of what was received the part that the task needs; open() takes it as it comes out of
  // unpack_weights. Whole tensors are not copied.
  [[nodiscard]] virtual Parcel pack(const TaskInput& input) const = 0;
  [[nodiscard]] virtual Parcel pack(const Outcome& outcome) const = 0;
  // Memory for what comes. Throws base::UserError for a header that is damaged, or does not
  // describe that many bytes: nothing larger is ever taken. `from` names the sender in messages.
  [[nodiscard]] virtual std::unique_ptr<Unpacking> unpack(const std::string& header,
                                                          std::uint64_t bytes,
                                                          const std::string& from) const = 0;
  // What has come. Throw base::UserError where it is not of this model.
  [[nodiscard]] virtual std::shared_ptr<const Weights> unpack_weights(Unpacking& box) const = 0;
  // A task's result, from whoever was given its pack: refused unless the submodel is one that the
  // task can end with. Its state holds the masks; the rest of the state stays with the node. The
  // box's pieces stay valid, and are the update's own memory.
  [[nodiscard]] virtual Outcome unpack_update(Unpacking& box, const TaskInput& input) const = 0;
};

// Loads LibTorch now, before this process is forked, say. Throws like open_engine().
void load_library();

// Which libraries compute what is learned, since its last bits are theirs: `libtorch`, `blas` (with
// the kernels that it chose for this CPU, where it tells), `onednn`. Throws like load_library().
std::map<std::string, std::string> library_facts();

// Opens the library beside the running program. Throws base::UserError where it is not there, the
// device is not, or the data does not fit the model.
std::shared_ptr<const Engine> open_engine(const EngineOptions& options);

}  // namespace convoy::engine
