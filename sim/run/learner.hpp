#pragma once

// What the nodes learn while the world simulates how long it takes. Every task that is assigned is
// computed on the host by a pool of workers, from the version that the node downloads; its result
// is waited for when the task's last activity ends in virtual time. Versions are shared, and live
// as long as a task or an aggregation needs them.
//
// Called from the simulation's thread only, in the order of events, so that what is computed does
// not depend on how many workers there are or how fast they are.

#include <atomic>
#include <map>
#include <optional>
#include <unordered_map>

#include "sim/run/checkpoint.hpp"
#include "sim/run/real_nodes.hpp"
#include "sim/run/task_computation.hpp"
#include "sim/run/update_folder.hpp"
#include "sim/run/worker_pool.hpp"
#include "sim/scenario/scenario.hpp"
#include "sim/schedule/orders.hpp"

namespace convoy::sim {

struct LearnerOptions {
  int workers = 1;
  std::filesystem::path folder;  // of the run; empty: no checkpoints, no model
  bool resume = false;
  const std::atomic<bool>* interrupted = nullptr;  // ends waiting: Interrupted is thrown
  // What led to what a checkpoint has must be in the store first.
  std::function<void()> before_checkpoint;
  RealNodes* real = nullptr;  // who brings the results of real nodes
};

struct Interrupted {};

class Learner {
 public:
  // Throws base::UserError for a checkpoint that cannot be gone on from.
  Learner(const Scenario& scenario, std::shared_ptr<const engine::Engine> engine,
          std::shared_ptr<const engine::Weights> initial, LearnerOptions options);
  ~Learner();
  Learner(const Learner&) = delete;
  Learner& operator=(const Learner&) = delete;

  // A task starts from the present version. Throws std::logic_error where a result that it takes is
  // not there.
  void assigned(const Assign& order);
  // What the task's worker keeps of the model, as far as costs go. Waits until it is chosen.
  [[nodiscard]] engine::Submodel submodel(TaskId task);
  // The task's last activity has ended: waits for its outcome.
  TaskLearned done(TaskId task);
  // Its result is the next version from now on, and those that it took are let go. One that
  // aggregates a version is waited for here, when its turn has come.
  TaskLearned published(TaskId task);
  void given_up(TaskId task);
  // Somebody has what these tasks made.
  void let_go(const std::vector<TaskId>& tasks);

  // Starts to evaluate the present version, whose number it gives; finish_evaluation() waits for
  // it.
  std::int64_t begin_evaluation();
  engine::Evaluation finish_evaluation(std::int64_t version);

  // Writes a checkpoint where the last one is old enough. To be called at the end of an instant.
  void maybe_checkpoint();
  // Of a run that is done as well: with a later stop it can be gone on with.
  void checkpoint();
  // The present version as FOLDER/model.safetensors.
  void write_model() const;

 private:
  struct Live : LiveTask {
    Assign order;
    bool real = false;                        // computed elsewhere
    std::optional<Job<engine::Outcome>> job;  // nothing: it has not been begun
    std::future<engine::Submodel> chosen;

    [[nodiscard]] NodeId node() const { return order.worker_node(); }
    [[nodiscard]] StateOf state_of(NodeId node) const {
      return {node, order.kind == TaskKind::aggregation};
    }
  };

  void start(Live& live);
  void compute(Live& live);
  // From the version that is there now.
  void start_anew(Live& live);
  TaskLearned finish(TaskId task, Live& live);
  [[nodiscard]] bool is_real(NodeId node) const;
  [[nodiscard]] engine::TaskInput input_of(const Live& live, NodeId node) const;
  [[nodiscard]] std::vector<engine::Input> given_to(const Live& live);
  void collect_updates() const;
  template <class Result>
  Result wait(Job<Result>& job) const;
  void check_interrupted() const;
  // A resumed run that is not yet where its checkpoint was taken: what is done there is known.
  [[nodiscard]] bool replaying() const { return version_ < resumed_.version; }
  Live& live_task(TaskId task);

  const Scenario& scenario_;
  std::shared_ptr<const engine::Engine> engine_;
  LearnerOptions options_;
  std::optional<CheckpointFolder> folder_;
  std::optional<UpdateFolder> updates_;  // of real nodes

  std::int64_t version_ = 0;
  std::shared_ptr<const engine::Weights> weights_;  // of the present version; null: replaying
  std::unordered_map<TaskId, Live> live_;
  std::map<StateOf, Checkpoint::State> states_;
  int making_versions_ = 0;  // tasks under way that aggregate one

  Results results_;
  // Of the checkpoint that a run was resumed from what has not been taken up yet: the tasks that
  // were live then, until they are assigned again, and its newest version.
  Checkpoint resumed_;
  std::int64_t written_version_ = 0;
  std::size_t written_tasks_ = 0;  // results that the last checkpoint has
  std::chrono::steady_clock::time_point written_;

  // Last: its threads end first.
  std::map<std::int64_t, Job<engine::Evaluation>> evaluations_;  // under way, by version
  WorkerPool pool_;
};

}  // namespace convoy::sim
