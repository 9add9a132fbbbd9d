#pragma once

// A node's task in federated learning: download the (sub)model, train it on the node's data, upload
// the update. Computes graph and costs; caches them by kind of node and data size, so that 100,000
// equal nodes share one graph.

#include <map>
#include <memory>
#include <optional>
#include <tuple>

#include "engine/api/compression.hpp"
#include "engine/model/blocks.hpp"
#include "engine/model/elements.hpp"
#include "engine/model/submodel.hpp"
#include "engine/rules/rule.hpp"
#include "sim/schedule/block_work.hpp"
#include "sim/schedule/setting.hpp"
#include "sim/schedule/split_work.hpp"
#include "sim/task/graph.hpp"

namespace convoy::sim {

// A node's work. The submodel's width follows its rate only once masks are known; while masks are
// learned (mask_epochs > 0) it has full width.
struct LocalWork {
  double rate = 1;                // (0, 1]; 1: the full model
  bool full_width = false;        // a submodel is shallower, not narrower
  bool all_blocks = false;        // it is narrower, not shallower
  bool sampled = false;           // its masks are drawn: the number of kept members is known late
  engine::StepExtras extras;      // of the weights' training
  int mask_epochs = 0;            // before the weights
  bool scores_members = false;    // these are passes for the members' importance
  std::optional<int> mask_steps;  // of such passes, instead of mask_epochs
  int weight_epochs = 1;
  std::optional<int> weight_steps;  // instead of weight_epochs
  engine::Compression compression;  // of the update
  engine::Compression download;     // of what the node starts from
  bool keeps_residual = false;      // of compressed updates, in this task or others
  // With others than all: a rate of 1, no compression.
  engine::ElementKind elements = engine::ElementKind::all;
  // pruned: expected share of the prunable weights that the received version keeps, (0, 1]; what is
  // sent follows from the version in learning runs. And what is done with squared gradients.
  double density = 1;
  bool gathers_squares = false;
  bool brings_squares = false;
  std::optional<SplitWork> split;  // it trains the first layers only: see split_update.hpp
  std::optional<BlockWork> block;  // it trains a part of the parameters: see block_update.hpp

  // NOLINTNEXTLINE(modernize-use-nullptr): the 0 of a comparison
  friend auto operator<=>(const LocalWork&, const LocalWork&) = default;
};

struct LocalUpdate {
  TaskGraph graph{2};        // role 0: server, 1: worker
  double memory = 0;         // peak bytes on the worker, runtime included
  double server_memory = 0;  // of a split task: peak bytes at the server
  double samples = 0;        // used for training weights; those for masks are not counted
  double upload_bytes = 0;   // of the update in aggregation, not compressed
  double encoded_bytes = 0;  // of the compressed update on the wire; 0: it is not compressed
  int depth = 0;             // blocks
  // Of the model that is learned: the node has the layers before the first as its own, and those
  // from the second (engine::TaskBrief::own_before); 0: it has none.
  int own_before = 0;
  int own_from = 0;
};

// The updates of one aggregation.
struct AggregatedUpdates {
  std::vector<double> bytes;    // of each, whole
  std::vector<double> encoded;  // of each, on the wire; 0: it came whole
  // The number of updates trained from an older version than the one to which they are added, and
  // the number of these older versions.
  std::size_t behind = 0;
  std::size_t versions_behind = 0;
  std::vector<double> at_work;  // bytes of what others hold, for a rule that counts them
};

class LocalUpdates {
 public:
  // `keeps_received`: a node needs the received weights until its training ends (a proximal term),
  // also if the setting has no proximal term.
  explicit LocalUpdates(std::shared_ptr<const Setting> setting, bool keeps_received = false);

  // Tasks of a plan (a block, or rates and shares) are kept up to so many activities: a new plan
  // makes new ones, and a split epoch has thousands (0.7 KB each).
  static constexpr std::size_t most_planned_activities = 200'000;

  // Shared by equal nodes; valid for as long as it is held.
  std::shared_ptr<const LocalUpdate> of(NodeId node, const LocalWork& work);
  // The cost of a sized_late activity on the submodel that was actually chosen.
  [[nodiscard]] Activity sized(NodeId node, const Activity& activity,
                               const engine::Submodel& submodel, const LocalWork& work) const;
  // The same of a transfer where it depends on how many elements are kept (pruned).
  [[nodiscard]] Activity sized_by_elements(const Activity& transfer,
                                           const std::vector<std::int64_t>& kept,
                                           bool brings_squares) const;
  // A block as shares of the parameters, which hold for what is learned in the model's place, too.
  [[nodiscard]] engine::ParameterBlock shares_of(const BlockWork& block) const;
  // Does the node's memory hold that task, and the server's its part of it?
  bool fits(NodeId node, const LocalWork& work);

  // The server's task that aggregates these updates by `rule` (null: the mean). The rule's state
  // counts as further updates of the full model. A rule that needs the updates' elements one by one
  // holds all updates in memory; one that needs what they were trained from (Needs::received) holds
  // those versions beside the present one, and reads them. One that asks who is at work (at_work)
  // counts, for each of them, the parameters that it holds. What came compressed is decoded first.
  // `then`: what the server does with the version just made: reconfigures it (Reconfigure), takes
  // the statistics of batch norms anew from all nodes' samples (Statistics), or nothing.
  [[nodiscard]] std::shared_ptr<const TaskGraph> aggregation(const AggregatedUpdates& updates,
                                                             const engine::Rule* rule,
                                                             const engine::Work& then = {}) const;

 private:
  void forget_old_plans(std::shared_ptr<const LocalUpdate> newest);

  using Key = std::tuple<const platforms::Machine*, std::int64_t, int, LocalWork>;

  // The computes of a node's task, one function each: time, FLOPs and memory. make() puts them into
  // the task's graph.
  [[nodiscard]] Activity choosing_masks(const NodeSetting& node, const engine::Submodel& wide,
                                        const LocalWork& work) const;
  [[nodiscard]] Activity training(const NodeSetting& node, const engine::Submodel& submodel,
                                  const engine::Train& work,
                                  const engine::StepExtras& extras) const;
  [[nodiscard]] Activity aggregating(const AggregatedUpdates& updates,
                                     const engine::Rule* rule) const;
  [[nodiscard]] Activity taking(const engine::Statistics& work) const;
  [[nodiscard]] Activity encoding(const NodeSetting& node, const engine::Submodel& submodel,
                                  const engine::Compression& compression) const;
  // The server encodes what it sends; the node decodes what it receives.
  [[nodiscard]] Activity encoding_model(const engine::Submodel& submodel,
                                        const engine::Compression& compression) const;
  [[nodiscard]] Activity decoding_model(const NodeSetting& node, const engine::Submodel& submodel,
                                        const engine::Compression& compression) const;
  // Adds how the node gets what it starts from; gives the artifact there.
  int add_download(const NodeSetting& node, const engine::Submodel& submodel, const LocalWork& work,
                   bool is_late, LocalUpdate& update) const;
  [[nodiscard]] LocalUpdate make(const NodeSetting& node, const LocalWork& work) const;
  [[nodiscard]] LocalUpdate make_by_elements(const NodeSetting& node, const LocalWork& work) const;
  [[nodiscard]] Activity training_by_elements(const NodeSetting& node, const LocalWork& work) const;
  [[nodiscard]] Activity reconfiguring(const engine::Reconfigure& work, std::size_t updates) const;
  [[nodiscard]] LocalUpdate make_block(const NodeSetting& node, const LocalWork& work) const;
  [[nodiscard]] LocalUpdate make_fixed(const NodeSetting& node, const LocalWork& work) const;

  std::shared_ptr<const Setting> setting_;
  bool keeps_received_;
  double model_bytes_ = 0;
  double parameters_ = 0;  // of the full model
  std::map<Key, std::shared_ptr<const LocalUpdate>> made_;
  std::size_t planned_activities_ = 0;  // in made_, of tasks of a plan
};

}  // namespace convoy::sim
