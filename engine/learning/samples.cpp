#include "engine/learning/samples.hpp"

#include <fmt/format.h>

#include <cmath>

namespace convoy::engine {
namespace {

constexpr double brightest = 255;

// A tensor over the data set's memory. LibTorch has no tensors over const memory; they are never
// written here.
template <class T>
Tensor view(const std::vector<T>& values, std::vector<std::int64_t> shape, at::ScalarType type) {
  return at::from_blob(const_cast<T*>(values.data()), shape,  // NOLINT(*-const-cast)
                       at::TensorOptions().dtype(type));
}

void check(const DataShape& shape, const Architecture& a) {
  if (shape.text != (a.input == InputKind::tokens)) {
    throw base::UserError(fmt::format("model.architecture: {} reads {}, the data are {}", a.name,
                                      shape.text ? "images" : "texts",
                                      shape.text ? "texts" : "images"));
  }
  if (shape.classes != a.classes) {
    throw base::UserError(
        fmt::format("model.classes: is {}, the data have {} classes", a.classes, shape.classes));
  }
  if (!shape.text && shape.channels != a.channels && shape.channels != 1) {
    throw base::UserError(
        fmt::format("model.channels: is {}, the images have {}", a.channels, shape.channels));
  }
  if (shape.text && shape.sequence > a.sequence) {
    throw base::UserError(
        fmt::format("model.sequence: is {}, the texts have {} tokens", a.sequence, shape.sequence));
  }
}

Tensor as_tensor(std::span<const std::int64_t> indices) {
  return at::from_blob(const_cast<std::int64_t*>(indices.data()),  // NOLINT
                       {static_cast<std::int64_t>(indices.size())}, at::kLong);
}

}  // namespace

Normalization normalization_of(const Dataset& data) {
  Normalization result;
  if (data.shape.text) return result;
  const auto channels = static_cast<std::size_t>(data.shape.channels);
  const std::size_t area =
      static_cast<std::size_t>(data.shape.height) * static_cast<std::size_t>(data.shape.width);
  std::vector<double> sums(channels);
  std::vector<double> squares(channels);
  for (std::size_t i = 0; i < data.pixels.size(); ++i) {
    const double value = data.pixels[i] / brightest;
    sums[i / area % channels] += value;
    squares[i / area % channels] += value * value;
  }
  const double count =
      std::max(1.0, static_cast<double>(data.pixels.size()) / static_cast<double>(channels));
  for (std::size_t c = 0; c < channels; ++c) {
    const double mean = sums[c] / count;
    const double variance = squares[c] / count - mean * mean;
    result.mean.push_back(mean);
    result.deviation.push_back(variance > 1e-8 ? std::sqrt(variance) : 1.0);
  }
  return result;
}

Samples::Samples(std::shared_ptr<const Dataset> data, const Architecture& architecture,
                 const Normalization& normalization, const at::Device& device)
    : data_(std::move(data)),
      device_(device),
      channels_(architecture.channels),
      height_(architecture.height),
      width_(architecture.width) {
  const DataShape& shape = data_->shape;
  check(shape, architecture);
  labels_ = view(data_->labels, {size()}, at::kInt).to(at::kLong);
  if (shape.text) {
    inputs_ = view(data_->tokens, {size(), shape.sequence}, at::kInt);
    return;
  }
  inputs_ = view(data_->pixels, {size(), shape.channels, shape.height, shape.width}, at::kByte);
  std::vector<float> factor;
  std::vector<float> shift;
  for (std::size_t c = 0; c < normalization.mean.size(); ++c) {
    factor.push_back(static_cast<float>(1 / (brightest * normalization.deviation[c])));
    shift.push_back(static_cast<float>(-normalization.mean[c] / normalization.deviation[c]));
  }
  const auto per_channel = [&](const std::vector<float>& v) {
    return at::tensor(v).view({1, static_cast<std::int64_t>(v.size()), 1, 1}).to(device_);
  };
  factor_ = per_channel(factor);
  shift_ = per_channel(shift);
}

std::vector<int> Samples::labels_of(std::span<const std::int64_t> indices) const {
  std::vector<bool> there(static_cast<std::size_t>(data_->shape.classes), false);
  for (const std::int64_t index : indices) {
    const int label = data_->labels.at(static_cast<std::size_t>(index));
    there.at(static_cast<std::size_t>(label)) = true;
  }
  std::vector<int> labels;
  for (int label = 0; label < data_->shape.classes; ++label) {
    if (there[static_cast<std::size_t>(label)]) labels.push_back(label);
  }
  return labels;
}

Tensor Samples::labels(std::span<const std::int64_t> indices) const {
  return labels_.index_select(0, as_tensor(indices)).to(device_);
}

Batch Samples::batch(std::span<const std::int64_t> indices) const {
  const Tensor which = as_tensor(indices);
  Batch batch;
  batch.labels = labels(indices);
  const Tensor chosen = inputs_.index_select(0, which).to(device_);
  if (data_->shape.text) {
    batch.input = chosen.to(at::kLong);
    return batch;
  }
  Tensor images = chosen.to(at::kFloat).mul_(factor_).add_(shift_);
  if (images.size(2) != height_ || images.size(3) != width_) {
    images = at::upsample_bilinear2d(images, {height_, width_}, false);
  }
  if (images.size(1) != channels_) images = images.expand({-1, channels_, -1, -1}).contiguous();
  batch.input = std::move(images);
  return batch;
}

}  // namespace convoy::engine
