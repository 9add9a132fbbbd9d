#pragma once

// Batches of tensors from a data set. Refers to the data set's memory; each batch is a copy.

#include <span>
#include <utility>

#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// Mean and deviation of each channel, for values in [0, 1].
struct Normalization {
  std::vector<double> mean;
  std::vector<double> deviation;
};
// For a data set of images; empty for texts.
Normalization normalization_of(const Dataset& data);

struct Batch {
  Tensor input;   // images: float [n, channels, height, width], normalized; texts: long [n, tokens]
  Tensor labels;  // long [n]
};

class Samples {
 public:
  // Images are resized (bilinear), and gray images repeated over the channels, as the architecture
  // needs. Throws base::UserError if the data does not fit the architecture.
  Samples(std::shared_ptr<const Dataset> data, const Architecture& architecture,
          const Normalization& normalization, const at::Device& device);

  [[nodiscard]] std::int64_t size() const { return data_->size(); }
  [[nodiscard]] Batch batch(std::span<const std::int64_t> indices) const;
  // Those of a batch alone.
  [[nodiscard]] Tensor labels(std::span<const std::int64_t> indices) const;
  // The labels that these samples have, rising.
  [[nodiscard]] std::vector<int> labels_of(std::span<const std::int64_t> indices) const;

 private:
  std::shared_ptr<const Dataset> data_;
  at::Device device_;
  Tensor inputs_;  // all samples: bytes or token numbers
  Tensor labels_;
  Tensor factor_;  // per channel: value x factor + shift
  Tensor shift_;
  std::int64_t channels_ = 0;  // of the architecture
  std::int64_t height_ = 0;
  std::int64_t width_ = 0;
};

}  // namespace convoy::engine
