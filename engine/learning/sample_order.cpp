#include "engine/learning/sample_order.hpp"

#include <stdexcept>

#include "base/diagnostics.hpp"

namespace convoy::engine {

std::span<const std::int64_t> SampleOrder::batch(std::int64_t n) {
  const std::int64_t epoch = n / plan_.batches();
  if (epoch + 1 < epochs_) throw std::logic_error("a batch of an epoch that is over");
  for (; epochs_ <= epoch; ++epochs_) base::shuffle(samples_, random_);
  const std::int64_t b = n % plan_.batches();
  return std::span<const std::int64_t>(samples_).subspan(
      static_cast<std::size_t>(b * plan_.batch), static_cast<std::size_t>(plan_.size_of(b)));
}

SampleStream::SampleStream(const std::vector<LocalSplit>& parts, std::uint64_t seed) : seed_(seed) {
  for (const LocalSplit& part : parts) {
    samples_.insert(samples_.end(), part.train.begin(), part.train.end());
  }
  if (samples_.empty()) throw base::UserError("no node has data to train on");
}

std::vector<std::int64_t> SampleStream::at(std::int64_t from, std::int64_t count) {
  const auto n = static_cast<std::int64_t>(samples_.size());
  std::vector<std::int64_t> taken;
  for (std::int64_t position = from; position < from + count; ++position) {
    if (const std::int64_t epoch = position / n; epoch != epoch_) {
      shuffled_ = samples_;
      base::Random random({seed_, stream_draws, static_cast<std::uint64_t>(epoch)});
      base::shuffle(shuffled_, random);
      epoch_ = epoch;
    }
    taken.push_back(shuffled_[static_cast<std::size_t>(position % n)]);
  }
  return taken;
}

}  // namespace convoy::engine
