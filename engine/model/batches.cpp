#include "engine/model/batches.hpp"

#include <algorithm>

namespace convoy::engine {

EpochPlan plan_epoch(std::int64_t samples, int batch, bool skips_single) {
  EpochPlan plan{.batch = batch, .whole = samples / batch, .rest = samples % batch};
  if (skips_single && plan.rest == 1 && plan.whole > 0) plan.rest = 0;
  return plan;
}

BatchCounts count_batches(const EpochPlan& epoch, std::int64_t epochs,
                          std::optional<std::int64_t> steps) {
  const std::int64_t rests = epoch.rest > 0 ? 1 : 0;
  BatchCounts counts{.epoch = epoch, .whole = epochs * epoch.whole, .rests = epochs * rests};
  if (!steps || epoch.batches() == 0) return counts;
  const std::int64_t full = *steps / epoch.batches();
  const std::int64_t more = *steps % epoch.batches();
  counts.whole = full * epoch.whole + std::min(more, epoch.whole);
  counts.rests = full * rests + (more > epoch.whole ? 1 : 0);
  return counts;
}

int microbatches_of(std::int64_t samples, int wanted, bool needs_two_samples) {
  const std::int64_t most = needs_two_samples ? samples / 2 : samples;
  return static_cast<int>(std::clamp<std::int64_t>(wanted, 1, std::max<std::int64_t>(most, 1)));
}

}  // namespace convoy::engine
