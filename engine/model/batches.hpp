#pragma once

// The batches in which a node goes through its samples, for engine/learning and the cost model.

#include <cstdint>
#include <optional>

namespace convoy::engine {

// One epoch: whole batches, then a smaller one with the remaining samples, if any.
struct EpochPlan {
  std::int64_t batch = 1;  // samples per whole batch
  std::int64_t whole = 0;  // number of whole batches
  std::int64_t rest = 0;   // samples of the last batch; 0: none

  [[nodiscard]] std::int64_t batches() const { return whole + (rest > 0 ? 1 : 0); }
  // Size of the n-th batch, from 0.
  [[nodiscard]] std::int64_t size_of(std::int64_t n) const { return n < whole ? batch : rest; }
};

// `skips_single`: a last batch of one sample is left out, since the model normalizes over the batch
// (needs_two_samples in trace.hpp), unless it is the only batch.
EpochPlan plan_epoch(std::int64_t samples, int batch, bool skips_single);

// Number of batches of a training, by size.
struct BatchCounts {
  EpochPlan epoch;
  std::int64_t whole = 0;  // of epoch.batch samples
  std::int64_t rests = 0;  // of epoch.rest samples

  [[nodiscard]] std::int64_t samples() const { return whole * epoch.batch + rests * epoch.rest; }
};

// Batches for a number of epochs, or for a number of steps: then as many epochs as needed, the last
// one only in part.
BatchCounts count_batches(const EpochPlan& epoch, std::int64_t epochs,
                          std::optional<std::int64_t> steps = {});

// In how many micro-batches a batch of so many samples is split where `wanted` (at least 1) are
// asked for: in fewer if it has fewer samples, and in at most half as many as samples where each
// needs two
// (`needs_two_samples`); always in one at least. Graphs of schedules and the learning agree by
// this: the last batch of an epoch may be small.
int microbatches_of(std::int64_t samples, int wanted, bool needs_two_samples);
// The m-th of M micro-batches has a batch's samples from begin_of_microbatch(n, m, M) to
// begin_of_microbatch(n, m + 1, M): unlike in size by at most one sample.
constexpr std::int64_t begin_of_microbatch(std::int64_t samples, int microbatch, int microbatches) {
  return microbatch * samples / microbatches;
}

}  // namespace convoy::engine
