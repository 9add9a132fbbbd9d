#pragma once

// A batch of a split task: its activities one after another, with what each takes, makes and keeps.
// Internal to split_update.cpp, which sums them up and puts them into a graph.

#include <string>
#include <vector>

#include "engine/model/batches.hpp"
#include "engine/model/stage_costs.hpp"
#include "sim/schedule/local_update.hpp"

namespace convoy::sim {

// Roles of a split task.
inline constexpr int split_server = 0;
inline constexpr int split_worker = 1;

// The parts of a model: the node has the front and, where labels stay with it, the tail.
struct SplitParts {
  engine::Stage front;
  engine::Stage middle;  // the server's, up to the model's end if there is no tail
  engine::Stage tail;    // empty: there is none

  [[nodiscard]] bool has_tail() const { return tail.last > 0; }
};

// An activity of a batch, with what it makes.
struct SplitMove {
  Activity activity;
  std::string product;
  double bytes = 0;  // of the product
  double held = 0;   // by the product until the backward
  bool takes_stash = false;
};

class SplitBatches {
 public:
  // Errors as split_cost(). Keeps references to both.
  SplitBatches(const Setting& setting, const NodeSetting& node, const LocalWork& work);

  [[nodiscard]] const engine::Trace& trace() const { return trace_; }
  [[nodiscard]] const SplitParts& parts() const { return parts_; }
  // Of the model that is learned.
  [[nodiscard]] const SplitParts& learned() const { return learned_; }
  [[nodiscard]] const engine::EpochPlan& epoch() const { return epoch_; }
  [[nodiscard]] const engine::BatchCounts& counts() const { return counts_; }

  [[nodiscard]] bool is_shared() const { return work_.shared; }
  // Bytes of a stage's weights; 0 for an empty one.
  [[nodiscard]] double bytes_of(const engine::Stage& stage) const;
  // Bytes that stay for the whole task: weights, the optimizer's state, a node's runtime.
  [[nodiscard]] double node_keeps() const;
  [[nodiscard]] double server_keeps() const { return keeps(parts_.middle); }

  // The activities of a batch of n samples, each from what the one before gave.
  [[nodiscard]] std::vector<SplitMove> batch(int n) const;

 private:
  [[nodiscard]] SplitMove forward(const char* label, int at, const engine::Stage& stage,
                                  const engine::Stage& learned, int n) const;
  [[nodiscard]] SplitMove backward(const char* label, int at, const engine::Stage& stage,
                                   const engine::Stage& learned, int n) const;
  // Forward, backward and step at once.
  [[nodiscard]] SplitMove at_once(const char* label, int at, const engine::Stage& stage,
                                  const engine::Stage& learned, int n) const;
  // Gives the gradients of what came in, except where forward() says otherwise.
  [[nodiscard]] SplitMove compute(const char* label, int at, const engine::Stage& stage,
                                  const std::vector<engine::Pass>& passes, int n) const;

  [[nodiscard]] engine::MemoryCost peak(const engine::Stage& stage, int n, bool recompute) const;
  [[nodiscard]] double keeps(const engine::Stage& stage) const;
  [[nodiscard]] double stash(const engine::Stage& stage, int n) const;
  // What a stage takes above what it keeps and what is held for its backward.
  [[nodiscard]] double above(const engine::Stage& stage, int n, bool recompute, double held) const;

  const Setting& setting_;
  const NodeSetting& node_;
  SplitWork work_;
  engine::Trace trace_;
  SplitParts parts_;
  SplitParts learned_;
  engine::EpochPlan epoch_;
  engine::BatchCounts counts_;
};

}  // namespace convoy::sim
