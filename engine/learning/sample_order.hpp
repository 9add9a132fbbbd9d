#pragma once

// The order in which a node's training goes through its samples, and what a task draws.

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.hpp"
#include "engine/model/batches.hpp"

namespace convoy::engine {

// What is drawn in a node's task, each from a generator of its own.
enum DrawPhase : std::uint64_t {
  mask_phase = 1,
  weight_phase = 2,
  gate_draws = 3,
  score_draws = 4,
  mask_sample = 5,
  stage_draws = 6,  // dropout of stages
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

}  // namespace convoy::engine
