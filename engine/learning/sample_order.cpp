#include "engine/learning/sample_order.hpp"

#include <stdexcept>

namespace convoy::engine {

std::span<const std::int64_t> SampleOrder::batch(std::int64_t n) {
  const std::int64_t epoch = n / plan_.batches();
  if (epoch + 1 < epochs_) throw std::logic_error("a batch of an epoch that is over");
  for (; epochs_ <= epoch; ++epochs_) base::shuffle(samples_, random_);
  const std::int64_t b = n % plan_.batches();
  return std::span<const std::int64_t>(samples_).subspan(
      static_cast<std::size_t>(b * plan_.batch), static_cast<std::size_t>(plan_.size_of(b)));
}

}  // namespace convoy::engine
