#pragma once

// A node's task in federated learning: download the (sub)model, train it on the node's data, upload
// the update. Computes graph and costs; caches them by kind of node and data size, so that 100,000
// equal nodes share one graph.

#include <map>
#include <memory>
#include <optional>
#include <tuple>

#include "engine/api/compression.hpp"
#include "engine/model/submodel.hpp"
#include "engine/rules/rule.hpp"
#include "sim/schedule/setting.hpp"
#include "sim/task/graph.hpp"

namespace convoy::sim {

// A node's work. The submodel's width follows its rate only once masks are known; while masks are
// learned (mask_epochs > 0) it has full width.
struct LocalWork {
  double rate = 1;          // (0, 1]; 1: the full model
  bool full_width = false;  // a submodel is shallower, not narrower
  bool all_blocks = false;  // it is narrower, not shallower
  bool sampled = false;     // its masks are drawn: the number of kept members is known late
  int mask_epochs = 0;      // before the weights
  int weight_epochs = 1;
  std::optional<int> weight_steps;  // instead of weight_epochs
  engine::Compression compression;  // of the update
};

struct LocalUpdate {
  TaskGraph graph{2};       // role 0: server, 1: worker
  double memory = 0;        // peak bytes on the worker, runtime included
  double samples = 0;       // used for training weights; those for masks are not counted
  double upload_bytes = 0;  // of the update in aggregation, not compressed
  int depth = 0;            // blocks
};

class LocalUpdates {
 public:
  // `keeps_received`: a node needs the received weights until its training ends (a proximal term),
  // also if the setting has no proximal term.
  explicit LocalUpdates(std::shared_ptr<const Setting> setting, bool keeps_received = false);

  std::shared_ptr<const LocalUpdate> of(NodeId node, const LocalWork& work);
  // The cost of a sized_late activity on the submodel that was actually chosen.
  [[nodiscard]] Activity sized(NodeId node, const Activity& activity,
                               const engine::Submodel& submodel,
                               const engine::Compression& compression) const;
  // Does the node's memory hold that task?
  bool fits(NodeId node, const LocalWork& work);

  // The server's task that aggregates updates of these sizes by `rule` (null: the mean). The rule's
  // state counts as further updates of the full model. A rule that needs the updates' elements one
  // by one holds all updates in memory.
  [[nodiscard]] std::shared_ptr<const TaskGraph> aggregation(
      const std::vector<double>& upload_bytes, const engine::Rule* rule) const;

 private:
  using Key = std::tuple<const platforms::Machine*, std::int64_t, int, double, bool, bool, bool,
                         int, int, int, double, bool, int, bool>;

  // Time, FLOPs and memory of training a submodel's weights.
  [[nodiscard]] Activity training(const NodeSetting& node, const engine::Submodel& submodel,
                                  const engine::Train& work) const;
  [[nodiscard]] Activity encoding(const NodeSetting& node, const engine::Submodel& submodel,
                                  const engine::Compression& compression) const;
  [[nodiscard]] LocalUpdate make(const NodeSetting& node, const LocalWork& work) const;
  [[nodiscard]] LocalUpdate make_fixed(const NodeSetting& node, const LocalWork& work) const;

  std::shared_ptr<const Setting> setting_;
  bool keeps_received_;
  double model_bytes_ = 0;
  std::map<Key, std::shared_ptr<const LocalUpdate>> made_;
};

}  // namespace convoy::sim
