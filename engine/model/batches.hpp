#pragma once

// How a node goes through its samples: what engine/learning does, and what the costs of it count.

#include <cstdint>
#include <optional>

namespace convoy::engine {

// An epoch: whole batches, then one with what is left over, if anything is.
struct EpochPlan {
  std::int64_t batch = 1;  // samples of a whole batch
  std::int64_t whole = 0;  // batches
  std::int64_t rest = 0;   // samples of the last one; 0: there is none

  [[nodiscard]] std::int64_t batches() const { return whole + (rest > 0 ? 1 : 0); }
  // Of the n-th, from 0.
  [[nodiscard]] std::int64_t size_of(std::int64_t n) const { return n < whole ? batch : rest; }
};

// `skips_single`: a single sample that is left over is left out, since the model normalizes over
// the batch (needs_two_samples in trace.hpp); where it is all there is, it is a batch all the same.
EpochPlan plan_epoch(std::int64_t samples, int batch, bool skips_single);

// Batches of a training, by size.
struct BatchCounts {
  EpochPlan epoch;
  std::int64_t whole = 0;  // of epoch.batch samples
  std::int64_t rests = 0;  // of epoch.rest samples

  [[nodiscard]] std::int64_t samples() const { return whole * epoch.batch + rests * epoch.rest; }
};

// Epochs one after another, or that many steps: batches of as many epochs as they need, of the last
// only the first ones.
BatchCounts count_batches(const EpochPlan& epoch, std::int64_t epochs,
                          std::optional<std::int64_t> steps = {});

}  // namespace convoy::engine
