#pragma once

// The workers of a federated schedule: which take part, with which submodel, and their next task.
// Shared by all schedules of local updates; each schedule decides when to assign and aggregate.

#include <limits>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/table_reader.hpp"
#include "engine/api/options.hpp"
#include "sim/schedule/local_update.hpp"
#include "sim/schedule/schedule.hpp"

namespace convoy::sim {

struct ClientPoolOptions {
  // Rate of the submodel by memory class; nothing: all train the full model.
  std::optional<ByMemoryClass<double>> rates;
  engine::LearningRules learning;
  engine::Compression compression;  // of updates
  double proximal = 0;              // mu of each task; 0: the training's
  bool skip_unfit = true;  // leave out nodes whose memory does not hold their task; else an error
  static constexpr base::Words<bool> unfit_words = {{true, "skip"}, {false, "error"}};
};

// Reads rates, mask, transfer, compression, unfit and aggregation. `rates`, `transfer`, `mask` and
// `rule` are the defaults.
ClientPoolOptions read_client_pool(base::TableReader& reader, std::map<int, double> rates,
                                   const engine::TransferOptions& transfer,
                                   const engine::MaskOptions& mask = {},
                                   const std::string& rule = "coverage");

class ClientPool {
 public:
  // Throws base::UserError if no node can take part.
  ClientPool(std::shared_ptr<const Setting> setting, ClientPoolOptions options);

  // All nodes that can take part, present or not.
  [[nodiscard]] const std::vector<NodeId>& members() const { return members_; }
  [[nodiscard]] bool takes_part(NodeId node) const;

  // The next task for a node, with a new id. `epochs` replaces the setting's epochs.
  Assign assign(NodeId node, std::optional<int> epochs = {});
  [[nodiscard]] NodeId node_of(TaskId task) const { return tasks_.at(task).node; }

  // A node's task has ended; if successful, it counts for the node's mask phases.
  void done(TaskId task);
  void failed(TaskId task);

  // The server's task that aggregates finished tasks into the next version; forgets these tasks.
  Assign aggregate(std::vector<TaskId> tasks);

  // See Schedule::sized.
  [[nodiscard]] Activity sized(TaskId task, const Activity& expected,
                               const engine::Submodel& submodel) const;

  // `most`: largest number of updates in one aggregation.
  [[nodiscard]] std::vector<PlannedTask> plan(
      std::size_t most = std::numeric_limits<std::size_t>::max());

 private:
  struct Task {
    NodeId node = no_node;
    double upload_bytes = 0;
  };

  [[nodiscard]] double rate(NodeId node) const;
  // TaskBrief::place of the node; only for staggered windows.
  [[nodiscard]] std::optional<double> place(NodeId node) const;
  [[nodiscard]] LocalWork work(NodeId node, bool masks, std::optional<int> instead = {}) const;
  [[nodiscard]] bool masks_next(NodeId node) const;
  [[nodiscard]] bool has_masks(NodeId node) const;
  [[nodiscard]] bool has_mask_phase(NodeId node) const;
  bool fits(NodeId node);

  std::shared_ptr<const Setting> setting_;
  ClientPoolOptions options_;
  LocalUpdates updates_;
  std::vector<NodeId> members_;
  ByNode<bool> takes_part_;
  ByNode<int> done_;  // number of successful tasks
  std::unordered_map<TaskId, Task> tasks_;
  // Task ids seed all draws (jitter, shuffling). Updates have their own numbers, so that the n-th
  // update draws the same, however many aggregations came before.
  TaskId next_ = 0;
  static constexpr TaskId first_aggregation = 1'000'000'000'000;
  TaskId next_aggregation_ = first_aggregation;
};

// A schedule over the tasks of a client pool.
class FederatedSchedule : public Schedule {
 public:
  FederatedSchedule(std::shared_ptr<const Setting> setting, ClientPoolOptions options)
      : clients_(std::move(setting), std::move(options)) {}
  [[nodiscard]] std::vector<PlannedTask> plan() const override {
    return clients_.plan(most_updates());
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

  mutable ClientPool clients_;  // mutable: plan() fills the cache of graphs
};

}  // namespace convoy::sim
