#pragma once

// A node's task in federated learning: download the (sub)model, train it on the node's data, upload
// the update. Computes graph and costs; caches them by kind of node and data size, so that 100,000
// equal nodes share one graph.

#include <map>
#include <memory>
#include <optional>
#include <tuple>

#include "engine/model/submodel.hpp"
#include "engine/rules/rule.hpp"
#include "sim/schedule/setting.hpp"
#include "sim/task/graph.hpp"

namespace convoy::sim {

// A node's work. The submodel's width follows its rate only once masks are known; while masks are
// learned (mask_epochs > 0) it has full width.
struct LocalWork {
  double rate = 1;          // (0, 1]; 1: the full model
  bool full_width = false;  // submodels have fewer blocks, not fewer members
  bool sampled = false;     // masks are drawn: the number of members is known only then
  int mask_epochs = 0;      // before the weights' training
  int weight_epochs = 1;
  std::optional<int> weight_steps;  // instead of epochs
};

struct LocalUpdate {
  TaskGraph graph{2};  // role 0: server, 1: worker
  double memory = 0;   // peak bytes on the worker, runtime included
  double samples = 0;  // samples x epochs of the weights' training, without the mask phase
  double upload_bytes = 0;
  int depth = 0;  // blocks
};

class LocalUpdates {
 public:
  explicit LocalUpdates(std::shared_ptr<const Setting> setting);

  std::shared_ptr<const LocalUpdate> of(NodeId node, const LocalWork& work);
  // The cost of a sized_late activity on the submodel that was actually chosen.
  [[nodiscard]] Activity sized(NodeId node, const Activity& activity,
                               const engine::Submodel& submodel) const;
  // True if the node's memory suffices for the task.
  bool fits(NodeId node, const LocalWork& work);

  // The server's task that aggregates updates of these sizes by `rule` (null: the mean). The rule's
  // state counts as further updates of the full model. A rule that needs the updates' elements one
  // by one holds all updates in memory.
  [[nodiscard]] std::shared_ptr<const TaskGraph> aggregation(
      const std::vector<double>& upload_bytes, const engine::Rule* rule) const;

 private:
  using Key =
      std::tuple<const platforms::Machine*, std::int64_t, int, double, bool, bool, int, int, int>;

  // Time, FLOPs and memory of training a submodel's weights.
  [[nodiscard]] Activity training(const NodeSetting& node, const engine::Submodel& submodel,
                                  const engine::Train& work) const;
  [[nodiscard]] LocalUpdate make(const NodeSetting& node, const LocalWork& work) const;
  [[nodiscard]] LocalUpdate make_fixed(const NodeSetting& node, const LocalWork& work) const;

  std::shared_ptr<const Setting> setting_;
  double model_bytes_ = 0;
  std::map<Key, std::shared_ptr<const LocalUpdate>> made_;
};

}  // namespace convoy::sim
