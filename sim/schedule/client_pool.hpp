#pragma once

// The workers of a federated schedule: which take part, with which submodel, and their next task.
// Shared by all schedules of local updates; each schedule decides when to assign and aggregate.

#include <functional>
#include <limits>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sim/schedule/client_pool_options.hpp"
#include "sim/schedule/local_update.hpp"
#include "sim/schedule/schedule.hpp"
#include "sim/schedule/turns.hpp"

namespace convoy::sim {

// What differs in a task from those that its node usually gets.
struct TaskChanges {
  std::optional<int> epochs;  // instead of those of the setting
  std::optional<int> steps;   // instead of these epochs
  // Of its submodel, instead of its own and not above that; the submodel is then chosen anew.
  std::optional<double> rate;
  std::optional<int> gather_squares;  // see engine::TaskBrief
  bool bring_squares = false;
  // The task is split between its node and the server; nothing: as the pool's options say.
  std::optional<SplitWork> split;
  std::optional<BlockWork> block;  // of the parameters: the node trains only these
};

class ClientPool {
 public:
  // Throws base::UserError if no node can take part, or if the options cannot be had together.
  ClientPool(std::shared_ptr<const Setting> setting, ClientPoolOptions options);

  // All nodes that can take part, present or not.
  [[nodiscard]] const std::vector<NodeId>& members() const { return members_; }
  [[nodiscard]] bool takes_part(NodeId node) const;
  // Turns for the start: the members rest; other nodes never take part.
  [[nodiscard]] Turns turns(HowMany limit) const;

  // Must get every event before tasks are assigned at its instant: a task's brief may depend on the
  // version that it starts from. Forgets a node's task that has published its own result.
  void note(const Event& event);
  [[nodiscard]] std::int64_t version() const { return version_; }

  // The next task for a node, with a new id. Throws base::UserError if compression changes with
  // versions and the pool got no events.
  Assign assign(NodeId node, const TaskChanges& changes = {});
  // The share of the prunable weights that a version keeps from now on, for costs if nothing is
  // learned (ElementKind::pruned).
  void expect_density(double density) { density_ = density; }
  // Of the node's submodel, by its memory class.
  [[nodiscard]] double rate(NodeId node) const;
  [[nodiscard]] NodeId node_of(TaskId task) const { return tasks_.at(task).node; }

  // A node's task has ended; if successful, it counts for the node's mask phases.
  void done(TaskId task);
  // Any task came to nothing.
  void failed(TaskId task);

  // The server's task that aggregates finished tasks into the next version, and reconfigures that
  // if it is to; forgets these tasks.
  Assign aggregate(std::vector<TaskId> tasks, const std::optional<engine::Reconfigure>& then = {});

  // The server's task that takes what a part has learned that the tasks of a session's group have
  // stepped in turn (SplitWork::shared); its result is aggregated with theirs. `like`: one of them.
  Assign take_shared(const SharedSession& session, TaskId like);

  // See Schedule::remarks.
  [[nodiscard]] std::vector<std::string> remarks() const;

  // See Schedule::sized.
  [[nodiscard]] Activity sized(TaskId task, const Activity& expected,
                               const engine::Submodel& submodel) const;

  // `most`: largest number of updates in one aggregation; `most_behind`: the most versions that
  // such an update may be behind the present one. `changes`: of a node's task of weights; null:
  // none.
  [[nodiscard]] std::vector<PlannedTask> plan(
      std::size_t most = std::numeric_limits<std::size_t>::max(), std::size_t most_behind = 0,
      const std::function<TaskChanges(NodeId)>& changes = nullptr);

 private:
  struct Task {
    NodeId node = no_node;
    double upload_bytes = 0;
    double encoded_bytes = 0;  // 0: it is sent whole
    std::int64_t base = 0;     // version that it starts from
    LocalWork work;
  };

  // TaskBrief::place of the node; only for staggered windows.
  [[nodiscard]] std::optional<double> place(NodeId node) const;
  // `version`: from which the task starts.
  [[nodiscard]] LocalWork work(NodeId node, bool masks, std::int64_t version,
                               const TaskChanges& changes = {}) const;
  [[nodiscard]] TaskChanges heaviest() const;  // by memory
  void check_elements() const;
  void check_norms() const;
  void check_split() const;
  [[nodiscard]] std::string why_unfit(NodeId node);
  [[nodiscard]] engine::StepExtras extras(double rate) const;
  // Statistics, where the next aggregation takes them anew; else nothing.
  [[nodiscard]] engine::Work statistics_next() const;
  [[nodiscard]] bool masks_next(NodeId node) const;
  // Tasks that are neither aggregated nor failed, one of each node, without these nodes; rising.
  [[nodiscard]] std::vector<TaskId> tasks_at_work(std::set<NodeId> but) const;
  [[nodiscard]] bool has_masks(NodeId node) const;
  [[nodiscard]] bool has_mask_phase(NodeId node) const;
  bool fits(NodeId node);
  // Throws base::UserError where the server's memory does not hold what it sends compressed.
  void require_server_memory();

  std::shared_ptr<const Setting> setting_;
  ClientPoolOptions options_;
  LocalUpdates updates_;
  std::vector<NodeId> members_;
  ByNode<bool> takes_part_;
  ByNode<int> done_;  // number of successful tasks
  std::int64_t version_ = 0;
  std::int64_t being_made_ = 0;  // versions: aggregations that are ordered and not yet published
  bool is_told_ = false;         // the pool got an event
  double density_ = 1;
  std::unordered_map<TaskId, Task> tasks_;
  // Task ids seed all draws (jitter, shuffling). Updates have their own numbers, so that the n-th
  // update draws the same, however many aggregations came before.
  TaskId next_ = 0;
  static constexpr TaskId first_aggregation = 1'000'000'000'000;
  TaskId next_aggregation_ = first_aggregation;
  bool has_norms_ = false;  // the architecture has batch norms
};

// A schedule over the tasks of a client pool.
class FederatedSchedule : public Schedule {
 public:
  FederatedSchedule(std::shared_ptr<const Setting> setting, ClientPoolOptions options)
      : clients_(std::move(setting), std::move(options)) {}
  [[nodiscard]] std::vector<PlannedTask> plan() const override {
    return clients_.plan(most_updates(), most_behind());
  }
  [[nodiscard]] std::vector<std::string> remarks() const override { return clients_.remarks(); }
  [[nodiscard]] std::optional<std::int64_t> max_staleness() const override {
    const std::size_t most = most_behind();
    if (most > static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max())) return {};
    return static_cast<std::int64_t>(most);
  }
  [[nodiscard]] Activity sized(TaskId task, const Activity& expected,
                               const engine::Submodel& submodel) const override {
    return clients_.sized(task, expected, submodel);
  }

 protected:
  // Largest number of updates in one aggregation.
  [[nodiscard]] virtual std::size_t most_updates() const {
    return std::numeric_limits<std::size_t>::max();
  }
  // Versions behind the one that they are added to from which the updates of one aggregation may
  // come, at most.
  [[nodiscard]] virtual std::size_t most_behind() const {
    return std::numeric_limits<std::size_t>::max();
  }

  mutable ClientPool clients_;  // mutable: plan() fills the cache of graphs
};

}  // namespace convoy::sim
