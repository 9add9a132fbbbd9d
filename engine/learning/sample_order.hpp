#pragma once

// The order in which a node's training goes through its samples, and what a task draws.

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.hpp"
#include "engine/data/dataset.hpp"
#include "engine/model/batches.hpp"

namespace convoy::engine {

// What is drawn in a node's task, each from a generator of its own.
enum DrawPhase : std::uint64_t {
  mask_phase = 1,
  weight_phase = 2,
  gate_draws = 3,
  score_draws = 4,
  mask_sample = 5,
  stage_draws = 6,     // dropout of stages
  pipeline_draws = 7,  // dropout of a member of a pipeline's group
  stream_draws = 8,    // the order of a run's samples
};
inline std::uint64_t task_seed(std::uint64_t seed, int node, std::int64_t task,
                               std::uint64_t phase) {
  return base::Random(
             {seed, static_cast<std::uint64_t>(node), static_cast<std::uint64_t>(task), phase})
      .bits();
}

// Epoch after epoch, each in a new random order.
class SampleOrder {
 public:
  SampleOrder(std::vector<std::int64_t> samples, const EpochPlan& plan, std::uint64_t seed)
      : samples_(std::move(samples)), plan_(plan), random_({seed}) {}

  // The samples of the n-th batch, from 0 over all epochs; valid until the next call. Of an epoch
  // that has begun, or a later one.
  std::span<const std::int64_t> batch(std::int64_t n);

 private:
  std::vector<std::int64_t> samples_;
  EpochPlan plan_;
  base::Random random_;
  std::int64_t epochs_ = 0;  // begun
};

// The endless order in which a pipeline goes through the training samples of all nodes
// (engine/api/pipeline_work.hpp): epoch after epoch, each in an order of (seed, epoch) alone.
class SampleStream {
 public:
  // Throws base::UserError if no node has any.
  SampleStream(const std::vector<LocalSplit>& parts, std::uint64_t seed);

  // Those from a position on (>= 0, counted from the run's first one).
  [[nodiscard]] std::vector<std::int64_t> at(std::int64_t from, std::int64_t count);

 private:
  std::vector<std::int64_t> samples_;  // node by node
  std::uint64_t seed_;
  std::int64_t epoch_ = -1;             // -1: none yet
  std::vector<std::int64_t> shuffled_;  // those of this epoch
};

}  // namespace convoy::engine
