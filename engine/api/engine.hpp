#pragma once

// The training engine as its users see it: no LibTorch, no clock, no network. It is a library
// opened on demand (loading LibTorch takes most of a second and 190 MB):
//
//   const auto engine = open_engine(options);
//   auto task = engine->begin({.node = 3, .task = 17, .received = weights, ...}, stop);
//   task->learn_masks(6);
//   task->train(1, {});
//   Outcome outcome = task->finish();
//   Aggregated next = engine->aggregate(weights, {{outcome.update, weights}});
//
// What goes in and out is immutable and shared, so that tasks may run in any number of threads; the
// result depends on what goes in and on (seed, node, task) alone, to the bit. Matrix products run
// in the caller's thread: call prepare_thread() in each.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/api/options.hpp"
#include "engine/api/parcel.hpp"
#include "engine/data/dataset.hpp"
#include "engine/model/submodel.hpp"

namespace convoy::engine {

// Something kept in memory whose inside is the engine's business.
class Held {
 public:
  Held() = default;
  virtual ~Held() = default;
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
};
class Weights : public Held {};    // a version of the full model, or a submodel's part of one
class NodeState : public Held {};  // what a node remembers: masks, logits, optimizer state
class Update : public Held {};     // what a task sends back: the change of its submodel's weights

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

// What a task starts from.
struct TaskInput {
  int node = 0;
  std::int64_t task = 0;
  std::int64_t version = 0;  // of what was received
  double rate = 1;           // of the submodel, (0, 1]
  int batch = 1;
  bool choose_masks = false;  // anew; otherwise those of its state, if it has any
  bool test_locally = false;  // before training, on the node's own test part
  std::shared_ptr<const Weights> received;
  std::shared_ptr<const NodeState> state;  // null: the node's first task
};

struct Outcome {
  std::shared_ptr<const Update> update;
  std::shared_ptr<const NodeState> state;
  Submodel submodel;
  double loss = 0;  // mean of the last epoch (or of all steps)
  // Of what was received, on the node's own test part, if it has one.
  std::optional<double> local_accuracy;
  bool finite = true;  // no NaN, no infinity in the update
};

// One task on a node, phase by phase. Phases throw Stopped once their stop was requested.
class LocalTask {
 public:
  LocalTask() = default;
  virtual ~LocalTask() = default;
  LocalTask(const LocalTask&) = delete;
  LocalTask& operator=(const LocalTask&) = delete;

  // Gates trained on the node's data for some epochs; then the submodel is what they say.
  virtual void learn_masks(int epochs) = 0;
  // The submodel's weights, for epochs or for steps instead.
  virtual void train(int epochs, std::optional<int> steps) = 0;
  // The update; nothing may be called after it.
  virtual Outcome finish() = 0;

  [[nodiscard]] virtual const Submodel& submodel() const = 0;  // as it is now
};

struct Stopped {};

struct Contribution {
  std::shared_ptr<const Update> update;
  std::shared_ptr<const Weights> received;  // may be null unless the rule is one of drift
};

struct Aggregated {
  std::shared_ptr<const Weights> weights;
  std::int64_t coverage_min = 0;  // N*: the smallest number of updates that hold any parameter
  double untrained = 0;           // share of the parameters that no update has held so far
  std::vector<double> shares;     // of the contributions, sum 1
};

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
  int judged = 0;
  [[nodiscard]] double accuracy() const { return exits[static_cast<std::size_t>(judged)].top1; }
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

  // Throws base::UserError where the node's data cannot train this model.
  [[nodiscard]] virtual std::unique_ptr<LocalTask> begin(const TaskInput& input,
                                                         std::stop_token stop) const = 0;
  [[nodiscard]] virtual Aggregated aggregate(
      const Weights& current, const std::vector<Contribution>& contributions) const = 0;
  // The full model, or at a rate its nested submodel, on the global test set.
  [[nodiscard]] virtual Evaluation evaluate(const Weights& weights, double rate,
                                            const std::stop_token& stop) const = 0;

  // Files in the safetensors format. Reading throws base::UserError naming the file and what is
  // wrong: missing or foreign tensors, wrong shapes, a damaged header.
  using Metadata = std::map<std::string, std::string>;
  virtual void save(const Weights& weights, const std::filesystem::path& file,
                    const Metadata& about) const = 0;
  virtual void save(const NodeState& state, const std::filesystem::path& file) const = 0;
  virtual void save(const Update& update, const std::filesystem::path& file) const = 0;
  [[nodiscard]] virtual std::shared_ptr<const Weights> load_weights(
      const std::filesystem::path& file) const = 0;
  [[nodiscard]] virtual std::shared_ptr<const NodeState> load_state(
      const std::filesystem::path& file) const = 0;
  [[nodiscard]] virtual std::shared_ptr<const Update> load_update(
      const std::filesystem::path& file) const = 0;

  // --- between machines -------------------------------------------------------------------------

  // Of what was received the part that the task needs; begin() takes it as it comes out of
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

// Opens the library beside the running program. Throws base::UserError where it is not there, the
// device is not, or the data does not fit the model.
// Loads LibTorch now, before this process is forked, say. Throws like open_engine().
void load_library();

std::shared_ptr<const Engine> open_engine(const EngineOptions& options);

}  // namespace convoy::engine
