#pragma once

// Computes what the nodes learn while the world simulates the time. A pool of workers on the host
// computes every assigned task, from the version that the node downloads; the simulation waits for
// the result when the task's last activity ends in virtual time. Versions are shared and live as
// long as a task or an aggregation needs them.
//
// Called from the simulation's thread only, in the order of events. So results do not depend on the
// number or speed of the workers.

#include <atomic>
#include <map>
#include <optional>
#include <unordered_map>

#include "base/non_copyable.hpp"
#include "sim/run/checkpoint.hpp"
#include "sim/run/groups.hpp"
#include "sim/run/held_results.hpp"
#include "sim/run/real_nodes.hpp"
#include "sim/run/task_computation.hpp"
#include "sim/run/update_folder.hpp"
#include "sim/run/worker_pool.hpp"
#include "sim/scenario/scenario.hpp"
#include "sim/schedule/orders.hpp"

namespace convoy::sim {

struct LearnerOptions {
  int workers = 1;
  std::filesystem::path folder;  // of the run; empty: no checkpoints, no model file
  bool resume = false;
  const std::atomic<bool>* interrupted = nullptr;  // when set, waiting ends: Interrupted is thrown
  // Called before a checkpoint: the store must contain everything that led to the checkpoint.
  std::function<void()> before_checkpoint;
  // Called several times a second while the simulation waits for a result; must be quick.
  std::function<void()> waiting;
  RealNodes* real = nullptr;  // delivers the results of real nodes
};

// What the host's workers compute, in FLOPs by the tasks' graphs.
struct LearningWork {
  double assigned = 0;  // so far
  double done = 0;      // of that
};

struct Interrupted {};

class Learner : base::NonCopyable {
 public:
  // Throws base::UserError if the checkpoint cannot be resumed from.
  Learner(const Scenario& scenario, std::shared_ptr<const engine::Engine> engine,
          std::shared_ptr<const engine::Weights> initial, LearnerOptions options);
  ~Learner();

  // A task starts from the present version. Throws std::logic_error if a result that it takes does
  // not exist.
  void assigned(const Assign& order);
  // An activity of the task has ended in the world; in the order of these ends.
  void activity_ended(TaskId task, int activity) {
    groups_.ended(task, activity);
    flow_.ended(task, activity);
  }
  // The submodel that the task's worker keeps, for its costs. Waits until it is chosen.
  [[nodiscard]] engine::Submodel submodel(TaskId task);
  // True if that is known from the version that a task starts from, also of real nodes (masks).
  [[nodiscard]] bool follows_from_version() const;
  // The task's last activity has ended: waits for its outcome. Whatever a resumed run knows of it
  // already, the task's `worker`, if it is a real node, is told that its update is taken.
  TaskLearned done(TaskId task, NodeId worker = no_node);
  // The task's result becomes the next version, and the results that it took are released. Waits
  // here for a task that aggregates a version.
  TaskLearned published(TaskId task);
  void given_up(TaskId task);
  // Releases the results of these tasks: they have been taken.
  void let_go(const std::vector<TaskId>& tasks);

  // Of this process: results that a resumed run knows already do not count. Tasks that were given
  // up count as done.
  [[nodiscard]] LearningWork work() const;
  // What waits in memory and in files, for those that ask how much that is.
  [[nodiscard]] const HeldResults& held() const { return held_; }

  // Starts to evaluate the present version and gives its number; finish_evaluation() waits for the
  // evaluation.
  std::int64_t begin_evaluation();
  engine::Evaluation finish_evaluation(std::int64_t version);

  // Writes a checkpoint if the last one is old enough. To be called at the end of an instant.
  void maybe_checkpoint();
  // Writes a checkpoint, also of a finished run: it can be resumed with a later stop.
  void checkpoint();
  // Writes the present version as FOLDER/model.safetensors. Where nodes have layers of their own,
  // these stand there as the run began with them, and beside it, in FOLDER/own_layers, for each
  // node that has some a file with its own ones, by the same names.
  void write_model() const;

 private:
  struct Live : LiveTask {
    Assign order;
    bool real = false;                        // a real node computes it
    std::optional<Job<engine::Outcome>> job;  // nothing: not begun
    std::future<engine::Submodel> chosen;
    double flops = 0;  // that the job computes; 0: it is not under way
    std::shared_ptr<engine::TrainingProgress> progress;

    [[nodiscard]] NodeId node() const { return order.worker_node(); }
    [[nodiscard]] StateOf state_of(NodeId node) const {
      return {node, order.kind == TaskKind::aggregation};
    }
  };

  void start(Live& live);
  void compute(Live& live);
  [[nodiscard]] TaskComputation computation_of(const Live& live);
  // Starts the computation from the present version.
  void start_anew(Live& live);
  TaskLearned finish(TaskId task, Live& live);
  engine::Outcome wait_for_shared(TaskId task);
  engine::Outcome wait_for_flow(TaskId task);
  // What is known of these tasks' nodes at present.
  [[nodiscard]] std::vector<AtWork> at_work(const std::vector<TaskId>& tasks);
  [[nodiscard]] bool is_real(NodeId node) const;
  [[nodiscard]] engine::TaskInput input_of(const Live& live, NodeId node) const;
  [[nodiscard]] std::vector<engine::Input> given_to(const Live& live);
  void collect_updates() const;
  // Waits until `is_there`, called with a short time to wait for, gives true.
  void wait_until(const std::function<bool(std::chrono::milliseconds)>& is_there) const;
  template <class Result>
  Result wait(Job<Result>& job) const {
    wait_until([&](std::chrono::milliseconds time) { return job.wait_for(time); });
    return job.get();
  }
  void check_interrupted() const;
  // A resumed run before the state of its checkpoint: results up to there are known.
  [[nodiscard]] bool replaying() const { return version_ < resumed_.version; }
  Live& live_task(TaskId task);
  void note_own_layers();
  // Holds what of a task's outcome waits: its update, and its node's state.
  void hold(engine::Outcome& outcome);

  const Scenario& scenario_;
  std::shared_ptr<const engine::Engine> engine_;
  LearnerOptions options_;
  HeldResults held_;
  std::optional<CheckpointFolder> folder_;
  std::optional<UpdateFolder> updates_;  // updates of real nodes

  std::int64_t version_ = 0;
  std::shared_ptr<const engine::Weights> weights_;  // present version; null: replaying
  std::unordered_map<TaskId, Live> live_;
  double assigned_flops_ = 0;
  std::map<StateOf, Checkpoint::State> states_;
  // Where nodes have layers of their own: the states that they had when the present version was
  // made. With these it is evaluated, whenever that is, and written.
  OwnLayers own_layers_;
  int making_versions_ = 0;  // tasks under way that aggregate a version

  Results results_;
  // The parts of the checkpoint that are not yet in use: tasks under way at that time, until they
  // are assigned again, and the newest version.
  Checkpoint resumed_;
  std::int64_t written_version_ = 0;
  std::size_t written_tasks_ = 0;  // number of results in the last checkpoint
  std::chrono::steady_clock::time_point written_;

  // Last, so that the threads end first.
  std::map<std::int64_t, Job<engine::Evaluation>> evaluations_;  // under way, by version
  Groups groups_;
  Flow flow_;  // tasks in time, that share no session
  WorkerPool pool_;
};

}  // namespace convoy::sim
